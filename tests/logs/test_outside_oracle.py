"""A second oracle, from outside: features written again in DuckDB's SQL, over real logs, equal cell by cell.

Our reference and our executors share one reading of the contract; SQL shares none of it with them. The public
slice runs wherever duckdb is installed, the whole logs where HEADRACE_DATA names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from stream import replay

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
duckdb = pytest.importorskip("duckdb", reason="the extra bench is not installed")

DAY = 86_400_000  # ms
EACH = 500  # events, of which one is asked at, and a while later

Rows = Iterator[tuple[int, Any]]  # the number of a query, and the value there


class _Line(fg.Event):
    session_id = fg.identifier()
    item_id = fg.identifier()
    quantity = fg.int64()
    unit_price = fg.decimal(3)
    country = fg.category()


class Purchase(_Line, name="purchase"):
    """One line of an invoice."""


class Cancel(_Line, name="cancel"):
    """One line of a cancelled invoice."""


class GiftShop:
    """Counts, sums, distinct, ends, orders and lists of invoice lines."""

    _lines, _both = fg.rows(Purchase), fg.rows(Purchase, Cancel)
    _month, _quarter = _lines.over("30d"), _lines.over("90d")
    _value = Purchase.unit_price * Purchase.quantity

    lines_30d = _month.count()
    bulk = _lines.where(Purchase.quantity > 11).count()
    quantity_90d = _quarter.sum(Purchase.quantity)
    spend = _lines.sum(_value)
    returned_before = fg.rows(Cancel).over("30d").offset("30d").sum(Cancel.quantity)
    price_mean = _lines.mean(Purchase.unit_price)
    price_high_30d = _month.max(Purchase.unit_price)
    quantity_median = _lines.quantile(Purchase.quantity, 0.5)
    invoices = _lines.distinct(Purchase.session_id)
    items_30d = _month.distinct(Purchase.item_id)
    first_country = _lines.first(Purchase.country)
    last_item = _both.last(Purchase.item_id)
    value_of_five = _lines.last(5).sum(_value)
    idle = _lines.since_last()
    favourites = _lines.topk(Purchase.item_id, 5)
    dearest = _month.group_by(Purchase.item_id).sum(_value).top(3)
    history = _lines.sequence(20, {"item": Purchase.item_id, "n": Purchase.quantity})
    latest = _both.sequence(10, {"item": Purchase.item_id}, distinct=Purchase.item_id)


class _Act(fg.Event):
    item_id = fg.identifier()
    cate = fg.category()
    brand = fg.category()
    model_id = fg.int64()


class Click(_Act, name="click"):
    """A click."""


class View(_Act, name="view"):
    """A product page."""


class CartAdd(_Act, name="cart_add"):
    """Into the cart."""


class CartRemove(_Act, name="cart_remove"):
    """Out of the cart."""


class Favorite(_Act, name="favorite"):
    """A product that was marked."""


class Order(_Act, name="order"):
    """A purchase."""


class App:
    """Features of an app's events, some of which lack attributes."""

    _acts = fg.rows(Click, View, CartAdd, CartRemove, Favorite, Order)
    _clicks, _looks, _week = fg.rows(Click), fg.rows(Click, View), _acts.over("7d")

    acts_1d = _acts.over("1d").count()
    known = _clicks.count(Click.model_id)
    model_sum_28d = _clicks.over("28d").sum(Click.model_id)
    model_mean = _clicks.mean(Click.model_id)
    model_low_7d = _clicks.over("7d").min(Click.model_id)
    model_p90 = _clicks.quantile(Click.model_id, 0.9)
    brands = _acts.distinct(Click.brand)
    last_cate = _acts.last(Click.cate)
    idle = _acts.since_last()
    top_cates_7d = _week.topk(Click.cate, 3)
    top_kinds = _acts.group_by(fg.event_name()).count().top(2)
    viewed = _looks.sequence(20, {"item": View.item_id, "kind": fg.event_name()})
    seen = _looks.sequence(20, {"item": View.item_id}, distinct=View.item_id)


