"""What no query can see is not read, where it cannot matter unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from stream import replay
from stream.backfill.intake.pruning import columns_of, seqs_of
from stream.backfill.needs import Needs, Seqs, Span, needs_of
from stream.dataset import footers
from stream.errors import EventFileError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

VIEW, BUY = fg.Event.of("view", {"n": "int64"}), fg.Event.of("buy", {"n": "int64"})


def compiled(**features: Any) -> fg.Plan:
    """Return the plan of FEATURES."""
    return fg.Graph("g", features).compile()


PLAN = compiled(n=fg.rows(VIEW).over("10ms").sum(VIEW["n"]))
ASKED = [{"user_id": "u", "ts_ms": 50}, {"user_id": "u", "ts_ms": 55}]
IDENTITY = {"event", "ts_ms", "seq", "event_id", "user_id"}


def needs(plan: fg.Plan, *times: int) -> Needs:
    """Return what PLAN needs at TIMES."""
    return needs_of([plan], (min(times), max(times)) if times else None, as_known=False)


def test_a_span_is_all_that_a_window_can_hold() -> None:
    """From the first query's window to the last query, offsets and looks ahead included; wider wins."""
    rows = fg.rows(VIEW)
    spans = {
        rows.over("10ms").count(): Span(40, 55),
        rows.over("10ms").offset("7ms").count(): Span(33, 48),
        rows.count(): Span(last=55),
        rows.over("10ms").count() + rows.over("20ms").offset("1ms").count(): Span(29, 55),
        rows.ahead("10ms").count(): Span(50, 65),
    }
    for expr, span in spans.items():
        assert needs(compiled(x=expr), 50, 55).spans == {"view": span}
    assert needs(compiled(x=rows.count())).spans == {}
    assert needs(compiled(x=fg.rows(BUY).over("10ms").count(), y=rows.count()), 50).spans == {
        "buy": Span(40, 50),
        "view": Span(last=50),
    }


def write(path: Path, **columns: Any) -> Path:
    """Write a hundred views at 0 to 99, ten to a row group; None takes a column out."""
    times = list(range(100))
    found = {"event": ["view"] * 100, "user_id": ["u"] * 100, "ts_ms": times, "n": times} | columns
    table = pa.table({name: column for name, column in found.items() if column is not None})
    pq.write_table(table, path, row_group_size=10)
    return path


def chosen(path: Path, plan: fg.Plan, *times: int) -> list[set[str] | None]:
    """Return the columns that are read of each row group, None for all that are needed."""
    seqs = seqs_of(footers(path, EventFileError))
    wanted = needs(plan, *times)
    read = [set(columns_of(group, wanted, seqs=seqs)) for group in footers(path, EventFileError)]
    return [None if columns >= wanted.columns else columns for columns in read]


ALL: None = None


def test_groups_outside_every_window_are_left_out(tmp_path: Path) -> None:
    """By their times and by their names; the values are those of the whole."""
    path = write(tmp_path / "e.parquet")
    assert chosen(path, PLAN, 50, 55) == [set()] * 4 + [ALL, ALL] + [set()] * 4
    assert chosen(path, compiled(n=fg.rows(BUY).count()), 50) == [set()] * 10
    found = replay(PLAN, path, ASKED)
    assert found["n"].to_pylist() == [sum(range(40, 50)), sum(range(45, 55))]
    report = replay(PLAN, path, tmp_path / "e.parquet", out=tmp_path / "o.parquet")
    assert (report.events, report.unread) == (100, 0)
    pq.write_table(pa.Table.from_pylist(ASKED), tmp_path / "q.parquet")
    report = replay(PLAN, path, tmp_path / "q.parquet", out=tmp_path / "o.parquet")
    assert (report.events, report.unread) == (100, 80)


@pytest.mark.parametrize(
    ("columns", "unseen"),
    [
        ({"seq": [0] * 100}, set()),  # every event has one: nothing is counted on arrival
        ({"seq": [None, *[0] * 99]}, IDENTITY),
        ({"event_id": [f"e{n}" for n in range(100)]}, IDENTITY),
        ({"event_id": pa.nulls(100, pa.string())}, set()),
        ({"ts_ms": pa.array(range(100), pa.timestamp("ms"))}, ALL),
        ({"event": [*["view"] * 5, None, *["view"] * 94]}, IDENTITY),
    ],
    ids=["all seqs", "some seqs", "ids", "no ids", "other times", "a name is missing"],
)
def test_what_matters_unseen_is_read(
    tmp_path: Path, columns: dict[str, Any], unseen: set[str] | None
) -> None:
    """Ids of duplicates, seqs that others are counted from, and what is refused: without its fields."""
    assert chosen(write(tmp_path / "e.parquet", **columns), PLAN, 50, 55)[0] == unseen


def test_an_unseen_event_makes_a_seen_one_a_duplicate(tmp_path: Path) -> None:
    """The first of an event_id wins (SEMANTICS 1.3), however far from every window it is."""
    ids = [f"e{n % 50}" for n in range(100)]
    path = write(tmp_path / "e.parquet", event_id=ids, event=["buy"] * 5 + ["view"] * 95)
    asked = [{"user_id": "u", "ts_ms": 60}]
    assert replay(PLAN, path, asked)["n"].to_pylist() == [0]


def test_a_field_may_read_the_seq_that_arrival_gave(tmp_path: Path) -> None:
    """Then every event counts, seen or not."""
    view = fg.Event.of("view", {"seq": "int64"})
    plan = compiled(last=fg.rows(view).over("10ms").last(view["seq"]))
    path = write(tmp_path / "e.parquet", ts_ms=[50] * 100, event=["buy"] * 60 + ["view"] * 40)
    assert replay(plan, path, [{"user_id": "u", "ts_ms": 55}])["last"].to_pylist() == [99]
    assert needs(plan, 50).is_silent(Seqs.ALL)
    assert not needs(plan, 50).is_silent(Seqs.NONE)


def test_partitions_are_left_out_by_their_name(tmp_path: Path) -> None:
    """A folder event=buy has no view in it."""
    for name in ("buy", "view"):
        (tmp_path / f"event={name}").mkdir()
        write(tmp_path / f"event={name}" / "1.parquet", event=None)
    assert chosen(tmp_path, PLAN, 50, 55) == [set()] * 14 + [ALL, ALL] + [set()] * 4
    assert replay(PLAN, tmp_path, ASKED)["n"].to_pylist() == [sum(range(40, 50)), sum(range(45, 55))]
