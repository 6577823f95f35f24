"""A device over HTTP: real keys, a TUF repository, a server with ranges, a model that runs; the commands."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tuf", reason="the extra agent is not installed")
pytest.importorskip("onnx", reason="the extra build is not installed")

from deploy.bundle.bundle import Bundle
from deploy.bundle.pack import pack
from deploy.device.http import Http
from deploy.errors import NetworkError
from deploy.trust import keys
from deploy.trust.assignments import AssignmentKeys, sign
from deploy.trust.repository import Repository, Signers
from deploy.wire.assignment import Assigned, AssignmentManifest
from deploy.wire.check import BLOBS, CHECK, METADATA, REPORTS, TARGETS, Answer
from deploy.wire.report import Report, Reports
from headrace.cli import main

KEY = keys.generate()
THIEF = keys.generate()
ROLES = ("root", "targets", "snapshot", "timestamp")


class Service(ThreadingHTTPServer):
    """A repository, blobs and an answer, served as files are; `wrong` is what the next requests meet."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.repository = Repository(folder)
        self.repository.init({name: Signers([KEY.public], 1) for name in ROLES}, [KEY])
        self.repository.assign(AssignmentKeys.of([KEY.public]), [KEY])
        self.repository.delegate("made", Signers([KEY.public], 1), [KEY])
        self.blobs: dict[str, bytes] = {}
        self.answer = b""
        self.reports: list[Report] = []
        self.wrong: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def publish(self, bundle: Bundle) -> None:
        """Offer BUNDLE, signed."""
        self.repository.publish("made", bundle.manifest.to_json(), [KEY])
        for sha256, size in bundle.manifest.blobs.items():
            content = bytearray()
            bundle.pour(sha256, size, content.extend)
            self.blobs[sha256] = bytes(content)

    def assign(
        self, ruleset: int, bundle: Bundle, name: str, key: keys.Key = KEY, valid_s: int = 600
    ) -> None:
        """Answer checks with BUNDLE from now on."""
        wanted = Assigned(name, bundle.id, bundle.manifest.graph_id)
        until_ms = int(1_000 * (time.time() + valid_s))
        manifest = AssignmentManifest(ruleset, until_ms, {"made": wanted})
        self.answer = Answer(sign(manifest, [key]), 900).to_json()


class Request(BaseHTTPRequestHandler):
    """One request of a device."""

    protocol_version = "HTTP/1.1"
    server: Service

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Take reports."""
        content = self.rfile.read(int(self.headers["content-length"]))
        assert self.path == REPORTS
        self.server.reports += Reports.from_json(content).reports
        self._say(202, b"")

    def do_GET(self) -> None:
        """Answer a check, or with a file."""
        wrong = self.server.wrong.pop(0) if self.server.wrong and self.path.startswith(BLOBS) else ""
        content = self._content()
        if content is None:
            self._say(404, b"")
        elif wrong == "cut":
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif wrong == "busy":
            self._say(503, b"", ("retry-after", "1"))
        elif (told := self.headers.get("range")) is not None:
            start = int(told.removeprefix("bytes=").removesuffix("-"))
            place = ("content-range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self._say(206, content[start:], place)
        else:
            self._say(200, content)

    def _content(self) -> bytes | None:
        if self.path == CHECK:
            return self.server.answer
        if self.path.startswith(BLOBS):
            return self.server.blobs.get(self.path.removeprefix(BLOBS))
        repository = self.server.repository
        for prefix, folder in ((METADATA, repository.metadata), (TARGETS, repository.targets)):
            file = folder / self.path.removeprefix(prefix)
            if self.path.startswith(prefix) and file.is_file():
                return file.read_bytes()
        return None

    def _say(self, status: int, content: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("content-length", str(len(content))), ("etag", str(hash(content)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Give a service on loopback."""
    server = Service(tmp_path / "repository")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def check(service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Return `headrace agent check` of a device: its exit code, what it knows, and what it says besides."""
    (tmp_path / "root.json").write_bytes(service.repository.root())

    def asked(*more: str) -> tuple[int, dict[str, Any], str]:
        words = ["--service", service.url, "--device", "ann", "--root", str(tmp_path / "root.json"), "--json"]
        code = main(["agent", "check", str(tmp_path / "device"), *words, *more])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else {}, said.err

    return asked


def test_a_release_comes_to_a_device(
    service: Service, check: Callable[..., Any], made: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """From a signed bundle to a model that runs, through cuts; then the next, and what is not believed."""
    first, second = pack(made("a")).bundle, pack(made("b", "8d")).bundle
    service.publish(first)
    service.publish(second)
    service.assign(1, first, "first")
    service.wrong = ["", "cut", "cut"]
    code, kept, _ = check("--fact", "os=linux")
    assert (code, kept["ruleset"], kept["tasks"]["made"]["active"]["release"]) == (0, 1, "first")
    assert [one.state for one in service.reports] == ["installed", "active"]

    service.assign(2, second, "second")
    code, kept, _ = check()
    assert (code, kept["tasks"]["made"]["active"]["release"]) == (0, "second")

    for ruleset, options, said in (
        (1, {}, "expected ruleset 2 or newer, found 1"),
        (3, {"key": THIEF}, "expected signatures of 1 trusted keys, found 0"),
        (3, {"valid_s": -60}, "look at the clock"),
    ):
        service.assign(ruleset, first, "first", **options)
        code, kept, told = check()
        assert (code, kept["ruleset"], kept["tasks"]["made"]["active"]["release"]) == (1, 2, "second")
        assert said in " ".join(told.split())

    service.assign(3, pack(made("c", "9d")).bundle, "unsigned")  # of the service's word alone
    code, kept, _ = check("--within", "2")
    assert (code, kept["tasks"]["made"]["active"]["release"]) == (1, "second")


def test_a_device_without_a_service_keeps_what_it_had(
    service: Service, check: Callable[..., Any], made: Callable[..., Path], tmp_path: Path
) -> None:
    """One line, exit code 1; and the status can be asked without any network."""
    bundle = pack(made("a")).bundle
    service.publish(bundle)
    service.assign(1, bundle, "first")
    assert check()[0] == 0
    service.answer = b"{}"
    code, kept, told = check()
    assert (code, kept["tasks"]["made"]["active"]["release"]) == (1, "first")
    assert "check: expected" in told
    assert main(["agent", "status", str(tmp_path / "device"), "--json"]) == 0


def test_the_network_over_http(service: Service) -> None:
    """Answers, refusals, and a server that is not there, each as one kind of error."""
    network = Http(service.url)
    service.blobs["x"] = bytes(200_000)
    with network.ask(BLOBS + "x", {"range": "bytes=50000-"}) as reply:
        assert (reply.status, sum(map(len, reply.chunks))) == (206, 150_000)
    with network.ask(BLOBS + "y") as reply:
        assert reply.status == 404
    network.close()
    gone = Http("http://127.0.0.1:1", timeout_s=5)
    with pytest.raises(NetworkError, match="look at the network"), gone.ask(CHECK):
        pass
    gone.close()


def test_an_answer_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow retrieval: below the least rate an answer is left, whatever keeps coming."""

    class Dripping:
        """A body that never ends."""

        def read1(self, most: int) -> bytes:
            """Return one byte."""
            return b"."

    now = iter(range(0, 10_000, 3))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    network = Http("http://127.0.0.1:1")
    with pytest.raises(NetworkError, match="expected at least 256 bytes a second"):
        for _ in network._chunks("/x", Dripping()):  # type: ignore[arg-type]
            pass
    network.close()
