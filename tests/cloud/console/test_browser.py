"""The console as a person meets it, in headless Chromium: log-in, halt, log-out, light and dark."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("websockets", reason="the extra service is not installed")

from deploy.testing.browser import Browser, found

pytestmark = pytest.mark.skipif(found() is None, reason="no Chromium here: apt-get install chromium")

PLACES = (
    "",
    "/tasks",
    "/tasks/retail-rank",
    "/releases/november",
    "/releases/november-fast",
    "/rules",
    "/audit",
)
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}
CONTRAST = """
(() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = (one) => {
    while (one && (parts(getComputedStyle(one).backgroundColor)[3] ?? 1) === 0) one = one.parentElement;
    return getComputedStyle(one ?? document.body).backgroundColor;
  };
  const ratio = (one) => {
    const [a, b] = [getComputedStyle(one).color, ground(one)].map(parts).map(light);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const says = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  return [...document.querySelectorAll("main *, header *")]
    .filter((one) => one.checkVisibility() && !one.closest("svg") && says(one) && ratio(one) < 4.5)
    .map((one) => one.outerHTML.slice(0, 90));
})()
"""


class Console:
    """A service in a process of its own, and a browser before it."""

    def __init__(self, folder: Path, secrets: dict[Any, str], browser: Browser) -> None:
        self.secrets, self.browser = secrets, browser
        argv = [sys.executable, "-m", "headrace", "service", "run", str(folder), "--port", "0"]
        self._process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        told = re.search(r"http://[\d.:]+", self._process.stderr.readline())
        assert told
        self.url = told[0] + "/console"

    def stop(self) -> None:
        """End the service."""
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=30)

    def log_in(self, role: str) -> None:
        """Log in with the token of a role, by hand."""
        self.browser.forget()
        self.browser.open(self.url)
        self.browser.write("#token", self.secrets[role])
        self.browser.run("document.documentElement.dataset.left = 'yes'")
        self.browser.press("Enter")
        self.browser.arrive()


@pytest.fixture(scope="module")
def console(told: Any) -> Iterator[Console]:
    """Give one browser and one service for all tests, who log in and out in turn."""
    with tempfile.TemporaryDirectory(prefix="headrace-console-", ignore_cleanup_errors=True) as folder:
        shutil.copytree(told[0], Path(folder) / "service")
        with Browser(Path(folder) / "profile") as browser:
            made = Console(Path(folder) / "service", told[1], browser)
            try:
                yield made
            finally:
                made.stop()


@pytest.fixture
def page(console: Console) -> Iterator[Browser]:
    """Give the browser, logged in as a releaser; nothing may be said on its console."""
    browser = console.browser
    browser.said.clear()
    browser.resize(1280, 900)
    browser.prefer("light")
    console.log_in("releaser")
    yield browser
    assert browser.said == []


def test_log_in_and_out(console: Console, page: Browser) -> None:
    """The field has the focus, Enter logs in, the page says who it is; after the log-out all is closed."""
    assert "bob releaser" in " ".join(page.text(".who").split())
    assert page.text("h1") == "Overview"
    cookie = next(each for each in page.cookies() if each["name"] == "headrace_console")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert page.run("document.cookie") == ""
    page.leave(".who button")
    assert page.text("h1") == "Log in"
    page.wait("document.activeElement.id === 'token'")
    page.open(f"{console.url}/releases/november")
    assert page.text("h1") == "Log in"


def test_a_release_is_watched(console: Console, page: Browser) -> None:
    """Its charts are drawn anew; while a table is open nothing moves; silence of the service is told."""
    page.open(f"{console.url}/releases/november")
    assert page.run("document.querySelectorAll('svg.chart .line, svg.chart .dot').length") > 10
    part = "document.querySelector('main > [hx-get]')"
    poll = f"htmx.ajax('GET', location.pathname, {{source: {part}, target: {part}}})"
    page.run("window.before = document.querySelector('.tiles')")
    page.run(poll)
    page.wait("document.querySelector('.tiles') !== window.before")
    page.click("#c1-open")
    assert page.run("document.querySelectorAll('#c1-table tbody tr').length") > 1
    page.run("window.before = document.querySelector('.tiles')")
    page.run(f"Promise.race([{poll}.catch(() => 0), new Promise((done) => setTimeout(done, 200))])")
    assert page.run(
        "document.querySelector('.tiles') === window.before && document.querySelector('#c1-table').open"
    )
    page.click("#c1-open")
    assert page.run("document.getElementById('silent').hidden")
    page.run("htmx.trigger(document.body, 'htmx:sendError')")
    page.wait("!document.getElementById('silent').hidden")
    page.run(poll)
    page.wait("document.getElementById('silent').hidden")


def test_a_halt_is_asked_for_and_done(console: Console, page: Browser) -> None:
    """The question is a dialog; the focus is on leaving it, Escape leaves, its button halts."""
    page.open(f"{console.url}/releases/feed-2")
    page.click("header.head a.bad")
    page.wait("document.querySelector('dialog').open")
    assert "Halt feed-2?" in page.text("dialog")
    page.wait("document.activeElement.textContent === 'Leave it'")
    page.press("Escape")
    page.wait("!document.querySelector('dialog').open")
    page.wait("document.activeElement.textContent === 'Halt'")
    page.press("Enter")
    page.wait("document.querySelector('dialog').open")
    page.leave("dialog button.bad")
    assert page.text(".tiles .pill") == "halted"
    assert page.run("document.querySelector('header.head a.bad')") is None
    assert "bob halted the release feed-2" in " ".join(page.text(".deeds").split())
    page.open(f"{console.url}/tasks/home-feed")
    assert "halted" in page.text("main")


def test_who_looks_sees_no_button(console: Console, page: Browser) -> None:
    """A viewer has no way to halt."""
    console.log_in("viewer")
    page.open(f"{console.url}/releases/november")
    assert page.run("document.querySelectorAll('.deed').length") == 0


def test_the_keyboard_gets_everywhere(console: Console, page: Browser) -> None:
    """The first stop skips to the content, the others can be seen: each has an outline."""
    page.open(console.url)
    page.press("Tab")
    assert page.run("document.activeElement.className") == "skip"
    for _ in range(12):
        page.press("Tab")
        assert page.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert page.run("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_schemes_are_readable(console: Console, page: Browser, scheme: str) -> None:
    """Texts stand out by 4.5 to 1 (WCAG 2.2, 1.4.3); nothing is wider than the screen."""
    page.prefer(scheme)
    for place in PLACES:
        page.open(console.url + place)
        assert page.run(CONTRAST) == [], place
        for width in (1280, 400):
            page.resize(width, 900)
            assert page.run("document.documentElement.scrollWidth - innerWidth") <= 0, (place, width)
    ground = [
        int(part) for part in re.findall(r"\d+", page.run("getComputedStyle(document.body).backgroundColor"))
    ]
    assert (sum(ground) < 150) == (scheme == "dark")


def test_axe_finds_nothing(console: Console, page: Browser) -> None:
    """The rules of axe-core for WCAG 2.1 A and AA hold on every page, and in the dialog."""
    script = axe()
    for place in ("", "/tasks/retail-rank", "/releases/november", "/rules"):
        page.open(console.url + place)
        if place == "/releases/november":
            page.click("header.head a.bad")
            page.wait("document.querySelector('dialog').open")
        page.run(script)
        found = "r.violations.map((v) => [v.id, v.nodes.map((n) => n.html)])"
        told = page.run(f"axe.run(document, {json.dumps(RULES)}).then((r) => {found})")
        assert told == [], place


def axe() -> str:
    """Return the script of axe-core; skip where npm did not bring it."""
    for folder in filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep)):
        if (path := Path(folder) / "axe-core/axe.min.js").is_file():
            return path.read_text("utf-8")
    pytest.skip("no axe-core on NODE_PATH: npm install axe-core")
