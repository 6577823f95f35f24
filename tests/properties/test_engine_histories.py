"""Whole lives of a log with engines of every mode and budget on it: each answer is the reference's.

stream.testing.histories says what happens in a life, stream.testing.stage plays it: appends by any engine or
behind their backs, late and duplicate events, forgetting, restarts, plans that come and go, queries that go
back in time. `make soak ARGS=histories` plays them for ten minutes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph.reference import Log
from stream.pace import PACE, Pace
from stream.testing.histories import (
    ENGINES,
    History,
    changing_history,
    filtered_history,
    moving_history,
    random_history,
)
from stream.testing.lives import TIGHT
from stream.testing.stage import Played, check

pytestmark = pytest.mark.device


def played(history: History, pace: Pace = PACE) -> Played:
    """Play HISTORY in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return check(history, Path(folder), pace)


@settings(max_examples=40)
@given(st.integers(0, 2**48))
def test_random_histories(seed: int) -> None:
    """Every engine equals the reference at every query of a random history."""
    played(random_history(Random(seed)))


@settings(max_examples=30)
@given(st.integers(0, 2**48))
def test_tight_histories(seed: int) -> None:
    """So it does where rows are trimmed and memory is looked at all the time."""
    played(random_history(Random(seed), events=60), TIGHT)


@settings(max_examples=8)
@given(seed=st.integers(0, 2**48), tightly=st.booleans())
def test_histories_with_tables(seed: int, tightly: bool) -> None:
    """So it does where rows are looked up in tables of which versions come and go, over restarts too."""
    played(random_history(Random(seed), events=40, tables=True), TIGHT if tightly else PACE)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**48), tightly=st.booleans())
def test_moving_histories(seed: int, tightly: bool) -> None:
    """So it does where windows move on and on, and events come in late."""
    played(moving_history(Random(seed)), TIGHT if tightly else PACE)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**48), tightly=st.booleans())
def test_filtered_histories(seed: int, tightly: bool) -> None:
    """So it does where most events are dropped before they are decoded."""
    played(filtered_history(Random(seed)), TIGHT if tightly else PACE)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**48), tightly=st.booleans())
def test_changing_histories(seed: int, tightly: bool) -> None:
    """So it does where plans that share features come and go: what is kept of a key moves over."""
    played(changing_history(Random(seed)), TIGHT if tightly else PACE)


@settings(max_examples=6)
@given(st.integers(0, 2**48))
def test_long_histories(seed: int) -> None:
    """So they do where much has happened, and many windows have moved on."""
    played(random_history(Random(seed), events=250, queries=60))


@pytest.mark.parametrize("include_now", [False, True])
def test_a_filter_overflows_as_long_as_its_row_is_in_the_window(include_now: bool) -> None:
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
_RESTART = {"restart": True}


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_an_event_that_is_late_after_a_restart(n: int) -> None:
    """It belongs among the latest N rows, where there were fewer, however late it is."""
    latest = {"agg": "sequence", "n": 9, "items": {"n": _N}}
    graph = _graph("g", latest=latest | {"stream": {"events": ["view"], "last": n}})
    found = played(
        History([graph], [_views(10, 11), _ask(20), _RESTART, _views(5), _ask(21), _ask(22)]), TIGHT
    )
    assert found.telling == found.cells > 0


def test_other_places_after_a_restart() -> None:
    """Rows in a saved state are read where their values stand then, not where they stood before."""
    graphs = [
        _graph("s", first={"agg": "first", "x": _S}, other={"agg": "last", "x": _S}),
        _graph("n", seen={"agg": "sequence", "n": 9, "items": {"n": _N}}),
    ]
    start = [{"remove": 0}, _views(*range(1, 7)), _ask(10, 1), {"install": 0}, _ask(10, 0), _ask(10, 1)]
    more = [_views(11, 12), _ask(20, 1), _RESTART, _ask(20, 1), _ask(20, 0), _views(13), _ask(21, 1)]
    found = played(History(graphs, [*start, *more]), TIGHT)
    assert found.telling == found.cells > 0


def test_a_state_of_order_that_goes() -> None:
    """What is left where a state that cares for order is taken out is saved as it is, not as it was."""
    total = {"agg": "sum", "x": _N}
    graphs = [_graph("both", first={"agg": "first", "x": _N}, total=total), _graph("one", total=total)]
    start = [_views(*range(1, 7)), _ask(10), _views(11, 12, 13), _ask(20), {"remove": 0}, _ask(20, 1)]
    more = [_views(21, 22, 23, 24), _ask(30, 1), _views(31, 32, 33), _ask(40, 1), _RESTART, _ask(40, 1)]
    found = played(History(graphs, [*start, *more, _views(39), _ask(50, 1)]), TIGHT)
    assert found.telling == found.cells > 0


def test_histories_tell_something() -> None:
    """Many values are compared, a good part neither null, zero, false nor empty; some queries overflow."""
    total = Played()
    for seed in range(30):
        one = played(random_history(Random(seed)))
        total = Played(total.cells + one.cells, total.errors + one.errors, total.telling + one.telling)
    assert total.cells > 100 * len(ENGINES)
    assert total.telling > total.cells / 5
    assert total.errors >= 1


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself fails where answers differ: here the reference hears of nothing."""
    features = {"n": {"agg": "count", "stream": {"events": ["view"]}}}
    graph = {"format": 1, "graph": "g", "events": {"view": {}}, "features": features}
    event = {"event": "view", "ts_ms": 1, "user_id": "u"}
    history = History([graph], [{"append": [event], "by": 3}, {"ask": {"key": "u", "t": 5}, "graph": 0}])
    assert played(history).telling == len(ENGINES)
    monkeypatch.setattr(Log, "append", lambda log, raw: None)
    with pytest.raises(AssertionError, match="expected 0, found 1"):
        played(history)
