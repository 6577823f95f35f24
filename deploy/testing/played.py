"""An agent on a clock that a test moves, with a service in memory and a host that only notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deploy.device.agent import Agent
from deploy.device.disk import Disk
from deploy.device.ports import Clock, Placed, Tally
from deploy.device.settings import Settings
from deploy.errors import BundleError
from deploy.testing.shelf import Shelf
from deploy.wire.report import Counts

NOW_MS = 1_790_000_000_000


@dataclass
class Noting:
    """A host that reads all of a release and runs nothing; `bad` are releases whose examples fail."""

    bad: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)  # releases that can not be run
    runs: dict[str, Placed | None] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    proofs: list[str] = field(default_factory=list)

    def prove(self, placed: Placed) -> None:
        """Read all bytes; fail if the release is bad."""
        self.proofs.append(placed.assigned.release)
        placed.bundle.verify()
        if placed.assigned.release in self.bad:
            raise BundleError("golden example 0: expected 1, found 2")

    def run(self, task: str, placed: Placed | None) -> None:
        """Note what runs."""
        if placed is not None:
            placed.bundle.verify()
            if placed.assigned.release in self.broken:
                raise ValueError("it does not\nload")
            self.tallies[task] = Tally(placed.assigned.release)
        self.runs[task] = placed

    def tally(self, task: str) -> Tally | None:
        """Return what a test says that it did."""
        return self.tallies.get(task)

    def take(self, task: str) -> Counts:
        """Return its counts."""
        found = self.tallies.get(task)
        return Counts() if found is None else Counts(runs=found.runs, failures=found.failures)

    def running(self, task: str = "rank") -> str | None:
        """Return the release that TASK runs."""
        placed = self.runs.get(task)
        return None if placed is None else placed.assigned.release


@dataclass
class Played:
    """A device in a folder; `restart` ends its process without a word."""

    folder: Path
    shelf: Shelf = field(default_factory=Shelf)
    host: Noting = field(default_factory=Noting)
    settings: Settings = field(default_factory=lambda: Settings("ann", patience_s=0))
    quota_bytes: int | None = None
    now_ms: int = 0
    wall_ms: int = NOW_MS
    before_turn: Callable[[], None] = lambda: None
    agent: Agent = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin a process."""
        disk = Disk(self.folder, quota_bytes=self.quota_bytes)
        clock = Clock(lambda: self.wall_ms, lambda: self.now_ms)
        self.agent = Agent(self.settings, disk, self.shelf, self.shelf, self.host, clock=clock)
        self.agent.begin()

    def restart(self) -> None:
        """End the process, and begin another one."""
        self.agent.close()
        self.host = Noting(self.host.bad, self.host.broken)
        self.begin()

    def live(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self.now_ms + int(1_000 * seconds)
        while self.now_ms < end:
            self.before_turn()
            wait_ms = max(1, int(1_000 * self.agent.turn()))
            self.now_ms += wait_ms
            self.wall_ms += wait_ms

    def passed(self, runs: int = 20, failures: int = 0, task: str = "rank") -> None:
        """Let the release of TASK have so many runs."""
        release = self.host.running(task)
        assert release is not None
        self.host.tallies[task] = Tally(release, runs, failures, "it broke" if failures else "")
        self.live(10)

    def close(self) -> None:
        """End it."""
        self.agent.close()
