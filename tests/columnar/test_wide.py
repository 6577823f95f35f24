"""One key with many events and as many queries of its lifetime is no work of events times queries."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.values import same
from stream.backfill.executors import executor
from stream.backfill.job import run
from stream.testing.wide import rows_spelled_out

pa = pytest.importorskip("pyarrow")

EVENTS = 4_000
VIEW: Any = fg.Event.of("view", {"item": fg.identifier(), "kind": fg.category(), "price": fg.float64()})
LIFETIME = fg.rows(VIEW)
HALF_YEAR = LIFETIME.over("26w")
KINDS = LIFETIME.group_by(VIEW.kind)
FEATURES: dict[str, Any] = {
    "topk": LIFETIME.topk(VIEW.item, 3),
    "topk_of_a_half_year": HALF_YEAR.topk(VIEW.item, 3),
    "quantile": LIFETIME.quantile(VIEW.price, 0.9),
    "quantile_of_a_half_year": HALF_YEAR.quantile(VIEW.price, 0.25),
    "latest": LIFETIME.sequence(5, {"item": VIEW.item}, distinct=VIEW.item),
    "latest_of_a_half_year": HALF_YEAR.sequence(5, {"item": VIEW.item}, distinct=VIEW.item),
    "map": KINDS.sum(VIEW.price),
    "distinct_by_kind": KINDS.distinct(VIEW.item),
    "top": KINDS.mean(VIEW.price).top(2),
    "decayed": LIFETIME.decayed_sum(VIEW.price, half_life="1d"),
}


@pytest.fixture(scope="module")
def log() -> tuple[Any, Any]:
    """Return events of one key, an hour or so apart, and a query at each."""
    rng = Random(5)
    ts, rows = 0, []
    for _ in range(EVENTS):
        ts += rng.randint(1, 7_200_000)
        rows.append(
            (ts, f"i{int(rng.paretovariate(0.4)) % 1500}", rng.choice("abc"), rng.randint(1, 10**6) / 100)
        )
    times, items, kinds, prices = zip(*rows, strict=True)
    events = {"user_id": ["u"] * EVENTS, "event": ["view"] * EVENTS, "ts_ms": times}
    events |= {"item": items, "kind": kinds, "price": prices}
    return pa.table(events), pa.table({"user_id": ["u"] * EVENTS, "ts_ms": [time + 1 for time in times]})


@pytest.mark.parametrize("name", FEATURES)
def test_lifetimes_are_no_product_of_rows_and_queries(name: str, log: tuple[Any, Any]) -> None:
    """The rows that are spelled out are a small multiple of rows; the values are the reference's."""
    events, queries = log
    plan = fg.Graph("g", {"x": FEATURES[name]}).compile()
    with rows_spelled_out() as counts:
        found: Any = run([plan], events, queries, executor("local", "auto"))[0]
    assert sum(counts) <= 12 * EVENTS
    some = queries.take(pa.array(range(0, EVENTS, EVENTS // 8)))
    expected: Any = run([plan], events, some, executor("reference", "auto"))[0]
    for given, wanted in zip(found.to_pylist()[:: EVENTS // 8], expected.to_pylist(), strict=True):
        if name == "decayed":
            assert given["x"] == pytest.approx(wanted["x"], rel=1e-12)
        else:
            assert same(given, wanted)
