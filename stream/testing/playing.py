"""Lives as processes live them: a log, an engine on it, and whoever reads beside them."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from featuregraph import Plan
from featuregraph.errors import EventError
from featuregraph.testing.clock import FakeClock
from stream.engine import Engine
from stream.limits import Limits
from stream.log import EventLog
from stream.pace import PACE, Pace
from stream.schema import FORMAT, STEPS
from stream.store import Sync
from stream.testing.lives import GRAPHS, KEYS, LIVES, NOW, PLAIN, ROWS, Life, Step


@dataclass(slots=True)
class Player:
    """A log with an engine on it, and whoever reads beside them."""

    path: str
    sync: Sync
    checkpoint_pages: int = 1_000
    limits: Limits = PLAIN
    pace: Pace = PACE
    graph: int = 0  # that is installed
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    log: EventLog = field(init=False)
    engine: Engine = field(init=False)
    beside: ExitStack = field(default_factory=ExitStack)  # a reader that holds its moment

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Open the log, which is made if there is none, and an engine on it."""
        self.log = EventLog(
            self.path, sync=self.sync, clock=self.clock, history_start_ms="all", limits=self.limits
        )
        with self.log._using("testing") as connection:  # noqa: SLF001 - no user needs to choose it
            connection.execute(f"PRAGMA wal_autocheckpoint = {self.checkpoint_pages}")
        self.engine = Engine(self.log, pace=self.pace)
        self.engine.install(_plan(self.graph))

    def upgrade(self, graph: int) -> None:
        """Put the GRAPH of a number in the place of the one that is installed."""
        self.engine.upgrade(GRAPHS[self.graph].id, _plan(graph))
        self.graph = graph

    def extract(self, key: str, ms: int, **more: Any) -> Mapping[str, object]:
        """Return the features of KEY at MS."""
        return self.engine.extract(GRAPHS[self.graph].id, key=key, at_ms=ms, **more).values

    def close(self) -> None:
        """Close what is open."""
        self.beside.close()
        self.log.close()

    def hold(self) -> None:
        """Let a reader beside hold the moment."""
        reader = self.beside.enter_context(EventLog(self.path, read_only=True))
        self.beside.enter_context(reader.snapshot())
        assert reader.last_id >= 0  # the first read sets the moment

    def play(self, step: Step) -> None:
        """Do STEP; an event that is refused is part of the life."""
        match step:
            case {"append": [event]}:
                _unless_refused(lambda: self.engine.append(event))
            case {"append": events}:
                _unless_refused(lambda: self.engine.append_many(events))
            case {"hand": events}:
                with EventLog(self.path, sync=self.sync, shared=True, clock=self.clock) as other:
                    receipt = other.append_many(events)
                assert receipt.handed_over == len(events), receipt
            case {"serve": request_id, "key": key, "at_ms": ms}:
                self.extract(key, ms, record=True, request_id=request_id)
            case {"extract": ms}:
                for key in KEYS:
                    self.extract(key, ms, record=True)
            case _:
                self._tend(step)

    def _tend(self, step: Step) -> None:
        match step:
            case {"trim": ms}:
                self.log.trim(before=ms)
            case {"forget": what}:
                self.engine.forget(**what)
            case {"clock": ms}:
                self.clock.set(ms)
            case {"upgrade": number}:
                self.upgrade(number)
            case {"save": _}:
                self.engine.save()
            case {"flush": _}:
                self.log.flush()
            case {"restart": _}:
                self.log.close()  # a reader beside stays
                self.open()
            case {"hold": True}:
                self.hold()
            case {"hold": _}:
                self.beside.close()


@cache
def _plan(graph: int) -> Plan:
    return GRAPHS[graph].compile()


def begin_life(life: Life, path: str) -> None:
    """Make the log at PATH that LIFE finds, if it finds one."""
    if life.found:
        begin(path, life.found, life.format)


def begin(path: str, steps: Iterable[Step], format: int) -> None:
    """Make a log at PATH as a version of an older FORMAT left it after STEPS: without the later tables."""
    player = Player(path, "batch", limits=ROWS)
    for step in steps:
        player.play(step)
    player.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for table in _tables(FORMAT) - _tables(format):
            connection.execute(f"DROP TABLE {table}")
        connection.execute(f"PRAGMA user_version = {format}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _tables(format: int) -> set[str]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for step in STEPS[:format]:
            connection.executescript(step)
        found = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%CREATE%'"
        )
        return {name for (name,) in found if not name.startswith("sqlite_")}


def _unless_refused(call: Callable[[], object]) -> None:
    with suppress(EventError):
        call()


# ---------------------------------------------------------------- the process


def tell(player: Player, steps: Iterable[Step], first: int = 0) -> None:
    """Play STEPS, numbered from FIRST, and say on the output when each begins and is done."""
    for number, step in enumerate(steps, first):
        os.write(1, f"begin {number}\n".encode())
        player.play(step)
        os.write(1, f"done {number}\n".encode())


def main() -> None:
    """Live the life of a number in `LIVES`, in a log at a path: the arguments."""
    path, number = sys.argv[1], int(sys.argv[2])
    life = LIVES[number]
    player = Player(path, life.sync, life.checkpoint_pages, life.limits, life.pace)
    tell(player, life.steps)
    player.close()


if __name__ == "__main__":
    main()
