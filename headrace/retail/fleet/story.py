"""The story of `headrace demo --fleet`: a good release reaches all, a worse one is halted and taken back.

1. A service begins, its ceremony is held; the tills bring their history into their logs.
2. The first version is published, vouched for and released to all.
3. The worse version is published; gates let it begin on a fifth of the tills, with twice as many for control.
4. The gate sees that fewer of them count a click, and halts it; its tills fall back to the first version.
5. What the tills' engines say is compared, cell by cell: with what they said before, and with new engines.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from deploy.bucket import MILLION
from deploy.bundle.bundle import Bundle
from deploy.cloud.client import Remote, body_of
from deploy.cloud.staged import Wanted
from deploy.cohort import Cohort
from deploy.errors import ServiceError
from deploy.gate.policy import Criterion, Policy, Stage, counter
from deploy.gate.view import FAILING
from deploy.rollout import Release
from deploy.simulate.crews import Crews, crews
from deploy.simulate.ground import Ground, ground
from headrace.retail.fleet import crew, versions
from headrace.retail.fleet.crew import Seen
from headrace.retail.fleet.till import CLICKED
from headrace.retail.fleet.versions import TASK

FIRST, WORSE = "retail-1", "retail-2"
CONTROL: Final = WORSE + ".control"
SETTINGS: Final = "poll_s = 1\nvalid_s = 3600\nlook_s = 1\njitter_s = 1\ncalls_per_s = 1000\n"
PROCESSES: Final = 2
PATIENCE_S: Final = 150.0  # for any step
_WATCH_S: Final = 60  # the least: a device is watched for a minute of the clock
_LATEST_S: Final = 45  # of a minute, for a release to begin: its tills need some of the minute
_LOOK_S: Final = 0.25

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of the worse release."""

    name: str
    tills: int
    shown: int
    clicked: int

    @property
    def rate(self) -> float:
        """Return the share of rankings whose first items had one that was bought."""
        return self.clicked / self.shown if self.shown else 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """What the story came to. Times in seconds."""

    tills: int
    covered: int  # of the tills, by the first release
    t50_s: float
    t90_s: float
    t100_s: float
    bytes_first: int
    bytes_worse: int  # of the file that differs most, as a difference; its whole size where none was made
    before: float  # hit rate of the first version, before the worse one began
    exposed: int
    arms: tuple[Arm, ...]
    why: str
    halt_s: float  # from the release until the gate halted it
    back_s: float  # from there until no till ran it
    remembered: tuple[int, int]  # cells that are equal, of how many: before and after
    anew: tuple[int, int]  # the engine that lived through it, and a new one
    seconds: float

    @property
    def is_good(self) -> bool:
        """Tell whether all was as it should be."""
        whole = all(equal == of and of for equal, of in (self.remembered, self.anew))
        return self.covered == self.tills and 0 < self.exposed < self.tills and whole


