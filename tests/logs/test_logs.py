"""Real behaviour logs: every executor gives what the reference gives, cell by cell.

Each log has what made-up ones lack: ties in most milliseconds, skewed users, missing attributes, odd texts.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from featuregraph.sources import load_graph
from stream.backfill.check import verify

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

pytestmark = [pytest.mark.logs, pytest.mark.checkout]

GRAPHS = Path(__file__).parents[2] / "examples/graphs"
MODES = ("naive", "fused", "cached", "incremental", "auto")
EXECUTORS = {*(f"device-{mode}" for mode in MODES), "local"}
DAY = 86_400_000  # ms
MOST_EVENTS = 1_500  # of a sampled user: the reference is brute force

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Log:
    """One log: its graph, how much of it a test asks about, and what stands in its queries."""

    folder: str
    graph: str
    users: int
    told: int  # values that are not empty or default, at least
    given: Callable[[random.Random, Row, list[str]], Row]


def _jd(rng: random.Random, event: Row, items: list[str]) -> Row:
    count = rng.randrange(4)
    brands = [rng.choice([dict(event["attrs"] or {}).get("brand"), "489", None]) for _ in range(count)]
    return {
        "page_cate": rng.choice(["4", "5", "8", None]),
        "item_id": [rng.choice([event["item_id"], rng.choice(items)]) for _ in range(count)],
        "cate": [rng.choice(["4", "5", "6", "8", None]) for _ in range(count)],
        "brand": brands,
    }


def _retail(rng: random.Random, event: Row, items: list[str]) -> Row:
    count = rng.randrange(5)
    return {
        "budget": rng.choice([250.0, 0.0, None, 99.99]),
        "item_id": [rng.choice([event["item_id"], rng.choice(items)]) for _ in range(count)],
        "price": [rng.choice(["2.95", "0.125", None, "free", "1e2"]) for _ in range(count)],
    }


def _bandit(rng: random.Random, event: Row, items: list[str]) -> Row:
    count = rng.randrange(4)
    return {
        "page": rng.choice(["men", "women", None]),
        "position": rng.choice([1, 2, 3, None]),
        "item_id": [rng.choice([event["item_id"], rng.choice(items)]) for _ in range(count)],
        "score": [rng.choice([0.25, -1.5, None]) for _ in range(count)],
    }


LOGS = [
    Log("jd_openmldb", "jd.py:jd", users=150, told=8_000, given=_jd),
    Log("online_retail", "retail.py:shop", users=60, told=4_000, given=_retail),
    Log("open_bandit", "bandit.py:bandit", users=40, told=2_500, given=_bandit),
]


def sample(log: Log, table: Any, *, users: int, each: int = 4, seed: int = 1) -> tuple[Any, list[Row]]:
    """Return the events of some users of TABLE, and queries about them: at, beside and far from events."""
    rng = random.Random(seed)
    by_user: dict[str, list[int]] = {}
    for place, user in enumerate(table.column("user_id").to_pylist()):
        by_user.setdefault(user, []).append(place)
    able = [user for user, places in sorted(by_user.items()) if len(places) <= MOST_EVENTS]
    rare = _rarest_event(table)
    able_and_rare = sorted({user for user in rare if len(by_user[user]) <= MOST_EVENTS})
    chosen = rng.sample(able_and_rare, min(users // 5, len(able_and_rare)))
    others = [user for user in able if user not in chosen]
    chosen += rng.sample(others, min(users - len(chosen), len(others)))
    items = sorted(set(table.column("item_id").slice(0, 5_000).to_pylist()))
    queries = []
    for user in chosen:
        for place in (*rng.choices(by_user[user], k=each), *rare.get(user, ())[:1]):
            (event,) = table.slice(place, 1).to_pylist()
            t = event["ts_ms"] + rng.choice([0, 1, 1, rng.randrange(DAY), rng.randrange(40 * DAY)])
            options = {"as_known": True, "history_start_ms": t - 5 * DAY} if rng.random() < 0.1 else {}
            queries.append({"key": user, "t": t, "request": log.given(rng, event, items), **options})
    places = sorted(place for user in chosen for place in by_user[user])
    return table.take(places), queries


def _rarest_event(table: Any) -> dict[str, list[int]]:
    """Return the places by user of the event that is seen least: a plain sample would miss it."""
    found: dict[str, dict[str, list[int]]] = {}
    names, users = table.column("event").to_pylist(), table.column("user_id").to_pylist()
    for place, (name, user) in enumerate(zip(names, users, strict=True)):
        found.setdefault(name, {}).setdefault(user, []).append(place)
    return min(found.values(), key=len)


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.folder)
def test_every_executor_gives_what_the_reference_gives(log: Log, logs: Path) -> None:
    """Over a real log and 25 features or more, every cell is equal, and many are not empty or default."""
    plan = load_graph(str(GRAPHS / log.graph)).compile()
    assert len(plan.features) >= 25
    table = pq.read_table(logs / log.folder / "events_canonical.parquet")
    events, queries = sample(log, table, users=log.users)
    found, _ = verify(plan, events, queries)
    assert [tally for tally in found.features.values() if tally.first] == []
    assert {name for name, tally in found.executors.items() if tally.cells} == EXECUTORS
    assert found.equal == found.cells == len(EXECUTORS) * len(plan.features) * len(queries)
    assert found.telling >= log.told
    silent = {name for name, tally in found.features.items() if not tally.telling}
    assert silent == set(), "a feature that never says anything proves nothing"