@dataclass(frozen=True, slots=True)
class Said:
    """A feature in SQL: an aggregate over k, the visible events of query n at t, in order of pos.

    where: rows that it is over. grouped: what it groups by first; then x is that, v the aggregate, latest
    the last pos, and the k groups with the largest v are the value. empty: the value of a query without rows.
    """

    value: str
    where: str = "true"
    empty: Any = None
    grouped: str | None = None
    k: int = 0

    def sql(self) -> str:
        """Return the statement that gives (n, value)."""
        if self.grouped is None:
            return f"SELECT n, {self.value} FROM k WHERE {self.where} GROUP BY n"  # noqa: S608 - of this file
        inner = (
            f"SELECT n, {self.grouped} AS x, {self.value} AS v, max(pos) AS latest FROM k"  # noqa: S608
            f" WHERE {self.where} AND {self.grouped} IS NOT NULL GROUP BY ALL"
        )
        return f"SELECT n, list(x ORDER BY v DESC, latest DESC)[1:{self.k}] FROM ({inner}) GROUP BY n"  # noqa: S608


def latest(x: str, n: int, where: str) -> Said:
    """Return the list of x in the N latest rows, oldest first."""
    return Said(f"list({x} ORDER BY pos)[-{n}:]", where, [])


def latest_distinct(x: str, n: int, where: str) -> Said:
    """Return the N values of x that were seen last, each once, in the order of their last rows."""
    return Said("max(pos)", where, [], grouped=x, k=n)


def last_by(x: str) -> str:
    """Return the aggregate that is x in the last row where it is known."""
    return f"arg_max({x}, pos) FILTER (WHERE {x} IS NOT NULL)"


def ranked(x: str, q: str) -> str:
    """Return the aggregate that is x at the nearest rank."""
    return f"list_sort(list({x}) FILTER (WHERE {x} IS NOT NULL))[ceil({q} * count({x}))::INT]"


def within(days: int, name: str | None = None) -> str:
    """Return the condition on the age of rows, and on their event's name."""
    of = f"event = '{name}' AND " if name else ""
    return f"{of}ts_ms >= t - {days * DAY}"


LINE, EITHER = "event = 'purchase'", "event IN ('purchase', 'cancel')"
ACT, LOOK = "event != 'rec_request'", "event IN ('click', 'view')"
GIFT_SHOP = {
    "lines_30d": Said("count(*)", within(30, "purchase"), 0),
    "bulk": Said("count(*)", f"{LINE} AND quantity > 11", 0),
    "quantity_90d": Said("sum(quantity)::BIGINT", within(90, "purchase"), 0),
    "spend": Said("sum(unit_price * quantity)", LINE, 0),
    "returned_before": Said(
        "sum(quantity)::BIGINT",
        f"event = 'cancel' AND ts_ms >= t - {60 * DAY} AND ts_ms < t - {30 * DAY}",
        0,
    ),
    # Whole thousandths over whole numbers: both exact as doubles, so that the quotient is rounded once.
    "price_mean": Said("sum((unit_price * 1000)::BIGINT)::DOUBLE / (1000 * count(unit_price))::DOUBLE", LINE),
    "price_high_30d": Said("max(unit_price)", within(30, "purchase")),
    "quantity_median": Said(ranked("quantity", "0.5"), LINE),
    "invoices": Said("count(DISTINCT session_id)", LINE, 0),
    "items_30d": Said("count(DISTINCT item_id)", within(30, "purchase"), 0),
    "first_country": Said("arg_min(country, pos)", LINE),
    "last_item": Said("arg_max(item_id, pos)", EITHER),
    "value_of_five": Said("list_sum(list(unit_price * quantity ORDER BY pos)[-5:])", LINE, 0),
    "idle": Said("any_value(t) - max(ts_ms)", LINE),
    "favourites": Said("count(*)", LINE, [], grouped="item_id", k=5),
    "dearest": Said("sum(unit_price * quantity)", within(30, "purchase"), [], grouped="item_id", k=3),
    "history.item": latest("item_id", 20, LINE),
    "history.n": latest("quantity", 20, LINE),
    "latest.item": latest_distinct("item_id", 10, EITHER),
}
APP = {
    "acts_1d": Said("count(*)", f"{ACT} AND {within(1)}", 0),
    "known": Said("count(model_id)", "event = 'click'", 0),
    "model_sum_28d": Said("coalesce(sum(model_id), 0)::BIGINT", within(28, "click"), 0),
    "model_mean": Said("sum(model_id)::DOUBLE / nullif(count(model_id), 0)::DOUBLE", "event = 'click'"),
    "model_low_7d": Said("min(model_id)", within(7, "click")),
    "model_p90": Said(ranked("model_id", "0.9"), "event = 'click'"),
    "brands": Said("count(DISTINCT brand)", ACT, 0),
    "last_cate": Said(last_by("cate"), ACT),
    "idle": Said("any_value(t) - max(ts_ms)", ACT),
    "top_cates_7d": Said("count(*)", f"{ACT} AND {within(7)}", [], grouped="cate", k=3),
    "top_kinds": Said("count(*)", ACT, [], grouped="event", k=2),
    "viewed.item": latest("item_id", 20, LOOK),
    "viewed.kind": latest("event", 20, LOOK),
    "seen.item": latest_distinct("item_id", 20, LOOK),
}
NEWEST_FIRST = ("latest.item", "seen.item")  # SQL ranks by the last row; a sequence stands oldest first