def tell(say: Say, tills: int = 50, then: Callable[[Told], object] = lambda told: None) -> Told:
    """Play the story with TILLS tills, and SAY what happens; THEN is called while the service still runs.

    Raises:
        ServiceError: a step did not come to its end in time.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-fleet-")))
        parts = [(folder, list(range(n, tills, PROCESSES)), tills) for n in range(PROCESSES)]
        fleet = stack.enter_context(crews(crew.tills, parts))
        place = stack.enter_context(ground(folder / "service", TASK, SETTINGS))
        say(f"the service is at {place.url}, its console at {place.url}/console")
        say(f"  to look: token {place.secrets['viewer']}")
        bundles = [versions.first(folder / "first"), versions.worse(folder / "worse")]
        fleet.ask("ready")
        say(f"{tills} tills have their history in their logs")
        fleet.ask("open", place.place)
        told = _Play(place, fleet, bundles, tills, say, began).all()
        then(told)
        return told


@dataclass(slots=True)
class _Play:
    """The story under way."""

    place: Ground
    fleet: Crews
    bundles: list[Bundle]
    tills: int
    say: Say
    began: float

    def all(self) -> Told:
        first, worse = self.bundles
        sent = self.place.publish(first)
        self.say(f"version 1 is published and vouched for: {sent:,} bytes")
        reached = self._release_to_all(first)
        self._until("rankings by version 1", lambda seen: _shown(seen, FIRST) >= 2 * self.tills)
        before = _arm("", self._see(), FIRST)
        self.say(f"it ranks: of {before.shown} rankings {before.rate:.0%} show what is bought")
        self.place.publish(worse)
        difference = self._difference()
        self.say(f"version 2 is published: {difference:,} bytes for a till that has version 1")
        self._wait_for_the_minute()
        self.fleet.ask("remember")
        halted_s, look = self._release_by_gates(worse)
        fallen_s = self._until("tills back on version 1", lambda seen: all(s.release == FIRST for s in seen))
        self.say(f"no till runs version 2 any more, {fallen_s:.1f} s later; comparing what engines say")
        seen, compared = self._see(), self.fleet.ask("compare")
        return Told(
            self.tills,
            self.tills,
            *reached,
            sent,
            difference,
            before.rate,
            sum(WORSE in one.tallies for one in seen),
            (_arm("version 2", seen, WORSE), _arm("control arm", seen, CONTROL)),
            look["why"],
            halted_s,
            fallen_s,
            _summed(each for each, _ in compared),
            _summed(each for _, each in compared),
            time.monotonic() - self.began,
        )

    def _release_to_all(self, bundle: Bundle) -> tuple[float, float, float]:
        """Release BUNDLE to all; return when 50 %, 90 % and all tills ran it."""
        releaser, began, times = self._releaser(), time.monotonic(), []
        release = Release(TASK, bundle.id, bundle.manifest.graph_id, Cohort(FIRST, MILLION))
        releaser.ask("PUT", f"/v1/releases/{FIRST}", body_of(release), releaser.ruleset().version)
        for share in (0.5, 0.9, 1.0):
            holds = partial(_reached, share=share)
            self._until(f"{share:.0%} of the tills", holds)
            times.append(time.monotonic() - began)
            self.say(f"{share:.0%} of the tills run version 1 after {times[-1]:.1f} s")
        return times[0], times[1], times[2]

    def _release_by_gates(self, bundle: Bundle) -> tuple[float, Any]:
        """Let gates lead BUNDLE until it is halted; return after how long, and the look that did it."""
        releaser, began = self._releaser(), time.monotonic()
        release = Release(TASK, bundle.id, bundle.manifest.graph_id, Cohort(WORSE))
        wanted = Wanted(release, policy(self.tills), self.tills)
        path = f"/v1/releases/{WORSE}/gate"
        releaser.ask("PUT", path, body_of(wanted), releaser.ruleset().version)
        self.say("gates lead version 2: a fifth of the tills, and twice as many in the control arm")
        told = began
        while time.monotonic() - began < PATIENCE_S:
            gate = releaser.ask("GET", path)
            if gate["state"] != "running":
                spent = time.monotonic() - began
                self.say(f"halted by the gate after {spent:.0f} s: {gate['look']['why']}")
                return spent, gate["look"]
            if time.monotonic() - told > 5:
                told, seen = time.monotonic(), self._see()
                arms = _arm("version 2", seen, WORSE), _arm("control arm", seen, CONTROL)
                self.say("; ".join(f"{a.name}: {a.tills} tills, {a.rate:.0%} of {a.shown}" for a in arms))
            time.sleep(_LOOK_S)
        raise ServiceError(f"{WORSE}: expected the gate to halt it, found it did not; look at the console")

    def _difference(self) -> int:
        """Return the size of the difference between the models; wait a little for it to be made."""
        old, new = (bundle.manifest.files["model/model.onnx"] for bundle in self.bundles)
        file = self.place.folder / "deltas" / old.sha256 / new.sha256
        end = time.monotonic() + 15
        while not file.is_file() and time.monotonic() < end:
            time.sleep(0.1)
        return file.stat().st_size if file.is_file() else new.bytes

    def _wait_for_the_minute(self) -> None:
        """Wait until there is enough of the clock's minute left for tills to rank in."""
        second = time.time() % 60
        if second > _LATEST_S:
            self.say(f"waiting {60 - second:.0f} s: a gate counts by minutes of the clock")
            time.sleep(60 - second)

    def _until(self, what: str, holds: Callable[[list[Seen]], bool]) -> float:
        """Wait until what the tills tell HOLDS; return for how long."""
        began = time.monotonic()
        while not holds(self._see()):
            if time.monotonic() - began > PATIENCE_S:
                raise ServiceError(f"fleet: expected {what}, found none; look at {self.place.folder}")
            time.sleep(_LOOK_S)
        return time.monotonic() - began

    def _see(self) -> list[Seen]:
        return self.fleet.ask("see")

    def _releaser(self) -> Remote:
        return self.place.remote("releaser")


def policy(tills: int) -> Policy:
    """Return the gates of the story: clicks and failures, a fifth of the tills first."""
    return Policy(
        stages=(
            Stage(devices=max(1, tills // 5), least_s=_WATCH_S),
            Stage(millionths=MILLION, least_s=_WATCH_S),
        ),
        criteria=(Criterion(FAILING), counter(CLICKED)),
        control=2,
        watch_s=_WATCH_S,
        silent_s=10 * _WATCH_S,
    )


def _reached(seen: list[Seen], share: float) -> bool:
    return sum(one.release is not None for one in seen) >= share * len(seen)


def _shown(seen: list[Seen], release: str) -> int:
    return sum(one.tallies.get(release, (0, 0))[0] for one in seen)


def _arm(name: str, seen: list[Seen], release: str) -> Arm:
    found = [one.tallies[release] for one in seen if release in one.tallies]
    return Arm(name, len(found), sum(shown for shown, _ in found), sum(clicked for _, clicked in found))


def _summed(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    found = list(pairs)
    return sum(equal for equal, _ in found), sum(of for _, of in found)
