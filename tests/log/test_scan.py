"""What is read from a log: rows of one key by name and time, in total order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph.testing.clock import FakeClock
from stream.event import Row
from stream.log import EventLog

pytestmark = pytest.mark.device

INT64 = [-(2**63), -(2**63) + 1, -1, 0, 1, 2**63 - 2, 2**63 - 1]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from("uvé\U0001f600"),
        st.sampled_from("xyz"),
        st.sampled_from(INT64),
    ),
    max_size=30,
)
BOUNDS = st.none() | st.sampled_from(INT64) | st.sampled_from([-(2**70), 2**63, 2**70])


@settings(max_examples=60)
@given(
    EVENTS,
    st.sampled_from(["user_id", "item_id"]),
    st.none() | st.lists(st.sampled_from("xyzq")),
    BOUNDS,
    BOUNDS,
)
def test_a_scan_gives_the_rows_in_total_order(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[tuple[str, str, str, int]],
    key: str,
    names: list[str] | None,
    lo: int | None,
    hi: int | None,
) -> None:
    """Rows of one key and some names with lo <= ts_ms < hi, by (ts_ms, seq, UTF-8 of user_id) (1.2)."""
    folder = tmp_path_factory.mktemp("log")
    with EventLog(folder / "log.db", key=key, max_future=None, clock=FakeClock(0)) as log:
        raw = [{"item_id": i, "user_id": u, "event": n, "ts_ms": t} for i, u, n, t in events]
        _, rows = log.append_rows(raw)
        for who in ("a", "u", "nobody"):
            wanted = [
                row
                for row in rows
                if row.key == who
                and (names is None or row.name in names)
                and (lo is None or lo <= row.ts_ms)
                and (hi is None or row.ts_ms < hi)
            ]
            wanted.sort(key=lambda row: (row.ts_ms, row.seq, (row.user_id or "").encode()))
            assert log.scan(who, names, lo, hi) == wanted
            columns = ("ts_ms", "seq", "name", "user_id", "payload", "key", "id")
            plain = [tuple(getattr(row, c) for c in columns) for row in wanted]
            assert log.scan_columns(who, names, lo, hi, columns) == plain


def test_after_id_leaves_out_what_is_known(log: EventLog) -> None:
    """after_id keeps the rows that arrived later, in total order."""
    log.append_many([{"event": "e", "ts_ms": t, "user_id": "u"} for t in (5, 3, 4)])
    assert [row.ts_ms for row in log.scan("u", ["e"], None, None, after_id=1)] == [3, 4]


def test_rows_after_come_by_arrival(log: EventLog) -> None:
    """rows_after gives the rows of all keys by arrival, as many as asked for."""
    log.append_many([{"event": "e", "ts_ms": t, "user_id": str(t)} for t in (5, 3, 4)])
    assert [(row.id, row.key) for row in log.rows_after(0)] == [(1, "5"), (2, "3"), (3, "4")]
    assert [row.key for row in log.rows_after(1, limit=1)] == ["3"]
    assert log.rows_after(3) == []


@pytest.mark.parametrize("columns", [("ts_ms",), ("seq", "ts_ms"), ("ts_ms", "seq", "nothing"), ()])
def test_columns_that_do_not_order_are_refused(log: EventLog, columns: tuple[str, ...]) -> None:
    """scan_columns needs ts_ms and seq first, since they order the rows, and known names."""
    log.append({"event": "e", "ts_ms": 1, "user_id": "u"})
    with pytest.raises(ValueError, match="expected ts_ms, seq"):
        log.scan_columns("u", ["e"], None, None, columns)


def test_the_greatest_time_of_a_key(path: Path) -> None:
    """max_ts is the greatest ts_ms of a key whatever the names; None for an unknown key."""
    with EventLog(path, key="item_id", clock=FakeClock(0)) as log:
        rows: list[dict[str, Any]] = [
            {"event": n, "ts_ms": t, "item_id": "i"} for n, t in (("a", 7), ("b", 9), ("a", 8))
        ]
        log.append_many(rows)
        assert (log.max_ts("i"), log.max_ts("j")) == (9, None)


def test_scans_use_the_index(log: EventLog) -> None:
    """A scan of one name reads an index and sorts nothing."""
    from stream.reader import _select

    log.append({"event": "e", "ts_ms": 1, "user_id": "u"})
    sql = _select(Row._fields, by_user=True, after=False)
    with log.reading() as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?")).fetchall()
    assert len(plan) == 1
    assert "USING INDEX stream (key=? AND name=? AND ts_ms>? AND ts_ms<?)" in plan[0][3]
