"""A repository with its keys, a server of it that may lie, and devices: the stage of the tests of trust."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from deploy import canonical
from deploy.task.manifest import MODEL_FILES, Manifest
from deploy.trust import keys
from deploy.trust.assignments import AssignmentKeys
from deploy.trust.client import TrustedTargets
from deploy.trust.fetcher import Fetcher
from deploy.trust.keys import Key
from deploy.trust.pace import Bounds
from deploy.trust.repository import Repository, Signers
from featuregraph.testing.clock import FakeClock
from inference.manifest import FileEntry

DAY_MS = 86_400_000
METADATA, TARGETS = "/v1/tuf/metadata/", "/v1/tuf/targets/"
# What is slow is slow at this pace; who is not about slowness waits as long as a loaded machine takes.
QUICK = Bounds(connect_s=30, head_s=0.5, silence_s=0.5, window_s=0.3, least_bytes=200)
PATIENT = Bounds(connect_s=60, head_s=60, silence_s=60, window_s=60, least_bytes=1)
NAMES = ("root", "root2", "root3", "targets", "snapshot", "timestamp", "rank", "rank2", "assign", "thief")
KEYS: dict[str, Key] = {name: keys.generate() for name in NAMES}
OFFLINE = ("root", "root2", "targets")
ONLINE = ("snapshot", "timestamp")

Fault = Callable[["Request", bytes], None]


def signers(*names: str, threshold: int = 1) -> Signers:
    """Return the public keys of NAMES, of which a THRESHOLD must sign."""
    return Signers([KEYS[name].public for name in names], threshold)


def held(*names: str) -> list[Key]:
    """Return the private keys of NAMES."""
    return [KEYS[name] for name in names]


def manifest(task: str = "rank", words: str = "one") -> Manifest:
    """Return the manifest of a bundle of TASK that differs by WORDS."""
    entry = FileEntry(bytes=1, sha256="0" * 64)
    files = {
        **dict.fromkeys(MODEL_FILES, entry),
        "data/words": FileEntry(2, canonical.digest(words.encode())),
    }
    return Manifest(task, "a" * 64, "b" * 64, files)


def repository(folder: Path, clock: FakeClock | None = None) -> Repository:
    """Make a repository in FOLDER: two of three root keys, and `rank` signs for the task rank."""
    made = Repository(folder, clock=clock or FakeClock(time.time_ns() // 1_000_000))
    roles = {
        "root": signers("root", "root2", "root3", threshold=2),
        **{name: signers(name) for name in ("targets", "snapshot", "timestamp")},
    }
    made.init(roles, held(*OFFLINE, *ONLINE))
    made.assign(AssignmentKeys.of([KEYS["assign"].public]), held("targets"))
    made.delegate("rank", signers("rank"), held("targets", *ONLINE))
    return made


class Server(ThreadingHTTPServer):
    """A server of a repository on this machine, with files that are not what they should be."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, repository: Repository) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.folders = {METADATA: repository.metadata, TARGETS: repository.targets}
        self.lies: dict[str, bytes | None] = {}  # contents by the end of the path; None: not there
        self.faults: dict[str, Fault] = {}  # how it is sent, by the end of the path
        self.asked: list[str] = []
        self.sent = 0  # bytes of bodies
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        """Return where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away."""

    def content(self, path: str) -> bytes | None:
        """Return what is served at PATH."""
        for end, lie in self.lies.items():
            if path.endswith(end):
                return lie
        for prefix, folder in self.folders.items():
            if path.startswith(prefix) and (file := folder / path.removeprefix(prefix)).is_file():
                return file.read_bytes()
        return None


class Request(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        self.server.asked.append(self.path)
        content = self.server.content(self.path)
        fault = next((how for end, how in self.server.faults.items() if self.path.endswith(end)), None)
        with suppress(OSError):
            if content is None:
                self.head(404, 0)
            elif fault is not None:
                fault(self, content)
            else:
                self.whole(content)

    def whole(self, content: bytes, most: int | None = None) -> None:
        """Send CONTENT from where it is asked for; but MOST bytes of it, if given, and hang up."""
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        rest = content[start:]
        if asked and not rest:
            self.head(416, 0)
            return
        more = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        self.head(206 if start else 200, len(rest), **more)
        self.body(rest[:most])
        self.close_connection = most is not None

    def head(self, status: int, length: int | None, **more: str) -> None:
        """Send the head of an answer."""
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def body(self, content: bytes) -> None:
        """Send bytes of the body."""
        self.server.sent += len(content)  # before: who receives it may look at once
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class World:
    """A repository, its server, and devices."""

    def __init__(self, folder: Path, clock: FakeClock | None = None) -> None:
        self.folder = folder
        self.clock = clock or FakeClock(time.time_ns() // 1_000_000)
        self.repository = repository(folder / "repository", self.clock)
        self.server = Server(self.repository)
        self.fetchers: list[Fetcher] = []

    def publish(self, words: str = "one", *names: str) -> str:
        """Publish a bundle of rank and return its id."""
        one = manifest(words=words)
        self.repository.publish("rank", one.to_json(), held(*(names or ("rank", *ONLINE))))
        return one.id

    def device(self, name: str = "ann", bounds: Bounds = PATIENT) -> TrustedTargets:
        """Return what the device NAME believes, as its process starts."""
        folder = self.folder / name
        fetcher = Fetcher(bounds, folder / ".partial")
        self.fetchers.append(fetcher)
        url = self.server.url
        return TrustedTargets(folder, url + METADATA, url + TARGETS, fetcher, self.repository.root())

    def state(self) -> dict[str, bytes]:
        """Return all metadata, as a mirror may keep it."""
        return {path.name: path.read_bytes() for path in self.repository.metadata.iterdir()}

    def serve(self, state: dict[str, bytes]) -> None:
        """Serve STATE in place of the repository's metadata."""
        there = self.state()
        self.server.lies = {f"/{name}": state.get(name) for name in {**there, **state}}

    def close(self) -> None:
        """Let go of everything."""
        for fetcher in self.fetchers:
            fetcher.close()
        self.server.shutdown()
        self.server.server_close()
