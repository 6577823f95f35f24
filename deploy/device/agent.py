"""The agent of one device: a thin shell that does what the machine says, one thing after another.

`turn` does all that is due and returns how long to wait; `run` is a loop of turns for a thread of its own.
`tell` may be called from any thread.
"""

from __future__ import annotations

import queue
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Event as Flag
from typing import Any, Final

from deploy.device.belief import Belief
from deploy.device.disk import Disk
from deploy.device.fetch import fetch
from deploy.device.kept import Kept, mark
from deploy.device.machine import State, begin, step
from deploy.device.marks import Marks
from deploy.device.network import ACCEPTED, OK, UNCHANGED, Network, read, refused
from deploy.device.outbox import Outbox
from deploy.device.ports import Asking, Clock, Host, Placed
from deploy.device.settings import Settings
from deploy.device.words import (
    Action,
    Answered,
    Check,
    Counted,
    Event,
    Failed,
    Fault,
    Fetch,
    Fetched,
    Prove,
    Proved,
    Report,
    Run,
    Save,
    Send,
    Sent,
    Started,
    Unanswered,
    Unchanged,
    Unsaved,
    Unsent,
    Woke,
)
from deploy.errors import BundleError, DeployError, InstallError, NetworkError
from deploy.limits import MAX_LINE
from deploy.wire.assignment import MAX_ASSIGNMENT, Assigned
from deploy.wire.check import CHECK, REPORTS, Answer
from deploy.wire.report import Counts
from deploy.wire.report import Report as Told

_MOST_WAIT_S: Final = 60.0  # between two turns, whatever happens to the clock
_TRIAL_S: Final = 5.0  # between two looks at a release on trial
_NO_ROOM: Final = "expected room for what this device knows, found: {}; free some"


