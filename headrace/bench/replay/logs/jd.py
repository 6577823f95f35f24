"""An e-commerce app's log with its tables, and the feature list that OpenMLDB's demo has for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headrace.bench.replay.logs.log import DAY, Written, internal
from headrace.errors import UsageError

_GRAPHS = Path(__file__).parents[4] / "examples/graphs/openmldb.py"
_MILLION = 1_000_000


def jd(folder: Path, events: int, seed: int) -> Written:
    """Write JD's log once for each million EVENTS, as other users on other days; its tables; the graphs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from featuregraph.sources import load_graph
    from stream.bench.replay import jd as of_jd
    from stream.bench.replay import task as tasks

    source = internal("jd_openmldb")
    if not _GRAPHS.is_file():
        raise UsageError(f"expected a checkout with {_GRAPHS}, found none; leave jd out with --logs")
    names = ("bo_comment", "bo_product", "bo_user", "flattenRequest_clean")
    comment, product, user, asked = (pq.read_table(source / f"{name}.parquet") for name in names)
    times = max(1, events // _MILLION)
    log = pa.concat_tables([_repeated(_acts(source), times), _states(comment)], promote_options="default")
    queries = pa.table({"user_id": asked["user_id"], "item_id": asked["sku_id"], "ts_ms": asked["time"]})
    queries = _repeated(queries, times)
    member = pa.table(
        {"user_id": user["user_id"], "age": user["age"], "sex": user["sex"], "level": user["user_lv_cd"]}
    )
    kinds = {name: product[name] for name in ("a1", "a2", "a3", "cate")}
    tables = {
        tasks.EVENTS: log,
        tasks.QUERIES: queries,
        "member.arrow": _repeated(member, times).rename_columns({"user_id": "key"}),
        "product.arrow": pa.table({"key": product["sku_id"], "brand": product["br"], **kinds}),
        "comment.arrow": _states(comment).drop_columns("event").rename_columns({"item_id": "key"}),
    }
    for name, table in tables.items():
        tasks.write_table(table, folder / name)
    for name in of_jd.GRAPHS:
        graph = load_graph(f"{_GRAPHS}:{name}")
        (folder / f"{name}.json").write_text(graph.to_json(), encoding="utf-8")
    what = f"jd_openmldb x {times}: {log.num_rows:,} events, {queries.num_rows:,} queries, 33 features"
    return Written(
        f"{what} of 3 keys and 3 tables, as OpenMLDB's demo lists them", log.num_rows, queries.num_rows
    )


def _acts(source: Path) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(source / "events_canonical.parquet")
    attrs = {name: pc.map_lookup(table["attrs"], name, "first") for name in ("cate", "brand", "model_id")}
    attrs["model_id"] = attrs["model_id"].cast(pa.int64())
    return pa.table({name: table[name] for name in ("user_id", "item_id", "event", "ts_ms", "seq")} | attrs)


def _states(comment: Any) -> Any:
    """Return the weekly states of comments as events of their item."""
    import pyarrow as pa

    return pa.table(
        {
            "event": pa.array(["comment_count"] * comment.num_rows),
            "item_id": comment["sku_id"],
            "ts_ms": comment["dt"],
            "comment_num": comment["comment_num"].cast(pa.int64()),
            "has_bad_comment": comment["has_bad_comment"],
            "bad_comment_rate": comment["bad_comment_rate"].cast(pa.float64()),
        }
    )


def _repeated(table: Any, times: int) -> Any:
    """Return TABLE so many times, each time as other users and, if it has times, a day later."""
    import pyarrow as pa
    import pyarrow.compute as pc

    tables = []
    for number in range(times):
        names = pc.binary_join_element_wise(table["user_id"], pa.scalar(f"#{number}"), "")
        one = table.set_column(table.column_names.index("user_id"), "user_id", names)
        if "ts_ms" in table.column_names:
            later = pc.add(table["ts_ms"], number * DAY)
            one = one.set_column(table.column_names.index("ts_ms"), "ts_ms", later)
        tables.append(one)
    return pa.concat_tables(tables)
