"""A run by buckets gives what the same run gives in one piece: bit for bit, whatever buckets and workers."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Any

import pytest

from featuregraph import Plan
from featuregraph.sources import load_graph
from stream import replay
from stream.backfill.budget import Budget
from stream.testing.recordings import budgeted

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

SHOP = Path(__file__).parents[1] / "cli/data/shop.py"


# ---------------------------------------------------------------- the small shop, many users


@pytest.fixture
def plan() -> Plan:
    """Return the small shop's plan."""
    return load_graph(f"{SHOP}:shop").compile()


def history(users: int, each: int, seed: int = 1) -> list[dict[str, Any]]:
    """Return EACH purchases and views of so many USERS, out of order."""
    rng = Random(seed)
    events = []
    for number in range(users * each):
        event = {"user_id": f"u{number % users}", "ts_ms": rng.randrange(10**9), "item_id": f"i{number % 7}"}
        if number % 2:
            event |= {"event": "view", "attrs": {"category": rng.choice(["tea", "mugs", None])}}
        else:
            event |= {
                "event": "purchase",
                "attrs": {"quantity": rng.choice([1, 2, "many", 3.0]), "unit_price": "2.5"},
            }
        events.append(event)
    return events


def questions(users: int, count: int) -> list[dict[str, Any]]:
    """Return so many queries, some of users without events, in no order."""
    rng = Random(2)
    return [
        {
            "user_id": f"u{rng.randrange(users + 3)}",
            "ts_ms": rng.randrange(2 * 10**9),
            "budget": 1.5,
            "category": ["tea"],
        }
        for _ in range(count)
    ]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return files of events and of queries."""
    events, queries = tmp_path / "events.jsonl", tmp_path / "queries.parquet"
    events.write_text("".join(json.dumps(event) + "\n" for event in history(30, 20)))
    pq.write_table(pa.Table.from_pylist(questions(30, 200)), queries)
    return events, queries


@pytest.mark.parametrize(
    ("engine", "budget"),
    [("device", None), ("local", None), ("local", Budget(2, None, least=8, whole=0))],
    ids=["device in processes", "local in threads", "local in processes"],
)
def test_workers_change_no_value(
    engine: str, budget: Budget | None, plan: Plan, files: tuple[Path, Path], tmp_path: Path
) -> None:
    """Two of them write the file that one writes, report and all but the time, and leave nothing else."""
    folder = tmp_path / "out"
    folder.mkdir()
    one, two = folder / "one.parquet", folder / "two.parquet"
    told = [replay(plan, *files, out=one, engine=engine)]
    with budgeted(budget) if budget else nullcontext():
        told.append(replay(plan, *files, out=two, workers=2, engine=engine))
    assert pq.read_table(two).equals(pq.read_table(one), check_metadata=True)
    assert pq.read_table(one).column("user_id").to_pylist() == [q["user_id"] for q in questions(30, 200)]
    reports = [{n: getattr(report, n) for n in report.__slots__ if n != "seconds"} for report in told]
    assert reports[0] == reports[1]
    assert reports[0]["unparsable"].keys() == {"purchase.quantity"}
    assert sorted(folder.iterdir()) == [one, two]


def test_several_plans_go_by_buckets_too(plan: Plan, files: tuple[Path, Path]) -> None:
    """Their features are named as in one piece."""
    other = load_graph(str(SHOP.with_name("shop_next.py"))).compile()
    whole = replay([plan, other], *files)
    with budgeted(Budget(1, 5_000, 1_000, 4, whole=0)):
        assert replay([plan, other], *files).equals(whole, check_metadata=True)


@pytest.mark.parametrize(("users", "each"), [(1, 3_000), (3_000, 1)])
def test_one_key_with_many_events_and_many_keys_with_one(plan: Plan, users: int, each: int) -> None:
    """A key is never split, and a bucket holds any number of them."""
    events, asked = history(users, each), questions(users, 50)
    whole = replay(plan, events, asked)
    with budgeted(Budget(1, 20_000, 5_000, 16, whole=0)):
        assert replay(plan, events, asked).equals(whole)


def test_no_queries_and_queries_before_all_events(plan: Plan) -> None:
    """An empty table has its columns; who asks before all events is told of none."""
    events = history(5, 10)
    early = [{"user_id": "u1", "ts_ms": -1, "budget": 1.0, "category": ["tea"]}]
    with budgeted(Budget(1, 1_000, 1_000, 4, whole=0)):
        nothing, before = replay(plan, events, []), replay(plan, events, early)
    assert nothing.num_rows == 0
    assert nothing.schema.equals(replay(plan, events, []).schema)
    assert before.equals(replay(plan, [], early))