class Agent:
    """One device: its folder, its network, what it believes, and who runs its releases."""

    def __init__(
        self,
        settings: Settings,
        disk: Disk,
        network: Network,
        belief: Belief,
        host: Host,
        *,
        asking: Asking | None = None,
        marks: Marks | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Take up what DISK knows; nothing runs before `begin`."""
        self.settings = settings
        self.disk = disk
        self.state: State = begin(disk.kept)
        self._network = network
        self._belief = belief
        self._host = host
        self._headers = (asking or Asking()).headers(settings.device)
        self._marks = marks or Marks(disk.folder / "running")
        self._clock = clock or Clock()
        self._outbox = Outbox(disk.folder / "outbox")
        self._told: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._collected: Kept | None = None
        self._crashes: dict[str, int] = {}

    # ------------------------------------------------------------ turns

    def begin(self) -> None:
        """Run what ran; the first check is due a little later."""
        died = self._marks.died
        for name, task in self.state.kept.tasks.items():
            self._crashes[name] = int(task.active is not None and mark(task.active) in died)
        self._hear(Started(died))

    def tell(self, event: Event) -> None:
        """Take EVENT from outside: Hinted, Network or Quiet."""
        self._told.put(event)

    def turn(self) -> float:
        """Do what is due; return after how many seconds more is, if nothing is told before."""
        with suppress(queue.Empty):
            while True:
                self._hear(self._told.get_nowait())
        on_trial = False
        for name, task in self.state.kept.tasks.items():
            if not task.confirmed and (tally := self._host.tally(name)) is not None:
                on_trial = True
                self._hear(Counted(name, tally.release, tally.runs, tally.failures, tally.error))
        if self._now_ms >= self.state.due_ms:
            self._hear(Woke())
        wait_s = max(0, self.state.due_ms - self._now_ms) / 1_000
        return min(wait_s, _TRIAL_S if on_trial else _MOST_WAIT_S)

    def flush(self) -> None:
        """Send the reports that wait, if the network lets."""
        self._hear(self._send(Send()))

    def run(self, stop: Flag) -> None:
        """Begin, and go on until STOP is set; `tell(Woke())` lets it look at once."""
        self.begin()
        while not stop.is_set():
            wait_s = self.turn()
            with suppress(queue.Empty):
                self._told.put(self._told.get(timeout=wait_s))

    def close(self) -> None:
        """Let go of the folder."""
        self._marks.close()
        self.disk.close()

    @property
    def _now_ms(self) -> int:
        return self._clock.steady_ms()

    # ------------------------------------------------------------ steps

    def _hear(self, event: Event) -> None:
        """Take EVENT, do what it leads to, and take what comes of that."""
        events = deque([event])
        while events:
            for action in self._step(events.popleft()):
                if (outcome := self._do(action)) is not None:
                    events.append(outcome)
        self._tidy()

    def _step(self, event: Event) -> list[Action]:
        """Return what is to be done because of EVENT, once that is saved."""
        new, actions = step(self.settings, self.state, event, self._now_ms)
        match actions:
            case [Save(kept), *rest]:
                try:
                    self.disk.save(kept)
                    actions = rest
                except OSError as error:
                    lost = Unsaved(event, _NO_ROOM.format(error.strerror))
                    new, actions = step(self.settings, self.state, lost, self._now_ms)
        self.state = new
        return actions

    def _do(self, action: Action) -> Event | None:
        return _DOING[type(action)](self, action)

    def _check(self, action: Check) -> Event:
        headers = self._headers if not action.etag else {**self._headers, "if-none-match": action.etag}
        try:
            with self._network.ask(CHECK, headers) as reply:
                if reply.status == UNCHANGED:
                    return Unchanged()
                if reply.status != OK:
                    raise refused(CHECK, reply)
                answer = Answer.from_json(read(reply, MAX_ASSIGNMENT + 1_024))
                etag = reply.headers.get("etag", "")
            now_ms = self._clock.wall_ms()
            least = max(1, self.state.kept.ruleset)
            manifest = self._belief.assignment(answer.assignment, self.settings.device, now_ms, least)
        except NetworkError as error:
            return Unanswered(str(error), error.retry_after_s)
        except (DeployError, OSError) as error:
            return Unanswered(str(error))
        return Answered(manifest, manifest.until_ms - now_ms, answer.poll_s, etag)

    def _fetch(self, action: Fetch) -> Event:
        task, wanted = action.task, action.wanted
        try:
            vouch = self._belief.manifest
            fetch(
                self._network, self.disk, vouch, task, wanted, held=action.held, keep=_needed(self.state.kept)
            )
        except NetworkError as error:
            return Failed(task, wanted, "network", _line(error))
        except (DeployError, OSError, MemoryError) as error:
            return Failed(task, wanted, "refused", _line(error))
        return Fetched(task, wanted)

    def _prove(self, action: Prove) -> Event:
        task, wanted = action.task, action.wanted
        try:
            placed = self._placed(task, wanted)
            with self._marks.of(placed.mark):
                self._host.prove(placed)
        except Exception as error:  # noqa: BLE001 - whatever a release does, the device goes on
            return Failed(task, wanted, _fault(error), _line(error))
        return Proved(task, wanted)

    def _run(self, action: Run) -> Event | None:
        task, wanted = action.task, action.what
        if wanted is None:
            self._host.run(task, None)
            return None
        try:
            self._host.run(task, self._placed(task, wanted))
        except Exception as error:  # noqa: BLE001 - as above
            fault: Fault = "refused" if isinstance(error, BundleError) else _fault(error)
            return Failed(task, wanted, fault, _line(error))
        return None

    def _report(self, action: Report) -> None:
        counts = Counts()
        if action.state in ("alive", "rolled_back"):
            counts = self._host.take(action.task)
            crashes = self._crashes.pop(action.task, 0)
            counts = Counts(
                counts.runs, counts.failures, crashes, counts.latency, counts.counters, counts.drift
            )
        at_ms = max(0, self._clock.wall_ms())
        who = self.settings.device
        self._outbox.add(
            Told(
                uuid.uuid4().hex, who, action.task, action.release, action.state, at_ms, action.error, counts
            )
        )

    def _send(self, action: Send) -> Event:
        batch = self._outbox.batch()
        if not batch.reports:
            return Sent()
        try:
            with self._network.ask(REPORTS, {"content-type": "application/json"}, batch.to_json()) as reply:
                if reply.status not in (OK, ACCEPTED):
                    raise refused(REPORTS, reply)
        except NetworkError as error:
            return Unsent(error.retry_after_s)
        self._outbox.taken(batch)
        return Sent(more=len(self._outbox) > 0)

    # ------------------------------------------------------------ the disk

    def _placed(self, task: str, wanted: Assigned) -> Placed:
        return Placed(task, wanted, self.disk.bundle(wanted.bundle))

    def _tidy(self) -> None:
        """Remove what no release needs, once nothing is on its way."""
        kept = self.state.kept
        if kept is not self._collected and not self.state.works:
            with suppress(OSError):
                self.disk.collect(_needed(kept))
                self._collected = kept


def _needed(kept: Kept) -> list[Assigned]:
    """Return the releases that stay: what runs, the one before, and what comes next."""
    tasks = kept.tasks.values()
    return [one for task in tasks for one in (task.active, task.fallback, task.next) if one is not None]


def _fault(error: Exception) -> Fault:
    return "refused" if isinstance(error, InstallError | OSError | MemoryError) else "bad"


def _line(error: BaseException) -> str:
    """Return ERROR as one line of a report."""
    text = str(error) or type(error).__name__
    return "".join(sign if sign.isprintable() else " " for sign in text)[:MAX_LINE]


_DOING: Final[dict[type[Any], Callable[[Agent, Any], Event | None]]] = {
    Check: Agent._check,  # noqa: SLF001 - the table of its own methods
    Fetch: Agent._fetch,  # noqa: SLF001
    Prove: Agent._prove,  # noqa: SLF001
    Run: Agent._run,  # noqa: SLF001
    Report: Agent._report,  # noqa: SLF001
    Send: Agent._send,  # noqa: SLF001
}
