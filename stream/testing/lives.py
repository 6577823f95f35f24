"""Lives of a writing process as data, step by step, and what its log holds after each step.

Steps:
    {"append": [EVENT, ...]}    one event: `append`, more: `append_many`
    {"hand": [EVENT, ...]}      another process hands them over to this one
    {"trim": MS}                what is older goes, but not the answers that were made of it
    {"forget": {...}}, {"clock": MS}, {"flush": true}, {"restart": true}
    {"serve": REQUEST_ID, "key": KEY, "at_ms": MS}     an answer that is kept
    {"extract": MS}             an answer to each key, kept too: three steps in one, which `prove` judges
    {"hold": true | false}      a reader begins to hold its moment, and lets go
A step is done as a whole or not at all, whatever happens to the process.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import reduce
from random import Random
from typing import Any, Final, NamedTuple

import featuregraph as fg
from featuregraph.errors import EventError
from featuregraph.reference import Log
from featuregraph.reference.answers import ask
from featuregraph.testing.clock import FakeClock
from stream.blocks.sealing import Sealing
from stream.codec import full_decoder
from stream.engine import Engine
from stream.limits import Limits
from stream.log import EventLog
from stream.schema import FORMAT, STEPS
from stream.store import Sync

Step = Mapping[str, Any]
Held = tuple[tuple[object, ...], ...]
NOW: Final = 1_700_000_000_000
KEYS: Final = ("u0", "u1", "u2")
_DAY: Final = 86_400_000
SOON: Final = Sealing(most_tail=5, least_tail=1, own=3, most_events=6, join=2)  # in short lives too
PLAIN: Final = Limits(busy_ms=2)  # who holds a moment here does not let go while others wait
SEALED: Final = replace(PLAIN, sealing=SOON)
_ROWS: Final = replace(PLAIN, sealing=Sealing(most_tail=2**62))
_FEW_ANSWERS: Final = replace(PLAIN, max_served=7)
_DURABLE: Final = ("flush", "restart", "forget")  # afterwards the disk has it all, whatever `sync` says

_FIELDS: Final = {"n": fg.int64(), "x": fg.float64(), "item": fg.category(), "session_id": fg.identifier()}
_EVENTS: Final = {name: fg.Event.of(name, _FIELDS) for name in ("view", "buy")}


def _graph() -> fg.Graph:
    view, buy = _EVENTS["view"], _EVENTS["buy"]
    views, buys = fg.rows(view), fg.rows(buy)
    return fg.Graph(
        "lives",
        {
            "views": views.count(),
            "day": views.over("1d").sum(view["n"]),
            "exact": buys.over("2d").sum(buy["x"]),
            "items": views.distinct(view["item"]),
            "top": views.over("3d").topk(view["item"], 3),
            "last": views.where(view["n"] > 1).last(view["item"]),
            "session": buys.last(buy["session_id"]),
            "extremes": buys.over("1d").max(buy["x"]),
        },
    )


GRAPH: Final = _graph()


@dataclass(frozen=True, slots=True)
class Life:
    """What a process does to one log, after it has opened it."""

    name: str
    sync: Sync
    steps: Sequence[Step]
    checkpoint_pages: int = 1_000  # of the write-ahead log, after which SQLite copies it into the file
    limits: Limits = PLAIN
    format: int = FORMAT  # of the log that it finds, if it does not make one
    found: Sequence[Step] = ()  # what had been done to that log

    def begin(self, path: str) -> None:
        """Make the log at PATH that this life finds, if it finds one."""
        if self.found:
            begin(path, self.found, self.format)

    def certain(self, done: int) -> int:
        """Return how many of DONE steps the disk must hold though the power fails."""
        if self.sync == "full":
            return done
        return max(
            (n for n in range(1, done + 1) if any(w in self.steps[n - 1] for w in _DURABLE)), default=0
        )


# ---------------------------------------------------------------- what is expected


class Answered(NamedTuple):
    """An answer that was kept."""

    request_id: str
    key: str
    at_ms: int
    values: str
    seen: frozenset[tuple[int, int]]  # ts_ms and seq of the events of the key that it may stand on


@dataclass(frozen=True, slots=True)
class Expected:
    """What a log holds after some steps of a life, by the reference."""

    log: Log = field(default_factory=lambda: Log("user_id", GRAPH.events))
    clock_ms: int = NOW
    known_ms: int | None = None
    served: tuple[Answered, ...] = ()

    def after(self, step: Step) -> Expected:
        """Return what it holds when STEP is done too."""
        match step:
            case {"append": events} | {"hand": events}:
                return self._appended(events)
            case {"trim": ms}:
                log = deepcopy(self.log)
                log.arrive({"forget": {"before": ms}})
                return replace(self, log=log)
            case {"forget": what}:
                log = deepcopy(self.log)
                log.arrive({"forget": what})
                left = [one for one in self.served if _may_stay(one, what, self.log, log)]
                return replace(self, log=log, served=tuple(left))
            case {"clock": ms}:
                return replace(self, clock_ms=ms)
            case {"serve": request_id, "key": key, "at_ms": ms}:
                values = repr(ask(GRAPH, self.log, {"key": key, "t": ms}).values)
                one = Answered(request_id, key, ms, values, _places(self.log, key, ms))
                return replace(self, served=(*self.served, one))
        return self

    def after_all(self, steps: Iterable[Step]) -> Expected:
        """Return what it holds when all STEPS are done."""
        return reduce(Expected.after, steps, self)

    def _appended(self, events: Sequence[Mapping[str, Any]]) -> Expected:
        known_ms = self.clock_ms if self.known_ms is None else max(self.clock_ms, self.known_ms)
        log = deepcopy(self.log)
        log.clock_ms = self.clock_ms
        try:
            for event in events:
                log.append({**event, "known_ms": known_ms})
        except EventError:
            return self  # nothing of the call is kept
        return replace(self, log=log, known_ms=known_ms)

    def held(self) -> Held:
        """Return the events in order, by key, and those kept apart."""
        rows = [
            (r.key, r.ts_ms, r.seq, r.event, r.event_id, r.known_ms, *(r.fields.get(f) for f in _FIELDS))
            for key in sorted(self.log.rows)
            for r in self.log.ordered(key)
        ]
        apart = [
            ("apart", r.row.key, r.row.ts_ms, r.row.event_id) for r in self.log.refused if r.clause == "1.5"
        ]
        return (*rows, *apart, *(("served", *one[:4]) for one in self.served))

    def values(self) -> list[Mapping[str, object]]:
        """Return the features of each key at each of `moments`."""
        return [ask(GRAPH, self.log, {"key": key, "t": t}).values for key in KEYS for t in self.moments()]

    def moments(self) -> tuple[int, ...]:
        """Return the times that are asked about."""
        return self.clock_ms - _DAY, self.clock_ms + 1


def _places(log: Log, key: str, until_ms: int) -> frozenset[tuple[int, int]]:
    return frozenset((row.ts_ms, row.seq) for row in log.rows.get(key, ()) if row.ts_ms <= until_ms)


def _may_stay(one: Answered, what: Mapping[str, Any], before: Log, after: Log) -> bool:
    """Tell whether an answer stays when WHAT is forgotten: it goes with its key, or an event that it saw."""
    if "key" in what:
        return one.key != str(what["key"])
    gone = _places(before, one.key, one.at_ms) - _places(after, one.key, one.at_ms)
    return not gone & one.seen


def expected(life: Life) -> list[Expected]:
    """Return what the log of LIFE holds before its first step and after each."""
    found = [Expected().after_all(life.found)]
    for step in life.steps:
        found.append(found[-1].after(step))
    return found


def held(log: EventLog) -> Held:
    """Return what LOG holds in the form of `Expected.held`."""
    decode = full_decoder()
    rows = []
    for key in log.keys():  # noqa: SIM118 - a log is no mapping
        for r in log.scan(key, None, None, None):
            given = {**decode(r.payload), "session_id": r.session_id}
            rows.append(
                (r.key, r.ts_ms, r.seq, r.name, r.event_id, r.known_ms, *(given.get(f) for f in _FIELDS))
            )
    apart = [("apart", one.key, one.event["ts_ms"], one.event.get("event_id")) for one in log.quarantined()]
    served = [
        ("served", one.asked.request_id, one.asked.key, one.vector.at_ms, repr(dict(one.vector.values)))
        for one in log.served()
        if one.asked.request_id is not None
    ]
    return (*rows, *apart, *served)


# ---------------------------------------------------------------- playing


@dataclass(slots=True)
class Player:
    """A log with an engine on it, and whoever reads beside them."""

    path: str
    sync: Sync
    checkpoint_pages: int = 1_000
    limits: Limits = PLAIN
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
        self.engine = Engine(self.log)
        self.engine.install(GRAPH.compile())

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
                self.engine.extract(GRAPH.id, key=key, at_ms=ms, record=True, request_id=request_id)
            case {"extract": ms}:
                for key in KEYS:
                    self.engine.extract(GRAPH.id, key=key, at_ms=ms, record=True)
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
            case {"flush": _}:
                self.log.flush()
            case {"restart": _}:
                self.log.close()  # a reader beside stays
                self.open()
            case {"hold": True}:
                self.hold()
            case {"hold": _}:
                self.beside.close()


def begin(path: str, steps: Iterable[Step], format: int) -> None:
    """Make a log at PATH as a version of an older FORMAT left it after STEPS: without the later tables."""
    player = Player(path, "batch", limits=_ROWS)
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


# ---------------------------------------------------------------- the lives


def event(number: int, ts_ms: int, **more: object) -> dict[str, object]:
    """Return the event of a NUMBER."""
    return {
        "event": ("view", "view", "buy")[number % 3],
        "user_id": KEYS[number % len(KEYS)] if number % 5 else KEYS[0],
        "ts_ms": ts_ms,
        "event_id": f"e{number}",
        "n": number % 7,
        "x": number * 0.1,
        "item": f"i{number % 4}",
        "session_id": f"s{number // 4}",
        **more,
    }


def _singles(first: int, count: int) -> list[Step]:
    return [{"append": [event(n, NOW - 5_000 + n)]} for n in range(first, first + count)]


def _call(first: int, count: int, **more: object) -> Step:
    return {"append": [event(n, NOW - 5_000 + n, **more) for n in range(first, first + count)]}


_MIXED: Final[Sequence[Step]] = (
    *_singles(0, 3),
    _call(3, 12, note="x" * 700),
    {"append": [event(1, NOW, n=5)]},  # a duplicate
    {"append": [event(20, NOW - 2 * _DAY)]},  # late
    {"append": [event(21, NOW + _DAY)]},  # kept apart
    {
        "append": [event(22, NOW), event(23, NOW, user_id=7, seq=0), event(24, NOW, user_id=7, seq=0)]
    },  # refused
    {"serve": "first", "key": "u0", "at_ms": NOW},
    {"serve": "second", "key": "u1", "at_ms": NOW},
    {"forget": {"key": "u1"}},
    *_singles(30, 2),
    {"flush": True},
    _call(40, 3),
    {"forget": {"before": NOW - 4_990}},
    {"restart": True},
    {"serve": "third", "key": "u0", "at_ms": NOW},
    {"clock": NOW + 3 * _DAY},
    *_singles(50, 2),
    {"clock": NOW - 2 * _DAY},
    _call(60, 4),
)
_FOUND: Final[Sequence[Step]] = (
    *_singles(0, 5),
    _call(5, 20, note="w" * 300),
    {"append": [event(26, NOW + _DAY)]},
)
_LONG: Final[Sequence[Step]] = (*_singles(0, 10), *(_call(10 * n, 10, note="y" * 90) for n in range(1, 5)))
_BESIDE: Final[Sequence[Step]] = (
    *_singles(0, 3),
    {"hold": True},
    *_singles(3, 3),
    {"flush": True},
    *_singles(6, 2),
    {"flush": True},  # nothing that the reader left to copy is new: SQLite syncs nothing by itself
    *_singles(8, 2),
    {"forget": {"event_id": "e4"}},
    *_singles(10, 2),
    {"restart": True},
    *_singles(12, 2),
)
# Blocks are written and joined, and rows go, with the appends that make the tail too long.
_SEALED: Final[Sequence[Step]] = (
    *_singles(0, 6),
    _call(6, 14, note="v" * 90),
    {"append": [event(3, NOW), event(30, NOW)]},  # a duplicate of what is sealed
    {"append": [event(31, NOW - 3 * _DAY)]},  # late, before all that is sealed
    {"serve": "first", "key": "u0", "at_ms": NOW},
    *_singles(40, 6),
    {"forget": {"event_id": "e7"}},
    _call(50, 25),
    {"restart": True},
    {"forget": {"key": "u1"}},
    *_singles(80, 3),
    {"forget": {"before": NOW - 4_955}},
    {"flush": True},
    _call(90, 12),
)
_SERVING: Final[Sequence[Step]] = (
    *_singles(0, 3),
    {"extract": NOW},
    _call(3, 4),
    {"extract": NOW},
    {"forget": {"event_id": "e4"}},
    *_singles(7, 2),
    {"extract": NOW + 1},
    {"restart": True},
    {"extract": NOW + 2},
    *_singles(9, 1),
)
_TWO: Final[Sequence[Step]] = (
    *_singles(0, 4),
    {"hand": [event(n, NOW - 5_000 + n) for n in range(4, 9)]},
    {"hand": [event(9, NOW - 4_991)]},
    _call(10, 9),
    {"trim": NOW - 4_994},
    {"hand": [event(30, NOW), event(12, NOW)]},  # one of them a copy
    {"restart": True},
    *_singles(40, 3),
    {"hand": [event(50, NOW)]},
    {"flush": True},
    {"trim": NOW - 4_985},
    *_singles(60, 2),
)
LIVES: Final = (
    Life("mixed, full", "full", _MIXED),
    Life("mixed, batch", "batch", _MIXED),
    Life("sealed, full", "full", _SEALED, limits=SEALED),
    Life("sealed, batch", "batch", _SEALED, checkpoint_pages=40, limits=SEALED),
    Life("checkpoints, full", "full", _LONG, checkpoint_pages=12),
    Life("checkpoints, batch", "batch", _LONG, checkpoint_pages=12),
    *(
        Life(f"upgrade of format {old}", "full", _singles(30, 3), format=old, found=_FOUND)
        for old in range(1, FORMAT)
    ),
    Life("a reader beside, full", "full", _BESIDE),
    Life("a reader beside, batch", "batch", _BESIDE),
    Life("two processes, full", "full", _TWO, limits=SEALED),
    Life("two processes, batch", "batch", _TWO),
    Life("serving, full", "full", _SERVING, limits=_FEW_ANSWERS),
    Life("serving, batch", "batch", _SERVING, limits=_FEW_ANSWERS),
)


def random_steps(seed: object) -> Iterator[Step]:
    """Yield steps without end, the same for the same SEED."""
    rng = Random(f"lives {seed}")
    now, number = NOW, 0
    while True:
        count = rng.choice((1, 1, 1, 2, 5, 40))
        yield {"append": [_any(rng, number + n, now) for n in range(count)]}
        number += count
        now += rng.randint(1, 3_600_000)
        if rng.random() < 0.1:
            # An event that is surely new, so that the file tells the largest known_ms.
            yield {"append": [event(number, now, user_id="clock")]}
            number += 1
            yield {"clock": now + rng.choice((0, 0, _DAY, -_DAY, 9 * _DAY, -9 * _DAY))}
        match rng.random():
            case chance if chance < 0.03:
                yield {"forget": {"event_id": f"e{rng.randrange(number)}"}}
            case chance if chance < 0.05:
                yield {"forget": {"before": now - _DAY}}
            case chance if chance < 0.07:
                yield {"trim": now - _DAY}
            case chance if chance < 0.10:
                yield {"flush": True}
            case chance if chance < 0.15:
                yield {"restart": True}
            case chance if chance < 0.25:
                yield {"extract": now}
            case chance if chance < 0.40:
                yield {"serve": f"r{number}", "key": rng.choice(KEYS), "at_ms": now}


def _any(rng: Random, number: int, now: int) -> dict[str, object]:
    """Return an event of about NOW: in time, late, a copy of an earlier one, or far ahead."""
    ts_ms = now + rng.choice((0, 0, 0, 1, -1, -5_000, -_DAY, 40 * _DAY))
    return event(
        rng.randrange(number + 1) if rng.random() < 0.1 else number, ts_ms, note="z" * rng.choice((0, 9, 900))
    )


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
    player = Player(path, life.sync, life.checkpoint_pages, life.limits)
    tell(player, life.steps)
    player.close()


if __name__ == "__main__":
    main()
