"""Runs by buckets of another key than user_id: positions and duplicates are those of all events together."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

import featuregraph as fg
from stream import replay
from stream.backfill import job, work
from stream.backfill.budget import Budget
from stream.backfill.executors import executor
from stream.testing.recordings import budgeted

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

VIEW = fg.Event.of("view", {"n": "int64", "price": "decimal(2)", "seq": "int64"})
ROWS = fg.rows(VIEW)
FEATURES = {
    "latest": ROWS.sequence(9, {"n": VIEW["n"], "seq": VIEW["seq"]}),
    "spent": ROWS.over("1h").sum(VIEW["price"]),
}
ITEM = fg.Graph("item", FEATURES, key="item_id").compile()
PAIR = fg.Graph("pair", FEATURES, key=("user_id", "item_id")).compile()
SMALL = Budget(1, 2_000, 1_500, 5)
QUERIES = [
    {"item_id": item, "user_id": user, "ts_ms": ts_ms}
    for item in ("i", "j", "k", None)
    for user in ("a", None)
    for ts_ms in (5, 99)
]


def history(count: int, *, ids: float = 0.5, seqs: bool = False) -> list[dict[str, Any]]:
    """Return events of few users and times, so that most meet; some come again, of some types change."""
    rng = Random(count)
    events: list[dict[str, Any]] = []
    for n in range(count):
        event = {
            "event": rng.choice(["view", "view", "look"]),
            "user_id": rng.choice(["a", "b", "c", None, 5]),
            "item_id": rng.choice(["i", "j", None]),
            "ts_ms": rng.randrange(10),
            "n": n if n < count // 2 else str(n),
            "price": rng.choice(["1.50", 2, None, "much"]),
        }
        if rng.random() < ids:
            event["event_id"] = f"e{rng.randrange(count // 5)}"
        if seqs:
            event["seq"] = n
        events.append(event)
    return events


@pytest.mark.parametrize("plan", [ITEM, PAIR], ids=lambda plan: plan.graph.name)
@pytest.mark.parametrize("made", [{}, {"ids": 0.0}, {"ids": 1.0}, {"seqs": True}], ids=str)
def test_buckets_of_other_keys_change_no_value(plan: fg.Plan, made: dict[str, Any]) -> None:
    """Nor the report: as many events came again as in one piece."""
    events = history(150, **made)
    by = executor("local", "auto")
    whole, told = job.run([plan], events, QUERIES, by)
    with budgeted(SMALL):
        found, said = job.run([plan], events, QUERIES, by)
    assert found is not None
    assert found.equals(whole)
    assert found.equals(replay(plan, events, QUERIES, engine="reference"))
    assert (said.duplicate, said.unparsable, said.keyless) == (told.duplicate, told.unparsable, told.keyless)
    assert (said.duplicate or 0) > 0 or made == {"ids": 0.0}


def test_a_position_that_is_taken_is_told() -> None:
    """Wherever the other event is, under which key ever."""
    event = {"event": "view", "user_id": "a", "ts_ms": 1, "seq": 7}
    events = [*history(100), {**event, "item_id": "i"}, {**event, "item_id": "j"}]
    with budgeted(SMALL), pytest.raises(fg.EventError, match=r"found \('a', 1, 7\) taken"):
        replay(ITEM, events, QUERIES)


def test_what_nobody_sees_takes_its_position(tmp_path: Path) -> None:
    """An item's events of two users go by seq: one that is given on arrival counts what no window reads."""
    seen = {"event": "view", "item_id": "i", "ts_ms": 5}
    events = [
        {**seen, "event": "look", "user_id": "b", "n": 0},
        {**seen, "user_id": "b", "n": 1},
        {**seen, "user_id": "c", "n": 2},
    ]
    pq.write_table(pa.Table.from_pylist(events), tmp_path / "e.parquet", row_group_size=1)
    plan = fg.Graph("g", {"n": ROWS.last(VIEW["n"])}, key="item_id").compile()
    asked = [{"item_id": "i", "ts_ms": 9}]
    for source in (events, tmp_path / "e.parquet"):
        assert replay(plan, source, asked).column("n").to_pylist() == [1]


USER = fg.Graph("user", FEATURES).compile()


@pytest.mark.parametrize(
    ("plans", "options"),
    [
        ([ITEM, PAIR], {"resume": True}),
        ([ITEM, USER], {"memory": "1GiB"}),
        ([PAIR], {"workers": 2, "memory": "1GiB", "engine": "reference"}),
    ],
    ids=["resumed", "whole", "workers"],
)
def test_several_keys_at_one_query_keep_to_the_memory(
    tmp_path: Path, plans: list[fg.Plan], options: dict[str, Any]
) -> None:
    """Each key's answers wait on disk for those of the next; nothing is left."""
    events, queries, out = tmp_path / "e.jsonl", tmp_path / "q.parquet", tmp_path / "o"
    events.write_text("".join(json.dumps(event) + "\n" for event in history(100)))
    pq.write_table(pa.Table.from_pylist(QUERIES), queries)
    out.mkdir()
    replay(plans, events, queries, out=out / "o.parquet", **options)
    replay(plans, events, queries, out=tmp_path / "w.parquet")
    found, whole = (pq.read_table(path) for path in (out / "o.parquet", tmp_path / "w.parquet"))
    assert found.equals(whole, check_metadata=True)
    assert [path.name for path in out.iterdir()] == ["o.parquet"]


def test_a_run_of_another_key_goes_on_where_it_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came again is known from the first try; no event is read again."""
    events, queries, out = tmp_path / "e.jsonl", tmp_path / "q.parquet", tmp_path / "o.parquet"
    events.write_text("".join(json.dumps(event) + "\n" for event in history(100)))
    pq.write_table(pa.Table.from_pylist(QUERIES), queries)
    told = replay(ITEM, events, queries, out=tmp_path / "w.parquet")
    compute, begun = work.compute, []

    def cut_off(job: work.Work, unit: work.Unit, done: Any) -> None:
        begun.append(unit)
        if len(begun) > 3:
            raise KeyboardInterrupt
        compute(job, unit, done)

    with monkeypatch.context() as patch:
        patch.setattr(work, "compute", cut_off)
        with pytest.raises(KeyboardInterrupt):
            replay(ITEM, events, queries, out=out, resume=True)
    monkeypatch.setattr("stream.tables._read_lines", None)  # whoever reads events now fails
    said = replay(ITEM, events, queries, out=out, resume=True)
    assert (said.events, said.duplicate, said.unparsable) == (told.events, told.duplicate, told.unparsable)
    assert pq.read_table(out).equals(pq.read_table(tmp_path / "w.parquet"))
