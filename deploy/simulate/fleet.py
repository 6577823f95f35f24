"""A fleet of devices that run the real machine (`deploy.device.machine`) on made clocks, disks and networks.

One heap of (moment, number, device, event). A device's step is taken, its actions are done: what they ask for
comes as an event after a time by chance, or a fault by chance. Equal seeds give equal fleets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any, ClassVar, Final

from deploy.device.kept import Kept, Task, mark
from deploy.device.machine import State, begin, step
from deploy.device.settings import Settings
from deploy.device.words import (
    Answered,
    Check,
    Counted,
    Event,
    Failed,
    Fetch,
    Fetched,
    Hinted,
    Network,
    Prove,
    Proved,
    Quiet,
    Run,
    Save,
    Send,
    Sent,
    Started,
    Unanswered,
    Unsaved,
    Unsent,
    Woke,
)
from deploy.device.words import Report as Tell
from deploy.simulate.director import NEW_BUNDLE, RUNS_OLD, TASK, Director
from deploy.wire.report import Report

_WOKE: Final = Woke()
MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Ways:
    """What is assumed of a fleet; shares are of devices or of attempts."""

    devices: int = 100_000
    online: float = 0.3  # at the start; the others come back
    back_h: float = 4.0  # after so many hours on average
    poll_s: int = 900
    requests_per_h: float = 60.0  # that carry a hint, where a device should run something else; 0: none
    jitter_s: int = 30  # of a hint
    answer_ms: int = 300  # mean time of an answer
    fetch_s: float = 20.0  # mean time of a download
    quiet_s: float = 10.0  # mean time until a quiet moment
    trial_s: float = 300.0  # until a device has run a release often enough
    full_bytes: int = 3_200_000
    delta: float = 0.0061  # of the full bytes, for who holds the release before
    cut: float = 0.02  # of checks, reports and downloads: the network fails
    full_disk: float = 0.001  # of writes of the state
    power: float = 0.05  # of devices an hour: the process ends and begins again
    fails: float = (
        0.0  # of devices on which the new release fails: in its examples, in its runs, or by a crash
    )


@dataclass(slots=True, eq=False)
class Device:
    """One device and all of its disk."""

    settings: Settings
    state: State
    kept: Kept
    luck: float  # the new release fails where it is below `fails`
    bundle: str = RUNS_OLD.bundle  # what runs
    woken_ms: int = -1  # when it is to be woken
    outbox: list[Tell] = field(default_factory=list)


class Fleet:
    """Devices, what happens to them, and what is counted of it."""

    def __init__(self, ways: Ways, director: Director, seed: int) -> None:
        self.ways, self.director, self.now_ms = ways, director, 0
        self.chance = Random(seed)
        self.steps = self.checks = self.bytes = self.exposed = 0
        self.per_second: dict[int, int] = {}
        self.runs: dict[str, int] = {RUNS_OLD.bundle: ways.devices, NEW_BUNDLE: 0}
        self._heap: list[tuple[int, int, Device, Event]] = []
        self._pushed = 0
        self._exposed: set[int] = set()
        self.devices = [self._made(number) for number in range(ways.devices)]

    def run(self, until_ms: int, each_minute: Callable[[], bool]) -> None:
        """Let happen what happens until UNTIL_MS; EACH_MINUTE is called between, and ends it by True."""
        heap = self._heap
        for minute_ms in range(self.now_ms + MINUTE_MS, until_ms + 1, MINUTE_MS):
            while heap and heap[0][0] <= minute_ms:
                self.now_ms, _, device, event = heappop(heap)
                if event is not _WOKE:
                    self._happen(device, event)
                elif device.woken_ms == self.now_ms:
                    device.woken_ms = -1
                    self._happen(device, event)
            self.now_ms = minute_ms
            if each_minute():
                return

    def hint(self) -> None:
        """Tell each device that should run something else, with its next request."""
        if not self.ways.requests_per_h:
            return
        hint, mean_s = Hinted(self.ways.jitter_s), 3_600 / self.ways.requests_per_h
        for device in self.devices:
            if device.state.online and self.director.chosen(device.settings.device) != device.bundle:
                self._soon(device, hint, mean_s)

    def _made(self, number: int) -> Device:
        ways, chance = self.ways, self.chance
        settings = Settings(f"device-{number}", trial_runs=20)
        kept = Kept(1, {TASK: Task(active=RUNS_OLD)})
        device = Device(settings, begin(kept), kept, chance.random())
        if chance.random() < ways.online:
            # It has run since before: it asks at any moment of its poll.
            self._push(device, Started(), int(1_000 * ways.poll_s * chance.random()))
        else:
            device.state.online = False
            back_ms = int(3_600_000 * chance.expovariate(1 / ways.back_h))
            self._push(device, Started(), back_ms)
            self._push(device, Network(online=True), back_ms)
        if ways.power:
            self._soon(device, Started(), 3_600 / ways.power)
        return device

    # ---------------------------------------------------------------- events

    def _push(self, device: Device, event: Event, at_ms: int) -> None:
        self._pushed += 1
        heappush(self._heap, (at_ms, self._pushed, device, event))

    def _soon(self, device: Device, event: Event, mean_s: float) -> None:
        """Let EVENT happen after a time by chance."""
        self._push(device, event, self.now_ms + 1 + int(1_000 * self.chance.expovariate(1 / mean_s)))

    def _happen(self, device: Device, event: Event) -> None:
        """Take a step of DEVICE and do its actions, or none if its state can not be saved."""
        self.steps += 1
        if isinstance(event, Started):
            online = device.state.online
            device.state = begin(device.kept)
            device.state.online = online
        state, actions = step(device.settings, device.state, event, self.now_ms)
        if actions and isinstance(actions[0], Save) and self._is_full(event):
            self._happen(device, Unsaved(event, "no room"))
            return
        device.state = state
        for action in actions:
            self._do[type(action)](self, device, action)
        if isinstance(event, Proved | Answered | Quiet) and _is_ready(state):
            self._soon(device, Quiet(), self.ways.quiet_s)  # there is always another one
        if state.due_ms != device.woken_ms:
            device.woken_ms = max(state.due_ms, self.now_ms + 1)
            self._push(device, _WOKE, device.woken_ms)

    # ---------------------------------------------------------------- actions

    def _save(self, device: Device, action: Save) -> None:
        device.kept = action.kept

    def _check(self, device: Device, action: Check) -> None:
        self.checks += 1
        second = self.now_ms // 1_000
        self.per_second[second] = self.per_second.get(second, 0) + 1
        answer: Event
        if self._is_cut():
            answer = Unanswered("cut")
        else:
            answer = self.director.check(device.settings.device, action.etag)
        self._soon(device, answer, self.ways.answer_ms / 1_000)

    def _fetch(self, device: Device, action: Fetch) -> None:
        if self._is_cut():
            self._soon(device, Failed(action.task, action.wanted, "network", "cut"), self.ways.fetch_s)
            return
        self.bytes += int(self.ways.full_bytes * (self.ways.delta if action.held else 1))
        self._soon(device, Fetched(action.task, action.wanted), self.ways.fetch_s)

    def _prove(self, device: Device, action: Prove) -> None:
        if self._fault(device, action.wanted.bundle) == 0:
            self._soon(device, Failed(action.task, action.wanted, "bad", "example 3 differs"), 1)
            return
        self._soon(device, Proved(action.task, action.wanted), 1)

    def _run(self, device: Device, action: Run) -> None:
        assert action.what is not None, "a device without a runnable release"
        before, device.bundle = device.bundle, action.what.bundle
        self.runs[before] -= 1
        self.runs[device.bundle] += 1
        if device.bundle == NEW_BUNDLE and id(device) not in self._exposed:
            self._exposed.add(id(device))
            self.exposed += 1
        fault = self._fault(device, device.bundle)
        if fault == 2:
            self._soon(device, Started(frozenset({mark(action.what)})), self.ways.trial_s / 10)
        elif before != device.bundle:
            failures = 5 if fault == 1 else 0
            self._soon(
                device, Counted(TASK, action.what.release, 20, failures, "it raised"), self.ways.trial_s
            )

    def _tell(self, device: Device, action: Tell) -> None:
        device.outbox.append(action)

    def _send(self, device: Device, action: Send) -> None:
        if self._is_cut():
            self._soon(device, Unsent(), self.ways.answer_ms / 1_000)
            return
        for told in device.outbox:
            who = device.settings.device
            report = Report("0" * 32, who, told.task, told.release, told.state, self.now_ms, told.error)
            self.director.take(report, self.now_ms)
        device.outbox.clear()
        self._soon(device, Sent(), self.ways.answer_ms / 1_000)

    def _is_full(self, event: Event) -> bool:
        return not isinstance(event, Unsaved) and self.chance.random() < self.ways.full_disk

    def _is_cut(self) -> bool:
        return self.chance.random() < self.ways.cut

    def _fault(self, device: Device, bundle: str) -> int | None:
        """Return in which of three ways BUNDLE fails on DEVICE, None if it does not."""
        if bundle != NEW_BUNDLE or device.luck >= self.ways.fails:
            return None
        return int(3 * device.luck / self.ways.fails)

    _do: ClassVar[dict[type[Any], Callable[[Fleet, Device, Any], None]]] = {
        Save: _save,
        Check: _check,
        Fetch: _fetch,
        Prove: _prove,
        Run: _run,
        Tell: _tell,
        Send: _send,
    }


def _is_ready(state: State) -> bool:
    return any(work.phase == "ready" for work in state.works.values())
