"""A feature list that others wrote for SQL, OpenMLDB's over JD's tables: windows of three keys, three tables.

ours       the graphs of examples/graphs/openmldb.py, three plans at once
in_duckdb  the same list in one statement: rows are ranked once per key, newest first, so that windows bounded
           by time and by rows are conditions on age and rank; frequent values are counted, then ranked
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from stream.bench.replay.task import EVENTS, QUERIES, read_table

GRAPHS = ("user", "item", "pair")
TABLES = ("member", "product", "comment")
DAY = 86_400_000  # ms


def ours(folder: Path, share: int) -> Callable[[], Any]:
    """Return a call from tables in memory to a table in memory."""
    from featuregraph import Graph
    from stream.backfill import replay

    plans = [
        Graph.from_json((folder / f"{name}.json").read_text(encoding="utf-8")).compile() for name in GRAPHS
    ]
    events, queries = read_table(folder / EVENTS), read_table(folder / QUERIES)
    tables = {name: read_table(folder / f"{name}.arrow") for name in TABLES}
    return lambda: replay(plans, events, queries, tables=tables, engine="local")


def in_duckdb(folder: Path, share: int) -> Callable[[], Any]:
    """Return a call from tables of a database in memory to a table in memory."""
    import duckdb

    con = duckdb.connect(config={"threads": 1})
    files = {"events": EVENTS, "queries": QUERIES} | {name: f"{name}.arrow" for name in TABLES}
    for name, file in files.items():
        con.register("given", read_table(folder / file))
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")  # noqa: S608 - of this file
        con.unregister("given")
    return lambda: con.sql(statement()).to_arrow_table()


class _Top(NamedTuple):
    """The three most frequent values of x, of equals the latest first; or all with their counts."""

    name: str
    rows: str
    x: str
    where: str
    is_map: bool = False

    def sql(self) -> str:
        value = "list(x ORDER BY c DESC, latest DESC)[1:3]"
        if self.is_map:
            value = "map_from_entries(list((x, c) ORDER BY x))"
        return (
            f'"{self.name}" AS (SELECT n, {value} AS v FROM (SELECT n, {self.x} AS x, count(*) AS c,'  # noqa: S608
            f" max(pos) AS latest FROM {self.rows} WHERE {self.where} AND {self.x} IS NOT NULL"
            f" GROUP BY n, {self.x}) GROUP BY n)"
        )


def _within(days: float, most: int, rank: str = "rank") -> str:
    return f"ts_ms > t - {round(days * DAY)} AND {rank} <= {most}"


_USER = {
    "user.items": ("count(DISTINCT item_id) FILTER (rank <= 11)", 0),
    "user.requests_of_item": ("count(*) FILTER (rank <= 11 AND item_id = item)", 0),
    "user.items_14d": (f"count(DISTINCT item_id) FILTER ({_within(14, 200)})", 0),
}
_ITEM = {
    "item.bad_rate_high": (f"max(bad_comment_rate) FILTER ({_within(64, 100)})", None),
    "item.bad_rate_low": (f"min(bad_comment_rate) FILTER ({_within(64, 100)})", None),
    "item.comment_nums": (f"count(DISTINCT comment_num) FILTER ({_within(64, 100)})", 0),
    "item.bad_kinds": (f"count(DISTINCT has_bad_comment) FILTER ({_within(64, 100)})", 0),
    "item.bad_rate_low_of_ten": ("min(bad_comment_rate) FILTER (rank <= 10)", None),
    **{
        f"item.{name}": (f"any_value({name}) FILTER (rank = 1)", None)
        for name in ("comment_num", "has_bad_comment", "bad_comment_rate")
    },
}
_PAIR = {
    "pair.models_7d": (f"count(DISTINCT model_id) FILTER (is_click AND {_within(7, 100, 'click_rank')})", 0),
    "pair.models_14d": (
        f"count(DISTINCT model_id) FILTER (is_click AND {_within(14, 100, 'click_rank')})",
        0,
    ),
    "pair.kinds_14d": (f"count(DISTINCT event) FILTER ({_within(14, 100)})", 0),
}
_TOPS = (
    _Top("user.requests_by_item", "by_user", "item_id", "rank <= 11", is_map=True),
    _Top("user.requests_by_item_14d", "by_user", "item_id", _within(14, 200), is_map=True),
    _Top("item.top_bad_kinds", "by_item", "has_bad_comment", _within(64, 100)),
    _Top("item.top_comment_nums", "by_item", "comment_num", _within(64, 100)),
    _Top("pair.top_brands_10h", "by_pair", "brand", _within(10 / 24, 100)),
    _Top("pair.top_cates_10h", "by_pair", "cate", _within(10 / 24, 100)),
    _Top("pair.top_models_7d", "by_pair", "model_id", f"is_click AND {_within(7, 100, 'click_rank')}"),
    _Top("pair.top_kinds_7d", "by_pair", "event", _within(7, 100)),
    _Top("pair.top_kinds_14d", "by_pair", "event", _within(14, 100)),
)
# The query's day in Shanghai, which has no summer time; 1970-01-01 was a Thursday.
_WEEKDAY = f"((queries.ts_ms + {8 * DAY // 24}) // {DAY} + 3) % 7"


def statement() -> str:
    """Return the one statement that gives all features, a row a query, by n."""
    with_ = ", ".join([_RANKED, *_aggregated(), *(top.sql() for top in _TOPS)])
    joins = " ".join(f'LEFT JOIN "{name}" USING (n)' for name in ("u", "i", "p", *(t.name for t in _TOPS)))
    return f"""WITH {with_} SELECT q.n, {", ".join(_selected())}
        FROM q JOIN queries ON queries.rowid = q.n {joins}
        LEFT JOIN member ON member.key = q.user LEFT JOIN product ON product.key = q.item
        ORDER BY q.n"""  # noqa: S608 - of this file


_RANKED = """
    q AS (SELECT rowid::INT AS n, user_id AS user, item_id AS item, ts_ms AS t FROM queries),
    e AS (SELECT *, row_number() OVER (ORDER BY ts_ms, seq, rowid) AS pos FROM events),
    by_user AS (SELECT n, t, item, e.*, row_number() OVER (PARTITION BY n ORDER BY pos DESC) AS rank
        FROM q JOIN e ON e.user_id = q.user AND e.ts_ms <= t WHERE event = 'rec_request'),
    by_item AS (SELECT n, t, e.*, row_number() OVER (PARTITION BY n ORDER BY pos DESC) AS rank
        FROM q JOIN e ON e.item_id = q.item AND e.ts_ms <= t WHERE event = 'comment_count'),
    by_pair AS (SELECT n, t, e.*, event = 'click' AS is_click,
        row_number() OVER (PARTITION BY n ORDER BY pos DESC) AS rank,
        row_number() OVER (PARTITION BY n, event = 'click' ORDER BY pos DESC) AS click_rank
        FROM q JOIN e ON e.user_id = q.user AND e.item_id = q.item AND e.ts_ms <= t
        WHERE event NOT IN ('rec_request', 'comment_count'))"""


def _aggregated() -> Iterator[str]:
    for name, rows, features in (("u", "by_user", _USER), ("i", "by_item", _ITEM), ("p", "by_pair", _PAIR)):
        values = ", ".join(f'{said} AS "{feature}"' for feature, (said, _) in features.items())
        yield f"{name} AS (SELECT n, {values} FROM {rows} GROUP BY n)"  # noqa: S608 - of this file


def _selected() -> Iterator[str]:
    for feature, (_, empty) in (_USER | _ITEM | _PAIR).items():
        yield f'"{feature}"' if empty is None else f'coalesce("{feature}", {empty}) AS "{feature}"'
    for top in _TOPS:
        yield f'coalesce("{top.name}".v, {"MAP {}" if top.is_map else "[]"}) AS "{top.name}"'
    yield f'{_WEEKDAY} AS "user.weekday", {_WEEKDAY} < 5 AS "user.is_workday"'
    yield from (f'member.{name} AS "user.{name}"' for name in ("age", "sex", "level"))
    yield from (f'product.{name} AS "item.{name}"' for name in ("a1", "a2", "a3", "brand", "cate"))
