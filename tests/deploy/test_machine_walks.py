"""Whatever happens to a device, and in whatever order, it keeps the machine's five laws."""

from __future__ import annotations

from copy import deepcopy
from random import Random

import pytest

from deploy.device.kept import Kept, is_alike, mark
from deploy.device.machine import begin, step
from deploy.device.settings import Settings
from deploy.device.words import (
    Answered,
    Check,
    Counted,
    Event,
    Failed,
    Fault,
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
    Unchanged,
    Unsaved,
    Unsent,
    Woke,
)
from deploy.wire.assignment import Assigned, AssignmentManifest

pytestmark = pytest.mark.device

RELEASES = [Assigned(f"r{n}", f"{n % 4:064x}", "0" * 64) for n in range(6)]  # some of the same bytes
TASKS = ("one", "two")
FAULTS: tuple[Fault, ...] = ("network", "refused", "bad")


class Walk:
    """A device, the disk under it, and all that may happen to both."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.settings = Settings("ann", patience_s=self.chance.choice((0, 600)))
        self.disk = Kept()
        self.state = begin(self.disk)
        self.now_ms = 0
        self.ruleset = 1
        self.running: dict[str, Assigned | None] = {}
        self.waiting: list[Check | Fetch | Prove | Send] = []  # for their events
        self.proved: set[tuple[str, str]] = set()
        self.hear(Started())

    def hear(self, event: Event, *, full: bool = False) -> None:
        """Take EVENT; a FULL disk saves nothing."""
        before = deepcopy(self.state)
        old = self.state
        new, actions = step(self.settings, old, event, self.now_ms)
        assert old == before, "a step changes no state that it was given"
        assert all(not isinstance(one, Save) for one in actions[1:])
        if isinstance(event, Unsaved):
            assert not any(isinstance(one, Save) for one in actions), "the disk is full"
        if full and actions and isinstance(actions[0], Save):
            self.hear(Unsaved(event, "no room"))
            return
        assert new.kept.ruleset >= self.disk.ruleset, "the ruleset goes back"
        assert (new.kept != self.disk) == bool(actions and isinstance(actions[0], Save)) or full
        self.state = new
        for one in actions:
            match one:
                case Save(kept):
                    self.disk = kept
                case Run(task, what):
                    self.run(task, what)
                case Check() | Fetch() | Prove() | Send():
                    self.waiting.append(one)
        assert sum(isinstance(one, Check) for one in self.waiting) <= 1
        assert self.now_ms < new.due_ms or self.waiting or not new.online

    def run(self, task: str, what: Assigned | None) -> None:
        """Require that WHAT may run."""
        if what is not None:
            known = self.disk.tasks[task]
            assert known.active == what
            assert not known.halted
            assert mark(what) not in known.bad
            assert (task, what.bundle) in self.proved
        self.running[task] = what

    def happen(self) -> None:
        """Let one thing happen."""
        chance = self.chance
        full = chance.random() < 0.05
        if self.waiting and chance.random() < 0.7:
            self.hear(self.outcome(self.waiting.pop(chance.randrange(len(self.waiting)))), full=full)
            return
        self.now_ms += chance.choice((0, 1_000, 60_000, 3_600_000))
        task = chance.choice(TASKS)
        known = self.disk.tasks.get(task)
        events: list[Event] = [
            Woke(),
            Woke(),
            Quiet(),
            Hinted(5),
            Network(chance.random() < 0.8, chance.random() < 0.2),
        ]
        if known and known.active:
            events.append(
                Counted(task, known.active.release, chance.choice((1, 30)), chance.choice((0, 0, 9)))
            )
            events.append(Failed(task, known.active, chance.choice(FAULTS), "it does not load"))
        if chance.random() < 0.1:
            self.restart()
        else:
            self.hear(chance.choice(events), full=full)

    def restart(self) -> None:
        """End the process, and begin another one."""
        named = [one for task in self.disk.tasks.values() for one in (task.active, task.next) if one]
        died = frozenset(mark(one) for one in named if self.chance.random() < 0.3)
        self.state, self.waiting, self.running = begin(self.disk), [], {}
        self.hear(Started(died))

    def outcome(self, asked: Check | Fetch | Prove | Send) -> Event:
        """Return how what was asked for may end."""
        chance = self.chance
        match asked:
            case Check():
                return chance.choice((self.answer(), self.answer(), Unchanged(), Unanswered("why")))
            case Fetch(task, wanted):
                return Fetched(task, wanted) if chance.random() < 0.7 else self.failed(task, wanted)
            case Prove(task, wanted):
                if chance.random() < 0.3:
                    return self.failed(task, wanted)
                self.proved.add((task, wanted.bundle))
                return Proved(task, wanted)
            case Send():
                return chance.choice((Sent(), Sent(more=True), Unsent()))

    def failed(self, task: str, wanted: Assigned) -> Failed:
        """Return that WANTED failed, in some way."""
        return Failed(task, wanted, self.chance.choice(FAULTS), "why")

    def answer(self) -> Answered:
        """Return an answer, at times an old one."""
        chance = self.chance
        self.ruleset += chance.randrange(2)
        tasks = {task: chance.choice(RELEASES) for task in TASKS if chance.random() < 0.7}
        halted = tuple(task for task in TASKS if task not in tasks and chance.random() < 0.5)
        ruleset = max(1, self.ruleset - chance.choice((0, 0, 0, 1)))
        return Answered(AssignmentManifest(ruleset, 0, tasks, halted), chance.choice((10_000, 10**9)), 900)

    def calm(self) -> None:
        """From now on all goes well: whatever is wanted and not bad is run before long."""
        self.hear(Network())
        self.ruleset += 1
        tasks = dict.fromkeys(TASKS, Assigned("last", "f" * 64, "0" * 64))
        for _ in range(60):
            while self.waiting:
                asked = self.waiting.pop(0)
                match asked:
                    case Check():
                        self.hear(Answered(AssignmentManifest(self.ruleset, 0, tasks), 10**9, 900))
                    case Fetch(task, wanted):
                        self.hear(Fetched(task, wanted))
                    case Prove(task, wanted):
                        self.proved.add((task, wanted.bundle))
                        self.hear(Proved(task, wanted))
                    case Send():
                        self.hear(Sent())
            self.now_ms = max(self.now_ms, self.state.due_ms)
            self.hear(Woke())
            self.hear(Quiet())
        for task, wanted in tasks.items():
            assert is_alike(self.running[task], wanted), (task, self.state)


@pytest.mark.parametrize("seed", range(60))
def test_a_walk_keeps_the_laws(seed: int) -> None:
    """150 events in any order; then all goes well, and what is wanted runs."""
    walk = Walk(seed)
    for _ in range(150):
        walk.happen()
        for task, what in walk.running.items():
            known = walk.state.kept.tasks.get(task)
            assert what is None or (known is not None and known.active == what)
    walk.calm()


def test_the_same_seed_is_the_same_life() -> None:
    """Two devices of one id that meet the same are equal to the last field."""
    lives = []
    for _ in range(2):
        walk = Walk(7)
        for _ in range(200):
            walk.happen()
        lives.append((walk.state, walk.disk, walk.now_ms))
    assert lives[0] == lives[1]
