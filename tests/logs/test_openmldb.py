"""The feature list that OpenMLDB's demo computes over JD's tables: three keys, three tables, one request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from featuregraph.sources import load_graph
from stream import replay

pa = pytest.importorskip("pyarrow")
pc = pytest.importorskip("pyarrow.compute")
pq = pytest.importorskip("pyarrow.parquet")

pytestmark = [pytest.mark.logs, pytest.mark.checkout]

GRAPHS = Path(__file__).parents[2] / "examples/graphs/openmldb.py"
EACH = 400  # requests, of which one is asked for


@pytest.fixture(scope="module")
def source(logs: Path) -> dict[str, Any]:
    """Return the log's tables by name, as they were published."""
    names = ("events_canonical", "bo_comment", "bo_product", "bo_user", "flattenRequest_clean")
    return {name: pq.read_table(logs / "jd_openmldb" / f"{name}.parquet") for name in names}


def queries_of(source: dict[str, Any]) -> Any:
    """Return every EACH-th request as a query."""
    requests = source["flattenRequest_clean"]
    asked = pa.table(
        {"user_id": requests["user_id"], "item_id": requests["sku_id"], "ts_ms": requests["time"]}
    )
    return asked.take(pa.array(range(0, asked.num_rows, EACH)))


def events_of(source: dict[str, Any], queries: Any) -> Any:
    """Return the events, and the states of comments as events, of what QUERIES ask about."""
    comment = source["bo_comment"]
    states = pa.table(
        {
            "event": pa.array(["comment_count"] * comment.num_rows),
            "item_id": comment["sku_id"],
            "ts_ms": comment["dt"],
            "comment_num": comment["comment_num"].cast(pa.int64()),
            "has_bad_comment": comment["has_bad_comment"],
            "bad_comment_rate": comment["bad_comment_rate"].cast(pa.float64()),
        }
    )
    every = pa.concat_tables([source["events_canonical"], states], promote_options="default")
    users = pc.is_in(every["user_id"], queries["user_id"].combine_chunks())
    return every.filter(pc.or_(users, pc.is_in(every["item_id"], queries["item_id"].combine_chunks())))


def tables_of(source: dict[str, Any]) -> dict[str, Any]:
    """Return the tables that the graphs look up in."""
    user, product, comment = source["bo_user"], source["bo_product"], source["bo_comment"]
    kinds = ("a1", "a2", "a3", "cate")
    return {
        "member": pa.table(
            {"key": user["user_id"], "age": user["age"], "sex": user["sex"], "level": user["user_lv_cd"]}
        ),
        "product": pa.table(
            {"key": product["sku_id"], "brand": product["br"], **{kind: product[kind] for kind in kinds}}
        ),
        "comment": pa.table(
            {
                "key": comment["sku_id"],
                "ts_ms": comment["dt"],
                "comment_num": comment["comment_num"].cast(pa.int64()),
                "has_bad_comment": comment["has_bad_comment"],
                "bad_comment_rate": comment["bad_comment_rate"].cast(pa.float64()),
            }
        ),
    }


def test_columns_give_what_the_reference_gives(source: dict[str, Any]) -> None:
    """At real requests all three graphs together have equal cells, and every feature says something."""
    plans = [load_graph(f"{GRAPHS}:{name}").compile() for name in ("user", "item", "pair")]
    queries = queries_of(source)
    given = (plans, events_of(source, queries), queries)
    tables = tables_of(source)
    found, expected = (replay(*given, tables=tables, engine=engine) for engine in ("local", "reference"))
    assert found.equals(expected)
    features = [f"{plan.graph.name}.{name}" for plan in plans for name in plan.graph.features]
    assert found.num_rows == 35
    assert len(features) == 33
    for name in features:
        told = [value for value in found.column(name).to_pylist() if value not in (None, 0, [])]
        assert len(told) > found.num_rows // 4, name


def test_sql_finds_what_columns_give(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list as it was written for SQL, in DuckDB's, gives every cell of every feature."""
    pytest.importorskip("duckdb", reason="the extra bench is not installed")
    from headrace.bench.replay.compare import Equality
    from headrace.bench.replay.logs import LOGS
    from stream.bench.replay import jd
    from stream.bench.replay.task import QUERIES, read_table, write_table

    monkeypatch.setenv("HEADRACE_DATA", str(logs))
    LOGS["jd"].write(tmp_path, 1, 1)
    queries = read_table(tmp_path / QUERIES)
    write_table(queries.take(pa.array(range(0, queries.num_rows, EACH))), tmp_path / QUERIES)
    found, ours, equality = jd.in_duckdb(tmp_path, 1)(), jd.ours(tmp_path, 1)(), Equality()
    features = found.column_names[1:]
    assert sorted(features) == sorted(ours.column_names[3:])
    equality.compare("duckdb", "jd", found, ours, features)
    assert equality.holds, equality.differences
    assert equality.cells == {"duckdb": 33 * 35}
