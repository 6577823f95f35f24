"""Rows of several users at one position go by their users, whatever owns the events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featuregraph as fg
from featuregraph.reference import answer
from stream.backfill.columnar.order import may_repeat
from stream.testing import ColumnarExecutor


class Open(fg.Event, name="open"):
    """An event of the log."""

    n = fg.int64()


ARRIVING = (("b", 1), ("", 2), ("a", 3), ("é", 4), ("ab", 5), (None, 6), ("Z", 7), ("z", 8))


@pytest.mark.parametrize("key", ["page_id", ("page_id", "session_id"), ("user_id", "page_id")])
def test_ties_go_by_user(key: Any) -> None:
    """Of a pair without the user too; with the user in it there is one user a key."""
    order = fg.rows(Open).sequence(9, {"n": Open.n})
    graph = fg.Graph("ties", {"order": order}, key=key)
    told: list[dict[str, Any]] = [
        {"event": "open", "ts_ms": 5, "seq": 0, "page_id": "home", "session_id": "s", "user_id": user, "n": n}
        for user, n in ARRIVING
    ]
    owner = {"page_id": "home", "session_id": "s", "user_id": "a"}
    names = (key,) if isinstance(key, str) else key
    asked = {"key": tuple(owner[name] for name in names) if len(names) > 1 else "home", "t": 9}
    (expected,) = answer(graph, told, [asked])
    (found,) = ColumnarExecutor().run([graph], told, [asked])
    assert found.values == expected.values
    rows: Any = found.values["order"]
    assert len(rows["n"]) == (1 if "user_id" in names else len(ARRIVING))


SMALL = st.integers(-2, 2) | st.sampled_from([-(2**63), 2**63 - 1])


@given(st.lists(st.tuples(SMALL, SMALL, SMALL), max_size=12))
def test_rows_that_repeat_are_never_missed(rows: list[tuple[int, int, int]]) -> None:
    """What may repeat is looked at again; among so few rows nothing else seems to."""
    columns = [np.array([row[place] for row in rows], np.int64) for place in range(3)]
    assert may_repeat(columns) == (len(set(rows)) < len(rows))
