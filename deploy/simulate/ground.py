"""A ground for fleets on this machine: a service in a process of its own, its ceremony held, its tokens made.

All of it is the real thing: `headrace service run`, keys, signatures, HTTP on loopback.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.bundle.bundle import Bundle
from deploy.cloud import serve, tokens
from deploy.cloud.client import Remote
from deploy.cloud.roles import MAY, Role
from deploy.cloud.signer import ONLINE
from deploy.errors import ServiceError
from deploy.trust import keys
from deploy.trust.assignments import AssignmentKeys
from deploy.trust.keys import Key
from deploy.trust.repository import Repository, Signers

START_S: Final = 60.0
STOP_S: Final = 30.0
LOG: Final = "service.log"
_URL: Final = re.compile(r"serving on (http://[\d.:]+)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service is, and what its devices know of it."""

    url: str
    token: str
    root: bytes  # what devices are shipped with


@dataclass(frozen=True, slots=True)
class Ground:
    """A service that runs, and what its people and devices need."""

    folder: Path
    url: str
    root: bytes  # what devices are shipped with
    secrets: Mapping[Role, str]
    publisher: Key  # of the task
    pid: int

    @property
    def place(self) -> Place:
        """Return what devices know."""
        return Place(self.url, self.secrets["device"], self.root)

    def remote(self, role: Role) -> Remote:
        """Return the service as somebody with the token of ROLE asks it."""
        return Remote(self.url, self.secrets[role])

    def publish(self, bundle: Bundle) -> int:
        """Publish BUNDLE and vouch for it; return how many bytes were sent."""
        far = self.remote("publisher")
        sent = sum(size for _, size in far.publish(bundle))
        far.vouch(bundle.manifest, None, [self.publisher])
        return sent

    def cpu_s(self) -> float:
        """Return the CPU seconds of the service so far; 0 where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def ground(folder: Path, task: str, settings: str) -> Iterator[Ground]:
    """Give a service in FOLDER for TASK while the block runs.

    Args:
        folder: empty; its service has its files in it afterwards.
        task: whose bundles will be published.
        settings: the text of service.toml.

    Raises:
        ServiceError: it does not begin.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "service.toml").write_text(settings, "utf-8")
    assignment = serve.init(folder)
    database = serve.opened(folder)
    try:
        now_ms = time.time_ns() // 1_000_000
        secrets = {role: tokens.add(database, role, role, now_ms)[1] for role in MAY}
    finally:
        database.close()
    publisher, root = _ceremony(folder, task, assignment)
    process = _start(folder)
    try:
        yield Ground(folder, _url(folder, process), root, secrets, publisher, process.pid)
    finally:
        _stop(process)


def _ceremony(folder: Path, task: str, assignment: keys.PublicKey) -> tuple[Key, bytes]:
    """Return the key of the publisher of TASK, and the root."""
    root, targets, publisher = (keys.generate() for _ in range(3))
    online = {role: keys.read(folder / "keys" / role) for role in ONLINE}
    held = [root, targets, *online.values()]
    repository = Repository(folder / "tuf")
    roles = {"root": root, "targets": targets, **online}
    repository.init({role: Signers([key.public]) for role, key in roles.items()}, held)
    repository.assign(AssignmentKeys.of([assignment]), held)
    repository.delegate(task, Signers([publisher.public]), held)
    return publisher, repository.root()


def _start(folder: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "headrace", "service", "run", str(folder), "--port", "0"]
    with (folder / LOG).open("wb") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603 - ours


def _url(folder: Path, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        if found := _URL.search((folder / LOG).read_text("utf-8", "replace")):
            return found[1]
        time.sleep(0.05)
    raise ServiceError(f"{folder / LOG}: expected the service to begin, found it did not; read it")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
