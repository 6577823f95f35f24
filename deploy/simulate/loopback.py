"""Real agents on loopback against a real service: how a release reaches them, and what it costs the service.

1. All devices get the first bundle. 2. The service rests, to know what it does without devices. 3. The second
one is released to all at once: when does each device run it, how many bytes came to it? 4. Devices only ask,
for a while: CPU seconds of the service per check. Each check is a connection of its own, as those of devices
that ask every quarter of an hour are.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Final, Self

import numpy as np

from deploy.bucket import MILLION
from deploy.bundle.bundle import Bundle
from deploy.cloud.client import body_of
from deploy.cohort import Cohort
from deploy.errors import ServiceError
from deploy.rollout import Release
from deploy.simulate.crews import Crews, crews
from deploy.simulate.ground import Ground, ground
from deploy.simulate.herd import Runs, herd
from deploy.simulate.postgres import is_there, postgres

PER_PROCESS: Final = 150  # devices
PATIENCE_S: Final = 300.0
_CHECKS: Final = re.compile(r"^headrace_checks_total\{[^}]*\} ([0-9.e+]+)", re.MULTILINE)
_LOOK_S: Final = 0.5

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Ways:
    """How it is done."""

    devices: int = 300
    poll_s: int = 2
    idle_s: float = 5.0
    steady_s: float = 20.0
    sqlite: bool = False  # even where there is PostgreSQL


@dataclass(frozen=True, slots=True)
class Found:
    """What came of it. Seconds from the release."""

    devices: int
    poll_s: int
    database: str
    t50_s: float
    t90_s: float
    t99_s: float
    all_s: float
    curve: tuple[tuple[float, float], ...]  # (second, share of devices)
    full_bytes: int  # of the first bundle
    first_bytes_per_device: float  # for the first release, checks and trust included
    origin_bytes_per_device: float  # for the second one
    peak_checks_per_s: float
    steady_checks_per_s: float
    cpu_s_per_million_checks: float
    checks_per_core_s: float
    idle_cpu: float  # of a core, without devices; not in the two above


def run(first: Bundle, second: Bundle, ways: Ways, say: Say) -> Found:
    """Release FIRST and then SECOND, of one task, to real agents, and SAY what happens.

    Raises:
        ServiceError: a device did not come to run them in time.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-loopback-")))
        settings = f"poll_s = {ways.poll_s}\nvalid_s = 86400\ncalls_per_s = 1000\n"
        uses = is_there() and not ways.sqlite
        if uses:
            settings += f'database = "{stack.enter_context(postgres())}"\n'
        elif not ways.sqlite:
            say("there is no PostgreSQL below /usr/lib/postgresql: SQLite takes its place")
        task = first.manifest.task
        place = stack.enter_context(ground(folder / "service", task, settings))
        place.publish(first)
        place.publish(second)
        say(f"the service is at {place.url}, with {'PostgreSQL' if uses else 'SQLite'}")
        return _Play(place, ways, say, "PostgreSQL" if uses else "SQLite").all(folder, first, second)


@dataclass(frozen=True, slots=True)
class _Play:
    """One measurement under way."""

    place: Ground
    ways: Ways
    say: Say
    database: str

    def all(self, folder: Path, first: Bundle, second: Bundle) -> Found:
        """Play it, and return what came of it."""
        ways = self.ways
        time.sleep(ways.idle_s)  # differences are made, and all is loaded
        idle = self._cpu_per_s(ways.idle_s)
        names = [f"device-{n}" for n in range(ways.devices)]
        self._release("first", first, 0)
        of = -(-ways.devices // PER_PROCESS)
        parts = [(folder, names[n::of], self.place.place, ways.poll_s) for n in range(of)]
        with crews(herd, parts) as fleet:
            before = self._until(fleet, "first")
            self.say(f"{ways.devices} devices run the first bundle")
            with _Peak(self.place) as peak:
                began = time.monotonic()
                self._release("second", second, 1)
                after = self._until(fleet, "second")
            times = np.sort([runs.since_s - began for runs in after])
            self.say(f"all run the second one after {times[-1]:.1f} s")
            time.sleep(2 * ways.poll_s)  # for reports and what is tidied
            checks, cpu_s, spent_s = self._steady()
        cpu_s = max(0.0, cpu_s - idle * spent_s)
        t50, t90, t99 = (float(each) for each in np.quantile(times, (0.5, 0.9, 0.99), method="higher"))
        return Found(
            ways.devices,
            ways.poll_s,
            self.database,
            t50,
            t90,
            t99,
            float(times[-1]),
            tuple((float(at), (n + 1) / len(times)) for n, at in enumerate(times)),
            first.manifest.size,
            float(np.mean([runs.bytes for runs in before])),
            float(np.mean([b.bytes - a.bytes for a, b in zip(before, after, strict=True)])),
            peak.most,
            checks / spent_s,
            cpu_s / checks * MILLION,
            checks / cpu_s if cpu_s else 0.0,
            idle,
        )

    def _release(self, name: str, bundle: Bundle, priority: int) -> None:
        far = self.place.remote("releaser")
        manifest = bundle.manifest
        wanted = Release(manifest.task, bundle.id, manifest.graph_id, Cohort(name, MILLION), priority)
        far.ask("PUT", f"/v1/releases/{name}", body_of(wanted), far.ruleset().version)

    def _until(self, fleet: Crews, release: str) -> list[Runs]:
        """Return what the devices tell once all run RELEASE."""
        end = time.monotonic() + PATIENCE_S
        while True:
            seen: list[Runs] = fleet.ask("see")
            left = sum(runs.release != release for runs in seen)
            if not left:
                return seen
            if time.monotonic() > end:
                raise ServiceError(
                    f"loopback: expected all devices to run {release!r}, found {left} that do not"
                )
            time.sleep(_LOOK_S)

    def _steady(self) -> tuple[int, float, float]:
        """Return how many checks were answered, CPU seconds and seconds, while devices only ask."""
        checks, cpu_s, began = checked(self.place), self.place.cpu_s(), time.monotonic()
        time.sleep(self.ways.steady_s)
        return checked(self.place) - checks, self.place.cpu_s() - cpu_s, time.monotonic() - began

    def _cpu_per_s(self, seconds: float) -> float:
        cpu_s = self.place.cpu_s()
        time.sleep(seconds)
        return (self.place.cpu_s() - cpu_s) / seconds


class _Peak:
    """The largest rate of checks while the block runs, over `_LOOK_S`."""

    def __init__(self, place: Ground) -> None:
        self._place, self._stop, self.most = place, Event(), 0.0
        self._thread = Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        last, at = checked(self._place), time.monotonic()
        while not self._stop.wait(_LOOK_S):
            found, now = checked(self._place), time.monotonic()
            self.most = max(self.most, (found - last) / (now - at))
            last, at = found, now


def checked(place: Ground) -> int:
    """Return how many checks the service at PLACE has answered."""
    return sum(int(float(found)) for found in _CHECKS.findall(place.remote("viewer").text("/metrics")))
