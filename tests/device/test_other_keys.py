"""A log under another key than the user's: events of several users at one position go by their users."""

from __future__ import annotations

from pathlib import Path

import pytest

import featuregraph as fg
from featuregraph.reference import answer
from featuregraph.testing.clock import FakeClock
from stream import Engine, EventLog
from stream.engine import Mode

pytestmark = pytest.mark.device

NOW = 1_700_000_000_000


class Open(fg.Event, name="open"):
    """An event of the log."""

    n = fg.int64()


class Close(fg.Event, name="close"):
    """Another one."""

    n = fg.int64()


class Ties:
    """Aggregates that tell the order of rows."""

    _opens = fg.rows(Open)
    last = _opens.last(Open.n)
    latest_of_two = _opens.last(2).sum(Open.n)
    order = fg.rows(Open, Close).over("1h").sequence(9, {"n": Open.n})


ARRIVING = (("b", 1), ("", 2), ("a", 3), ("é", 4), ("ab", 5), (None, 6), ("Z", 7), ("z", 8))


def test_ties_go_by_user(tmp_path: Path, mode: Mode) -> None:
    """Whatever the order of arrival, also between queries and after a restart."""
    graph = fg.Graph("ties", Ties, key="page_id")
    told = [
        {
            "event": ("open", "close")[n % 2],
            "ts_ms": NOW,
            "seq": 0,
            "page_id": "home",
            "user_id": user,
            "n": n,
        }
        for user, n in ARRIVING
    ]
    path, clock = tmp_path / "events.db", FakeClock(NOW)
    for count in range(1, len(told) + 1):
        with EventLog(path, key="page_id", clock=clock) as log:
            engine = Engine(log, "home", mode=mode)
            graph_id = engine.install(graph.compile())
            if count > 2:
                engine.extract(graph_id, at_ms=NOW + 1)
            engine.append(told[count - 1])
            found = engine.extract(graph_id, at_ms=NOW + 1).values
        (expected,) = answer(graph, [{"clock": NOW}, *told[:count]], [{"key": "home", "t": NOW + 1}])
        assert found == expected.values
