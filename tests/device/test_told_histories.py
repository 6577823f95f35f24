"""Short lives of a log, each told step by step: what random ones meet too rarely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream.pace import PACE, Pace
from stream.testing.histories import History
from stream.testing.lives import TIGHT
from stream.testing.stage import Played, check

pytestmark = pytest.mark.device


@pytest.fixture
def played(tmp_path: Path) -> Any:
    """Give what plays a history with engines of every mode, against the reference."""

    def play(history: History, pace: Pace = PACE) -> Played:
        return check(history, tmp_path, pace)

    return play


@pytest.mark.parametrize("include_now", [False, True])
def test_a_filter_overflows_as_long_as_its_row_is_in_the_window(played: Any, include_now: bool) -> None:
    """A row whose filter overflows breaks each window that admits it, early or late, and none after."""
    wild = {"op": "gt", "args": [{"op": "add", "args": [{"field": "n"}] * 2}, {"lit": 0, "type": "int64"}]}
    stream = {"events": ["view"], "over": "10ms", "where": wild}
    features = {
        "n": {"agg": "count", "stream": stream},
        "m": {"agg": "count", "stream": stream | {"over": "4ms"}},
    }
    form = {"format": 1, "graph": "g", "events": {"view": {"n": "int64"}}, "include_now": include_now}
    graphs = [form | {"features": {name: feature}} for name, feature in features.items()]

    def view(ts_ms: int, n: int) -> dict[str, Any]:
        return {"append": [{"event": "view", "ts_ms": ts_ms, "user_id": "u", "n": n}], "by": 3}

    asks = [{"ask": {"key": "u", "t": t}, "graph": place} for t in range(30) for place in range(2)]
    steps = [view(1, 2**62), view(2, 1), *asks[: 2 * 9], view(7, 2**62), *asks[2 * 9 :]]
    found = played(History(graphs, steps))
    # n: from the row at 1 to 10 ms after the one at 7; m: 4 ms after each, the second heard of at 9
    assert found.errors == (16 + 4 + 2 if include_now else 16 + 4 + 3)


def _graph(name: str, **features: Any) -> Any:
    """Return a graph of aggregates on all views ever."""
    stream = {"events": ["view"]}
    made = {feature: {"stream": stream} | form for feature, form in features.items()}
    fields = {"n": "int64", "s": "string"}
    return {"format": 1, "graph": name, "events": {"view": fields}, "features": made}


def _views(*times: int) -> Any:
    """Return the step that appends a view at each of TIMES."""
    events = [
        {"event": "view", "ts_ms": ts, "seq": ts, "user_id": "u", "n": ts, "s": str(ts)} for ts in times
    ]
    return {"append": events, "by": 3}


def _ask(t: int, graph: int = 0) -> Any:
    return {"ask": {"key": "u", "t": t}, "graph": graph}


_N, _S = {"field": "n"}, {"field": "s"}
_TWO = {"lit": 2, "type": "int64"}
_RESTART = {"restart": True}


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_an_event_that_is_late_after_a_restart(played: Any, n: int) -> None:
    """It belongs among the latest N rows, where there were fewer, however late it is."""
    latest = {"agg": "sequence", "n": 9, "items": {"n": _N}}
    graph = _graph("g", latest=latest | {"stream": {"events": ["view"], "last": n}})
    found = played(
        History([graph], [_views(10, 11), _ask(20), _RESTART, _views(5), _ask(21), _ask(22)]), TIGHT
    )
    assert found.telling == found.cells > 0


def test_other_places_after_a_restart(played: Any) -> None:
    """Rows in a saved state are read where their values stand then, not where they stood before."""
    graphs = [
        _graph("s", first={"agg": "first", "x": _S}, other={"agg": "last", "x": _S}),
        _graph("n", seen={"agg": "sequence", "n": 9, "items": {"n": _N}}),
    ]
    start = [{"remove": 0}, _views(*range(1, 7)), _ask(10, 1), {"install": 0}, _ask(10, 0), _ask(10, 1)]
    more = [_views(11, 12), _ask(20, 1), _RESTART, _ask(20, 1), _ask(20, 0), _views(13), _ask(21, 1)]
    found = played(History(graphs, [*start, *more]), TIGHT)
    assert found.telling == found.cells > 0


def test_a_state_of_order_that_goes(played: Any) -> None:
    """What is left where a state that cares for order is taken out is saved as it is, not as it was."""
    total = {"agg": "sum", "x": _N}
    graphs = [_graph("both", first={"agg": "first", "x": _N}, total=total), _graph("one", total=total)]
    start = [_views(*range(1, 7)), _ask(10), _views(11, 12, 13), _ask(20), {"remove": 0}, _ask(20, 1)]
    more = [_views(21, 22, 23, 24), _ask(30, 1), _views(31, 32, 33), _ask(40, 1), _RESTART, _ask(40, 1)]
    found = played(History(graphs, [*start, *more, _views(39), _ask(50, 1)]), TIGHT)
    assert found.telling == found.cells > 0


def test_a_late_event_where_no_row_is_held(played: Any) -> None:
    """It counts once, before a restart and after: what is saved stands at the last row of all."""
    some = {"agg": "count", "stream": {"events": ["view"], "where": {"op": "gt", "args": [_N, _TWO]}}}
    graphs = [_graph("all", n={"agg": "count"}), _graph("some", n=some)]
    start = [{"remove": 1}, _views(1, 4, 5, 6), _ask(10), {"install": 1}]
    found = played(History(graphs, [*start, _views(2, 3), _ask(20), _RESTART, _ask(21)]), TIGHT)
    assert found.telling == found.cells > 0
