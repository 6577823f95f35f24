"""A headless Chromium, driven over its own protocol (DevTools): pages as a person meets them.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
WAIT_S: Final = 20.0
KEYS: Final = {"Tab": 9, "Enter": 13, "Escape": 27}


def found() -> str | None:
    """Return the browser's path, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of one browser with a fresh profile."""

    def __init__(self, folder: Path) -> None:
        program = found()
        assert program is not None, "callers look first"
        argv = [program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        argv += ["--no-first-run", "--disable-dev-shm-usage", "--force-prefers-reduced-motion"]
        argv += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
        self._argv = argv
        self._ids = 0
        self.said: list[str] = []  # on the console of the page, errors of its policy among them

    def __enter__(self) -> Self:
        from websockets.sync.client import connect

        with ExitStack() as stack:
            pipe = stack.enter_context(
                subprocess.Popen(self._argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)  # noqa: S603
            )
            stack.callback(pipe.terminate)
            assert pipe.stderr is not None
            address = next(filter(None, (re.search(r"ws://\S+", line) for line in pipe.stderr)))[0]
            line = connect(address, max_size=64 << 20, compression=None, open_timeout=WAIT_S)
            self._line: ClientConnection = stack.enter_context(line)
            self._begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _begin(self) -> None:
        self._session = ""
        target = self._tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._tell(f"{domain}.enable")
        self.resize(1280, 900)

    # ------------------------------------------------------------ how it looks

    def resize(self, width: int, height: int) -> None:
        """Let the page be WIDTH by HEIGHT pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._tell("Emulation.setDeviceMetricsOverride", **size)

    def prefer(self, scheme: str) -> None:
        """Let the person prefer a colour SCHEME: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._tell("Emulation.setEmulatedMedia", features=features)

    def picture(self, *, whole: bool = True) -> bytes:
        """Return the page as a PNG: all of it, or what is in sight."""
        return base64.b64decode(
            self._tell("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        )

    # ------------------------------------------------------------ what a person does

    def open(self, url: str) -> None:
        """Go to URL and wait until it is there."""
        self.run("document.documentElement.dataset.left = 'yes'")
        self._tell("Page.navigate", url=url)
        self.arrive()

    def arrive(self) -> None:
        """Wait until another page is there, with its scripts run."""
        self.wait("document.readyState === 'complete' && !document.documentElement.dataset.left")

    def click(self, selector: str) -> None:
        """Click on what SELECTOR finds."""
        self.run(f"(one => {{ one.focus(); one.click() }})(document.querySelector({json.dumps(selector)}))")

    def leave(self, selector: str) -> None:
        """Click on what SELECTOR finds, and wait for the page that it leads to."""
        self.run("document.documentElement.dataset.left = 'yes'")
        self.click(selector)
        self.arrive()

    def write(self, selector: str, text: str) -> None:
        """Write TEXT into the field that SELECTOR finds."""
        self.wait(f"document.querySelector({json.dumps(selector)}) !== null")
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self._tell("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press and release KEY."""
        known = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self._tell("Input.dispatchKeyEvent", type="keyDown", **known, **text)
        self._tell("Input.dispatchKeyEvent", type="keyUp", **known)

    def forget(self) -> None:
        """Let go of all cookies."""
        self._tell("Network.clearBrowserCookies")

    # ------------------------------------------------------------ what is there

    def run(self, script: str) -> Any:
        """Return what SCRIPT, an expression or a promise, comes to in the page."""
        told = self._tell("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            raise AssertionError(f"{script[:200]}: {told['exceptionDetails']}")
        return told["result"].get("value")

    def text(self, selector: str = "body") -> str:
        """Return the text that is seen of what SELECTOR finds, "" if nothing."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def wait(self, condition: str) -> None:
        """Wait until CONDITION holds in the page."""
        end = time.monotonic() + WAIT_S
        while True:
            try:
                if self.run(condition):
                    return
            except (AssertionError, RuntimeError, KeyError):  # between two pages there is none to ask
                pass
            if time.monotonic() > end:
                raise TimeoutError(f"expected {condition}, found {self.text()[:2_000]}; {self.said}")
            time.sleep(0.02)

    def cookies(self) -> list[dict[str, Any]]:
        """Return the cookies that the browser has."""
        return list(self._tell("Network.getCookies")["cookies"])

    # ------------------------------------------------------------ the line

    def _tell(self, method: str, **params: object) -> dict[str, Any]:
        self._ids += 1
        message = {"id": self._ids, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._line.send(json.dumps(message))
        while True:
            told = json.loads(self._line.recv(WAIT_S))
            if told.get("id") == self._ids:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                return dict(told["result"])
            self._hear(told)

    def _hear(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Log.entryAdded":
            self.said.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif event.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.said.append(json.dumps(params)[:500])
