"""What is counted against the memory beside events, and what is said where it cannot be kept to."""

from __future__ import annotations

import re

import pytest

import featuregraph as fg
from stream.backfill import budget
from stream.backfill.budget import Budget, budget_of, row_bytes
from stream.backfill.executors import Local
from stream.backfill.job import run
from stream.testing.recordings import budgeted

pytest.importorskip("pyarrow")


def test_answers_weigh_too() -> None:
    """They are there twice at a time; a run whose events fit and whose answers do not goes by buckets."""
    room = (1 << 30) - budget.BASE
    given = budget_of(1 << 30, 1, 3, answers=room // 4)
    assert given.whole == room // 4 - room // 8
    assert given.parts([given.part or 0, 0, 0]) == [range(1), range(1, 3)]
    assert budget_of(1 << 30, 1, 3, answers=room).whole == 0
    assert budget_of(None, 1, 3, answers=room).is_free


def test_a_key_beyond_the_memory_is_told_before_work_begins() -> None:
    """How much it may take, on one line; whoever has many small keys hears nothing."""
    plan = fg.Graph("g", {"n": fg.rows(fg.Event.of("e", {})).count()}).compile()
    order: list[str] = []
    for users in (1, 50):
        events = [{"user_id": f"u{n % users}", "event": "e", "ts_ms": n} for n in range(3_000)]
        with budgeted(Budget(1, 20_000, 5_000, 16, whole=0, swell=8)):
            run([plan], events, [{"user_id": "u0", "ts_ms": 9_000}], Local(), said=order.append)
    (line,) = order
    assert re.fullmatch(
        r"events: expected parts that fit the memory, found keys that may take 1MiB: a key is never split;"
        r" give as much, or fewer events",
        line,
    )
    assert row_bytes(plan) == 9


def test_lists_are_as_long_as_they_may_be() -> None:
    """Of a sequence, of topk, of a map; a vector has so many numbers."""

    class E(fg.Event, name="e"):
        a = fg.string()

    rows = fg.rows(E)
    features = {
        "sequence": rows.sequence(50, {"a": E.a, "b": E.a}),
        "top": rows.topk(E.a, 5),
        "map": rows.group_by(E.a).count(),
        "vector": fg.request("v", fg.vector(3)),
    }
    assert row_bytes(fg.Graph("g", features).compile()) == 50 * 18 + 5 * 9 + 16 * 18 + 12
