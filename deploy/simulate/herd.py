"""Many real agents in one process, on real disks and sockets, which only take note of what they should run.

An engine and a model per device would measure this machine, not the service; all else is that of a device.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from deploy.device.agent import Agent
from deploy.device.belief import BeliefByTargets
from deploy.device.disk import Disk
from deploy.device.http import Http
from deploy.device.ports import Placed, Tally
from deploy.device.settings import Settings
from deploy.device.words import Woke
from deploy.simulate.ground import Place
from deploy.trust.client import TrustedTargets
from deploy.trust.fetcher import Fetcher
from deploy.wire.check import METADATA, TARGETS
from deploy.wire.report import Counts

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse


@dataclass(frozen=True, slots=True)
class Runs:
    """One device: what it runs, since when by the monotonic clock, and how many bytes came to it so far."""

    release: str
    since_s: float
    bytes: int


class Noting:
    """A host that runs nothing and notes when it would."""

    def __init__(self) -> None:
        self.release, self.since_s, self.began = "", 0.0, 0

    def prove(self, placed: Placed) -> None:
        """Check the bytes."""
        placed.bundle.verify()

    def run(self, task: str, placed: Placed | None) -> None:
        """Note what runs from now on."""
        self.release, self.since_s = "" if placed is None else placed.assigned.release, time.monotonic()
        self.began += 1

    def tally(self, task: str) -> Tally | None:
        """Return enough runs to be confirmed."""
        return Tally(self.release, 1_000) if self.release else None

    def take(self, task: str) -> Counts:
        """Return nothing."""
        return Counts()


class _CountedHttp(Http):
    """HTTP that counts the bytes of bodies."""

    got = 0

    def _chunks(self, path: str, response: BaseHTTPResponse) -> Iterator[bytes]:
        for chunk in super()._chunks(path, response):
            self.got += len(chunk)
            yield chunk


class _CountedFetcher(Fetcher):
    """A fetcher of trust that counts the bytes of bodies."""

    got = 0

    def _pieces(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        for piece in super()._pieces(response):
            self.got += len(piece)
            yield piece


class Device:
    """The device NAME in FOLDER, which asks the service at PLACE."""

    def __init__(self, folder: Path, name: str, place: Place, poll_s: int) -> None:
        folder.mkdir()
        self._http, self._fetcher = _CountedHttp(place.url, token=place.token), _CountedFetcher()
        targets = TrustedTargets(
            folder / "trust", place.url + METADATA, place.url + TARGETS, self._fetcher, root=place.root
        )
        self._host, self._stop = Noting(), Event()
        settings = Settings(name, spread_s=poll_s, backoff_s=1, report_s=1, patience_s=0)
        self._agent = Agent(settings, Disk(folder / "disk"), self._http, BeliefByTargets(targets), self._host)
        self._thread = Thread(target=self._agent.run, args=(self._stop,), name=name)
        self._thread.start()

    @property
    def runs(self) -> Runs:
        """Return what it runs."""
        return Runs(self._host.release, self._host.since_s, self._http.got + self._fetcher.got)

    def stop(self) -> None:
        """Let its agent come to its end."""
        self._stop.set()
        self._agent.tell(Woke())

    def close(self) -> None:
        """Wait for the end, and let go of folder and network."""
        self._thread.join()
        self._agent.close()
        self._http.close()
        self._fetcher.close()


class Herd:
    """The devices of one process; its methods are what `Crews.ask` may ask."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._devices = devices

    def see(self) -> list[Runs]:
        """Return what each runs."""
        return [device.runs for device in self._devices]

    def play(self) -> float:
        """Do nothing: agents have threads."""
        return 1.0


@contextmanager
def herd(folder: Path, names: Sequence[str], place: Place, poll_s: int) -> Iterator[Herd]:
    """Give the devices NAMES below FOLDER, which ask every POLL_S seconds."""
    with ExitStack() as stack:
        devices = []
        for name in names:
            device = Device(folder / name, name, place, poll_s)
            stack.callback(device.close)
            devices.append(device)
        try:
            yield Herd(devices)
        finally:
            for device in devices:
                device.stop()
