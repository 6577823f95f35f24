"""All that a device knows in one moment, and one step of it under way. Pure."""

from __future__ import annotations

from copy import copy
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from deploy.device.chance import fraction
from deploy.device.kept import Kept, Task
from deploy.device.settings import Settings
from deploy.device.words import Action, Report
from deploy.wire.assignment import Assigned
from deploy.wire.report import State as Told

NEVER: Final = 1 << 62  # ms

Phase = Literal["waiting", "fetching", "proving", "ready"]
BUSY: Final = ("fetching", "proving")


class Work(Struct, frozen=True):
    """One task on its way to another release."""

    wanted: Assigned
    phase: Phase = "waiting"
    until_ms: int = 0  # waiting: to be tried again then; ready: activated then without a quiet moment
    misses: int = 0  # attempts that failed
    told: bool = False  # that it failed


class State(Struct):
    """A device in one moment; a step copies it and leaves it as it is. Times: ms of a clock that goes on."""

    kept: Kept
    works: dict[str, Work] = {}  # by task; never changed in place
    until_ms: int = -NEVER  # nothing begins after it: the last assignment has expired, or there was none
    online: bool = True
    metered: bool = False
    checking: bool = False
    check_ms: int = NEVER
    floor_ms: int = -NEVER  # no check before it: the service asked for it
    misses: int = 0  # checks that failed in a row
    poll_s: int = 900
    etag: str = ""
    error: str = ""  # of the last check
    sending: bool = False
    send_ms: int = NEVER
    unsent: int = 0  # batches that failed in a row
    alive_ms: int = NEVER
    drawn: int = 0  # draws of chance
    due_ms: int = NEVER  # when it wants to be woken

    @property
    def was_answered(self) -> bool:
        """Tell whether this process was told what to run."""
        return self.until_ms != -NEVER


class Turn:
    """One step under way: the state that it leads to, and what is to be done."""

    __slots__ = ("actions", "now_ms", "settings", "state")

    def __init__(self, settings: Settings, state: State, now_ms: int) -> None:
        self.settings = settings
        self.state = copy(state)
        self.now_ms = now_ms
        self.actions: list[Action] = []

    def draw(self) -> float:
        """Return the next draw from [0, 1)."""
        self.state.drawn += 1
        return fraction(self.settings.seed, self.state.drawn)

    def within(self, seconds: float) -> int:
        """Return a moment somewhere in the SECONDS from now."""
        return self.now_ms + int(1_000 * seconds * self.draw())

    def backoff(self, misses: int) -> int:
        """Return when to try again after so many MISSES: full jitter, doubled each time up to a bound."""
        settings = self.settings
        longest = min(settings.most_backoff_s, settings.backoff_s << min(misses, 20))
        return self.within(longest)

    def keep(self, name: str, task: Task) -> None:
        """Let TASK be what is known of the task NAME."""
        kept = self.state.kept
        self.state.kept = replace(kept, tasks={**kept.tasks, name: task})

    def go(self, name: str, work: Work | None) -> None:
        """Let WORK be what is under way of the task NAME."""
        works = {other: one for other, one in self.state.works.items() if other != name}
        if work is not None:
            works[name] = work
        self.state.works = works

    def report(self, task: str, what: Assigned, state: Told, error: str = "") -> None:
        """Tell the service that WHAT has come to STATE."""
        self.actions.append(Report(task, what.release, state, error))
        if self.state.send_ms == NEVER and not self.state.sending:
            self.state.send_ms = self.within(self.settings.report_s)
