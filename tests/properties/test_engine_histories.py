"""Whole lives of a log with engines of every mode and budget on it: each answer is the reference's.

stream.testing.histories says what happens in a life, stream.testing.stage plays it: appends by any engine or
behind their backs, late and duplicate events, forgetting, restarts, plans that come and go, queries that go
back in time. `make soak ARGS=histories` plays them for ten minutes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

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