def of_slice(folder: Path) -> Any:
    """Return the packaged slice as a table of plain columns."""
    from headrace.retail.slice import load

    return pa.Table.from_pylist(list(load().events()))


def of_log(folder: Path) -> Any:
    """Return a log of the canonical schema as a table of plain columns."""
    return pq.read_table(folder / "events_canonical.parquet")


@dataclass(frozen=True, slots=True)
class Case:
    """One log: its events, the graph, and the same in SQL; how SQL finds the fields."""

    name: str
    read: Callable[[Path], Any]
    features: type
    said: Mapping[str, Said]
    fields: str


_SHOP = "quantity::BIGINT AS quantity, unit_price::DECIMAL(18, 3) AS unit_price, country"
_ATTRS = (
    "attrs['quantity']::BIGINT AS quantity, attrs['unit_price']::DECIMAL(18, 3) AS unit_price,"
    " attrs['country'] AS country"
)
_JD = "attrs['cate'] AS cate, attrs['brand'] AS brand, attrs['model_id']::BIGINT AS model_id"
CASES = [
    Case("slice", of_slice, GiftShop, GIFT_SHOP, _SHOP),
    pytest.param(Case("online_retail", of_log, GiftShop, GIFT_SHOP, _ATTRS), marks=pytest.mark.logs),
    pytest.param(Case("jd_openmldb", of_log, App, APP, _JD), marks=pytest.mark.logs),
]


def asked(table: Any) -> Any:
    """Return queries at every EACH-th event of TABLE, by turns at its time, a ms and half a day later."""
    places = pa.array(range(0, table.num_rows, EACH))
    at = [
        t + (0, 1, DAY // 2)[number % 3]
        for number, t in enumerate(table.column("ts_ms").take(places).to_pylist())
    ]
    return pa.table({"user_id": table.column("user_id").take(places), "ts_ms": pa.array(at, pa.int64())})


def oracle(case: Case, events: Any, queries: Any) -> dict[str, dict[int, Any]]:
    """Return by feature what DuckDB finds at the queries that have rows, by the query's number."""
    con = duckdb.connect(config={"threads": 1})
    con.register("given", events)
    con.register("asked", queries)
    seq = "seq" if "seq" in events.column_names else "file_row"
    con.execute(
        f"""CREATE TABLE e AS SELECT user_id, session_id, item_id, event, ts_ms, {case.fields},
            row_number() OVER (ORDER BY ts_ms, {seq}) AS pos
            FROM (SELECT *, row_number() OVER () AS file_row FROM given)"""  # noqa: S608 - of this file
    )
    con.execute(
        """CREATE TABLE k AS SELECT q.n, q.t, e.* FROM
            (SELECT row_number() OVER () - 1 AS n, user_id, ts_ms AS t FROM asked) q
            JOIN e ON e.user_id = q.user_id AND e.ts_ms < q.t"""
    )
    return {name: dict(con.execute(said.sql()).fetchall()) for name, said in case.said.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_sql_finds_what_replay_finds(case: Case, request: pytest.FixtureRequest) -> None:
    """Every cell of every feature is what DuckDB makes of the same events, and each says something."""
    log = Path() if case.name == "slice" else request.getfixturevalue("logs") / case.name
    events = case.read(log)
    queries = asked(events)
    found = replay(fg.Graph("case", case.features).compile(), events, queries, engine="local").drop_columns(
        queries.column_names
    )
    assert sorted(found.column_names) == sorted(case.said)
    expected = oracle(case, events, queries)
    for name, said in case.said.items():
        values = [expected[name].get(n, said.empty) for n in range(queries.num_rows)]
        if name in NEWEST_FIRST:
            values = [value[::-1] for value in values]
        assert found.column(name).to_pylist() == values, name
        assert sum(value != said.empty for value in values) > len(values) // 25, name
