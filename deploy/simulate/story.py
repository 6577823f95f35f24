"""Two stories of a fleet: a release that reaches everyone, and one that fails, is stopped and taken back."""

from __future__ import annotations

import time
from dataclasses import replace

from msgspec import Struct

from deploy.bucket import MILLION
from deploy.gate.policy import Policy, Stage
from deploy.simulate.director import NEW_BUNDLE, Director
from deploy.simulate.fleet import Fleet, Ways

WARM_MS = 20 * 60_000  # the fleet's checks are spread before the release begins


class Load(Struct, frozen=True):
    """What a story cost."""

    checks: int
    peak_checks_per_s: int
    bytes_per_device: float  # of those that ran the release
    steps: int  # of machines
    cpu_s: float


class Reached(Struct, frozen=True):
    """A release to all at once. Minutes from its begin, None where it is not reached."""

    devices: int
    t50_min: int | None  # until so many % of the devices that were online run it
    t90_min: int | None
    t99_min: int | None
    coverage: tuple[float, ...]  # of all devices, by minute
    load: Load


class Stopped(Struct, frozen=True):
    """A release that fails on a share of devices, before the default gates."""

    devices: int
    fails: float
    verdict: str
    why: str
    exposed: int  # devices that ran it
    halt_min: int  # from its begin to the stop
    back50_min: int | None  # from the stop until so many % of those devices run the one before
    back99_min: int | None
    left: int  # devices that still run it at the end
    load: Load


def reach(ways: Ways, seed: int = 1, hours: float = 1.0) -> Reached:
    """Return how a release that is good reaches all of a fleet."""
    began = time.process_time()
    director = Director(Policy(stages=(Stage(millionths=MILLION),)), ways.devices, ways.poll_s)
    fleet = Fleet(replace(ways, fails=0.0), director, seed)
    fleet.run(WARM_MS, lambda: False)
    online = sum(device.state.online for device in fleet.devices)
    there = [device for device in fleet.devices if device.state.online]
    director.begin(fleet.now_ms)
    fleet.hint()
    coverage, of_those = [], []

    def each_minute() -> bool:
        coverage.append(fleet.runs[NEW_BUNDLE] / ways.devices)
        of_those.append(sum(device.bundle == NEW_BUNDLE for device in there) / max(online, 1))
        return False

    fleet.run(WARM_MS + int(3_600_000 * hours), each_minute)
    times = [_first(of_those, share) for share in (0.5, 0.9, 0.99)]
    return Reached(ways.devices, times[0], times[1], times[2], tuple(coverage), _load(fleet, began))


def stop(ways: Ways, seed: int = 1, hours: float = 24.0, policy: Policy | None = None) -> Stopped:
    """Return what becomes of a release that fails, up to an hour after its stop."""
    began = time.process_time()
    director = Director(policy or Policy(), ways.devices, ways.poll_s)
    fleet = Fleet(ways, director, seed)
    fleet.run(WARM_MS, lambda: False)
    director.begin(fleet.now_ms)
    fleet.hint()

    def each_minute() -> bool:
        if director.look(fleet.now_ms):
            fleet.hint()
        return director.is_over

    fleet.run(WARM_MS + int(3_600_000 * hours), each_minute)
    halt_ms, running = fleet.now_ms, fleet.runs[NEW_BUNDLE]
    back: list[float] = []

    def each_minute_after() -> bool:
        back.append(1 - fleet.runs[NEW_BUNDLE] / max(running, 1))
        return False

    fleet.run(halt_ms + 3_600_000, each_minute_after)
    last = director.step
    assert last is not None, "the gates have looked"
    return Stopped(
        ways.devices,
        ways.fails,
        last.verdict,
        last.why,
        fleet.exposed,
        (halt_ms - WARM_MS) // 60_000,
        _first(back, 0.5),
        _first(back, 0.99),
        fleet.runs[NEW_BUNDLE],
        _load(fleet, began),
    )


def _load(fleet: Fleet, began: float) -> Load:
    return Load(
        fleet.checks,
        max(fleet.per_second.values(), default=0),
        fleet.bytes / max(fleet.exposed, 1),
        fleet.steps,
        round(time.process_time() - began, 1),
    )


def _first(shares: list[float], share: float) -> int | None:
    """Return after how many minutes SHARE was reached."""
    return next((minute for minute, found in enumerate(shares, 1) if found >= share), None)
