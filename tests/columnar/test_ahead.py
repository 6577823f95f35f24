"""Labels over columns where chance seldom goes: what was known, and the ends of int64."""

from __future__ import annotations

from typing import Any

import pytest

import featuregraph as fg
from featuregraph.testing.conformance import Executor
from featuregraph.testing.executors import ReferenceExecutor
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.testing import ColumnarExecutor


class View(fg.Event, name="view"):
    """A look at an item."""

    item = fg.category()
    n = fg.int64()


class Labels:
    """One of each side of t."""

    ahead = fg.rows(View).ahead("4ms").sequence(9, {"item": View.item, "age": fg.age()})
    first = fg.rows(View).ahead("4ms").since_first()
    before = fg.rows(View).over("4ms").sequence(9, {"item": View.item})


GRAPHS = [fg.Graph("g", Labels, include_now=now) for now in (False, True)]
BOTH: list[Executor] = [ReferenceExecutor(), ColumnarExecutor()]


@pytest.mark.parametrize("graph", GRAPHS, ids=["before", "now"])
@pytest.mark.parametrize("executor", BOTH, ids=lambda executor: executor.name)
def test_nothing_hides_what_lies_ahead(executor: Executor, graph: fg.Graph) -> None:
    """Neither when it came to be known, nor a history that begins behind it; both hide what lies before."""
    events = [view(ts, item, known_ms=99) for ts, item in ((8, "a"), (9, "b"), (11, "c"), (12, "d"))]
    events.append(view(40, "end"))
    asked: Any = {"key": "u", "t": 10, "as_known": True}
    for options in (asked, {**asked, "history_start_ms": 12}):
        (answer,) = executor.run([graph], events, [options])
        assert answer.values["ahead"] == {"item": ["c", "d"], "age": [-1, -2]}
        assert answer.values["before"] == {"item": []}


@pytest.mark.parametrize("graph", GRAPHS, ids=["before", "now"])
@pytest.mark.parametrize("executor", BOTH, ids=lambda executor: executor.name)
@pytest.mark.parametrize("t", [INT64_MIN, INT64_MIN + 1, -1, INT64_MAX - 4, INT64_MAX - 3, INT64_MAX])
def test_the_ends_of_int64(executor: Executor, graph: fg.Graph, t: int) -> None:
    """A window that leaves them looks past every end; one that just does not is as any other."""
    times = sorted({min(INT64_MAX, max(INT64_MIN, t + n)) for n in range(-5, 6)} | {INT64_MAX})
    events = [view(ts, str(ts)) for ts in times]
    (answer,) = executor.run([graph], events, [{"key": "u", "t": t}])
    shift = 1 if graph.include_now else 0
    ahead = [ts for ts in times if t + shift <= ts < t + shift + 4]
    found: Any = answer.values["ahead"]
    if t + 3 + shift > INT64_MAX:
        assert found is None
        assert answer.values["first"] is None
    else:
        assert found == {"item": [str(ts) for ts in ahead], "age": [t - ts for ts in ahead]}
        assert answer.values["first"] == ahead[0] - t
    before: Any = answer.values["before"]
    assert before["item"] == [str(ts) for ts in times if t + shift - 4 <= ts < t + shift]


@pytest.mark.parametrize("executor", BOTH, ids=lambda executor: executor.name)
def test_what_nobody_knows_overflows_nowhere(executor: Executor) -> None:
    """A label past the end is null, whatever it would be: a number, a list, a map, or one per candidate."""
    twice = View.n + View.n
    ahead = fg.rows(View).ahead("9ms")
    labels = {
        "number": ahead.max(twice),
        "list": ahead.sequence(3, {"n": twice}),
        "map": ahead.group_by(View.item).max(twice),
        "each": ahead.group_by(View.item).max(twice).lookup(fg.candidate("item", fg.category)),
    }
    events = [view(11, "a", n=INT64_MAX), view(12, "b", n=1)]
    for name, label in labels.items():
        graph = fg.Graph("g", {name: label})
        asked = {"key": "u", "t": 10, "request": {"item": ["a", "c"]} if name == "each" else {}}
        (answer,) = executor.run([graph], events, [asked])
        assert answer.values[name] == ([None, None] if name == "each" else None)
        with pytest.raises(fg.FeatureOverflowError):
            executor.run([graph], [*events, view(40, "end")], [asked])


@pytest.mark.parametrize("engine", ["local", "reference"])
def test_what_nobody_knows_overflows_in_no_table(engine: str) -> None:
    """A table is written where only lists and maps that nobody knows would overflow."""
    pytest.importorskip("pyarrow")
    from stream import replay

    ahead = fg.rows(View).ahead("9ms")
    twice = View.n + View.n
    labels = {"list": ahead.sequence(3, {"n": twice}), "map": ahead.group_by(View.item).max(twice)}
    plan = fg.Graph("g", labels).compile()
    events = [view(11, "a", n=INT64_MAX), view(12, "b", n=1)]
    table = replay(plan, events, [{"user_id": "u", "ts_ms": 10}], engine=engine)
    assert table.drop_columns(["user_id", "ts_ms"]).to_pylist() == [{"list.n": None, "map": None}]


def view(ts: int, item: str, **more: Any) -> dict[str, Any]:
    """Return a view at TS."""
    return {"event": "view", "user_id": "u", "ts_ms": ts, "item": item, **more}
