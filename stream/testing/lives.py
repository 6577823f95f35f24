"""Lives of a writing process as data, step by step.

Steps:
    {"append": [EVENT, ...]}    one event: `append`, more: `append_many`
    {"hand": [EVENT, ...]}      another process hands them over to this one
    {"trim": MS}                what is older goes, but not the answers that were made of it
    {"forget": {...}}, {"clock": MS}, {"flush": true}, {"restart": true}
    {"serve": REQUEST_ID, "key": KEY, "at_ms": MS}     an answer that is kept
    {"extract": MS}             an answer to each key, kept too: three steps in one, which `prove` judges
    {"upgrade": NUMBER}         the graph of this number in `GRAPHS` takes the other one's place
    {"save": true}              states are saved
    {"hold": true | false}      a reader begins to hold its moment, and lets go
A step is done as a whole or not at all, whatever happens to the process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

import featuregraph as fg
from stream.blocks.sealing import Sealing
from stream.limits import Limits
from stream.pace import PACE, Pace
from stream.schema import FORMAT
from stream.store import Sync

Step = Mapping[str, Any]
NOW: Final = 1_700_000_000_000
KEYS: Final = ("u0", "u1", "u2")
DAY_MS: Final = 86_400_000
# Engines trim, drop, catch up and save after a handful of rows, as they do in long lives only.
TIGHT: Final = Pace(least_trim=2, most_loose=2, most_pending=3, least_marked=2, most_unsaved=5, most_taken=20)
SOON: Final = Sealing(most_tail=5, least_tail=1, own=3, most_events=6, join=2)  # in short lives too
PLAIN: Final = Limits(busy_ms=2)  # who holds a moment here does not let go while others wait
SEALED: Final = replace(PLAIN, sealing=SOON)
ROWS: Final = replace(PLAIN, sealing=Sealing(most_tail=2**62))
_FEW_ANSWERS: Final = replace(PLAIN, max_served=7)
_DURABLE: Final = ("flush", "restart", "forget")  # afterwards the disk has it all, whatever `sync` says

FIELDS: Final = {"n": fg.int64(), "x": fg.float64(), "item": fg.category(), "session_id": fg.identifier()}
_EVENTS: Final = {name: fg.Event.of(name, FIELDS) for name in ("view", "buy")}


def _graphs() -> tuple[fg.Graph, fg.Graph]:
    """Return a graph, and the one that an upgrade puts in its place: some of it means the same."""
    view, buy = _EVENTS["view"], _EVENTS["buy"]
    views, buys = fg.rows(view), fg.rows(buy)
    shared = {
        "views": views.count(),
        "day": views.over("1d").sum(view["n"]),
        "items": views.distinct(view["item"]),
        "session": buys.last(buy["session_id"]),
    }
    first = {
        "exact": buys.over("2d").sum(buy["x"]),
        "top": views.over("3d").topk(view["item"], 3),
        "last": views.where(view["n"] > 1).last(view["item"]),
        "extremes": buys.over("1d").max(buy["x"]),
    }
    second = {
        "exact": buys.sum(buy["x"]),  # another window
        "bought": fg.rows(view, buy).sequence(3, {"n": view["n"], "item": view["item"]}),
        "latest": views.last(4).mean(view["n"]),
        "largest": buys.max(buy["x"]),
    }
    return fg.Graph("lives", shared | first), fg.Graph("lives", second | shared)


GRAPHS: Final = _graphs()
GRAPH: Final = GRAPHS[0]  # what a life begins with


@dataclass(frozen=True, slots=True)
class Life:
    """What a process does to one log, after it has opened it."""

    name: str
    sync: Sync
    steps: Sequence[Step]
    checkpoint_pages: int = 1_000  # of the write-ahead log, after which SQLite copies it into the file
    limits: Limits = PLAIN
    pace: Pace = PACE
    format: int = FORMAT  # of the log that it finds, if it does not make one
    found: Sequence[Step] = ()  # what had been done to that log

    def certain(self, done: int) -> int:
        """Return how many of DONE steps the disk must hold though the power fails."""
        if self.sync == "full":
            return done
        return max(
            (n for n in range(1, done + 1) if any(w in self.steps[n - 1] for w in _DURABLE)), default=0
        )


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
    {"append": [event(20, NOW - 2 * DAY_MS)]},  # late
    {"append": [event(21, NOW + DAY_MS)]},  # kept apart
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
    {"clock": NOW + 3 * DAY_MS},
    *_singles(50, 2),
    {"clock": NOW - 2 * DAY_MS},
    _call(60, 4),
)
_FOUND: Final[Sequence[Step]] = (
    *_singles(0, 5),
    _call(5, 20, note="w" * 300),
    {"append": [event(26, NOW + DAY_MS)]},
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
    {"append": [event(31, NOW - 3 * DAY_MS)]},  # late, before all that is sealed
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
# States are saved by the step, with an answer, and as the log closes; an upgrade finds those of before.
_SAVING: Final[Sequence[Step]] = (
    *_singles(0, 6),
    {"extract": NOW},
    {"save": True},
    _call(6, 12),
    {"serve": "first", "key": "u0", "at_ms": NOW},
    {"upgrade": 1},
    {"serve": "second", "key": "u0", "at_ms": NOW},
    *_singles(20, 3),
    {"save": True},
    {"restart": True},
    _call(30, 9),
    {"append": [event(25, NOW - 2 * DAY_MS)]},  # late: some of what was saved no longer holds
    {"extract": NOW + 1},
    {"upgrade": 0},
    {"save": True},
    {"forget": {"event_id": "e7"}},  # what was saved goes with it
    {"extract": NOW + 2},
    {"save": True},
    *_singles(40, 2),
    {"upgrade": 1},
    {"restart": True},
    {"trim": NOW - 4_975},
    {"serve": "third", "key": "u0", "at_ms": NOW + 3},
    _call(50, 8),
    {"serve": "fourth", "key": "u0", "at_ms": NOW + 4},
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
    Life("saving and upgrading, full", "full", _SAVING, limits=SEALED, pace=TIGHT),
    Life("saving and upgrading, batch", "batch", _SAVING, checkpoint_pages=12, pace=TIGHT),
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
            yield {"clock": now + rng.choice((0, 0, DAY_MS, -DAY_MS, 9 * DAY_MS, -9 * DAY_MS))}
        match rng.random():
            case chance if chance < 0.03:
                yield {"forget": {"event_id": f"e{rng.randrange(number)}"}}
            case chance if chance < 0.05:
                yield {"forget": {"before": now - DAY_MS}}
            case chance if chance < 0.07:
                yield {"trim": now - DAY_MS}
            case chance if chance < 0.10:
                yield {"flush": True}
            case chance if chance < 0.15:
                yield {"restart": True}
            case chance if chance < 0.25:
                yield {"extract": now}
            case chance if chance < 0.40:
                yield {"serve": f"r{number}", "key": rng.choice(KEYS), "at_ms": now}
            case chance if chance < 0.48:
                yield {"save": True}
            case chance if chance < 0.56:
                yield {"upgrade": rng.randrange(len(GRAPHS))}
                yield {"extract": now}


def _any(rng: Random, number: int, now: int) -> dict[str, object]:
    """Return an event of about NOW: in time, late, a copy of an earlier one, or far ahead."""
    ts_ms = now + rng.choice((0, 0, 0, 1, -1, -5_000, -DAY_MS, 40 * DAY_MS))
    return event(
        rng.randrange(number + 1) if rng.random() < 0.1 else number, ts_ms, note="z" * rng.choice((0, 9, 900))
    )
