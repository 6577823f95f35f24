"""Expressions as text: what people read in explain, why and errors."""

from __future__ import annotations

from decimal import Decimal

import pytest

import featuregraph as fg
from featuregraph.infix import MAX_PART, infix

pytestmark = pytest.mark.device


class Buy(fg.Event, name="buy"):
    """A purchase."""

    n = fg.int64()
    price = fg.decimal(2)
    weight = fg.float64()
    name = fg.string()
    at = fg.timestamp()
    gift = fg.boolean()


class Odd(fg.Event, name="odd event"):
    """An event with awkward names."""

    where = fg.int64()


ROWS = fg.rows(Buy)
N, PRICE, WEIGHT, NAME, GIFT = Buy.n, Buy.price, Buy.weight, Buy.name, Buy.gift

OF_ROWS = [
    ((N + 1) * 2, "(n + 1) * 2"),
    (N + 1 * N, "n + 1 * n"),
    (N - (N - N), "n - (n - n)"),
    (N - N - N, "n - n - n"),
    (N / (N * N), "n / (n * n)"),
    (-(N + 1), "-(n + 1)"),
    (-N * 2, "-n * 2"),
    (N - -1, "n - -1"),
    (N // 2 % 3, "n // 2 % 3"),
    ((N > 0) & (N < 5) | ~GIFT, "n > 0 and n < 5 or not gift"),
    (((N > 0) | GIFT) & GIFT, "(n > 0 or gift) and gift"),
    (GIFT & (GIFT & GIFT), "gift and gift and gift"),
    (~(GIFT | GIFT), "not (gift or gift)"),
    ((N > 0) == ~GIFT, "(n > 0) = (not gift)"),
    (N.is_null(), "n is null"),
    ((N + 1).is_null(), "n + 1 is null"),
    (NAME.is_in(["b", 'a"', "é"]), 'name in ("a\\"", "b", "é")'),
    (PRICE.clip(hi=Decimal("2.5")), "clip(price, hi=2.50)"),
    (PRICE.bucketize(["1", "2.25"]), "bucketize(price, edges=[1.00, 2.25])"),
    (NAME.hash(100), "hash(name, 100)"),
    (NAME.hash(100, seed=4), "hash(name, 100, seed=4)"),
    (N.cast(fg.float64) + 0.5, "cast(n, float64) + 0.5"),
    (fg.where(GIFT, N, fg.lit(None, "int64")), "where(gift, n, null)"),
    (fg.cross(NAME, fg.event_name()), "cross(name, event_name)"),
    (abs(N).log1p().sqrt(), "sqrt(log1p(abs(n)))"),
    (fg.age() + fg.ts_ms() + Buy.at, "age() + ts_ms + at"),
    (fg.where(GIFT, True, False), "where(gift, true, false)"),
    (N + fg.request("limit", "int64"), "n + request.limit"),
]
OF_QUERIES = [
    (ROWS.count(), "count() of buy"),
    (ROWS.over("7d").offset("1d").sum(N), "sum(n) over 7d offset 1d of buy"),
    (ROWS.where(N > 0).last(5).group_by(NAME).max(N), "max(n) of buy where n > 0 last 5 by name"),
    (ROWS.quantile(N, 0.5), "quantile(n, 0.5) of buy"),
    (ROWS.topk(NAME, 3), "topk(name, 3) of buy"),
    (ROWS.decayed_sum(N, "36h"), "decayed_sum(n, half_life=36h) of buy"),
    (
        ROWS.sequence(9, {"b": N, "a b": fg.age()}, distinct=NAME),
        "sequence(9, `a b`=age(), b=n, distinct=name) of buy",
    ),
    (ROWS.count() / ROWS.over("1h").count(), "(count() of buy) / (count() over 1h of buy)"),
    (ROWS.group_by(NAME).count().top(2), "top(count() of buy by name, 2)"),
    (
        ROWS.group_by(NAME).count().lookup(fg.candidate("name", "string")),
        "lookup(count() of buy by name, candidate.name)",
    ),
    (fg.rows(Odd, Buy).count(), "count() of buy or `odd event`"),
    (fg.rows(Odd).sum(Odd["where"]), "sum(`where`) of `odd event`"),
    (fg.now() - fg.hour_of_day("Asia/Tokyo"), "now() - hour_of_day(Asia/Tokyo)"),
    (fg.request("a.b c", "int64") + 1, "request.`a.b c` + 1"),
]


@pytest.mark.parametrize(("expr", "text"), [*OF_ROWS, *OF_QUERIES], ids=lambda value: str(value)[:40])
def test_text_says_what_the_expression_means(expr: fg.Expr, text: str) -> None:
    """Operators keep their order with as few parentheses as that needs; values stand in their type's form."""
    assert infix(expr.node) == text


def test_parts_may_be_written_by_name() -> None:
    """Another feature stands by its name; the node itself is written out even if it has one."""
    total, count = ROWS.sum(N), ROWS.count()
    names = {total.node: "total", (total / count).node: "mean"}
    assert infix((total / count).node, names) == "total / (count() of buy)"
    assert infix(total.node, names) == "sum(n) of buy"


def test_a_part_that_is_shared_again_and_again_is_named_by_its_id() -> None:
    """Text stays short where each level uses the one below twice: long parts are named, not repeated."""
    expr: fg.Expr = N
    for _ in range(100):
        expr = expr + expr
    text = infix(expr.node)
    assert len(text) < 3 * MAX_PART
    assert text.startswith("#")
