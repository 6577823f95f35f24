"""What can be null: the promise that a dense input rests on, checked against the reference."""

from __future__ import annotations

from typing import Any

import pytest

import featuregraph as fg
from featuregraph.nullability import nullable

pytestmark = pytest.mark.device


class Row(fg.Event, name="row"):
    """A row with a field of each kind."""

    i = fg.int64()
    f = fg.float64()
    d = fg.decimal(2)
    s = fg.string()
    b = fg.boolean()


class Asked(fg.Request):
    """What a query brings."""

    i = fg.int64()


class Each(fg.Candidate):
    """What each candidate brings."""

    each = fg.int64()


R = fg.rows(Row)
N = R.count()
SPENT = R.sum(Row.d)

NEVER = {
    "count": N,
    "sum": R.sum(Row.f),
    "distinct": R.distinct(Row.s),
    "decayed": R.decayed_sum(Row.i, "1d"),
    "topk": R.topk(Row.s, 3),
    "sequence": R.sequence(3, {"i": Row.i}),
    "grouped": R.group_by(Row.s).max(Row.i),
    "lookup of count": R.group_by(Row.i).count().lookup(Each.each),
    "top": R.group_by(Row.s).count().top(2),
    "int arithmetic": N + N * 2 - 1,
    "decimal arithmetic": SPENT * 2 + SPENT,
    "comparison with null": Asked.i > 3,
    "is_null": Asked.i.is_null(),
    "is_in": Asked.i.is_in([1]),
    "logic": (Asked.i > 3) & ~(Asked.i < 1) | (Asked.i == 2),
    "hash of null": Asked.i.hash(10),
    "fill": Asked.i.fill(0),
    "fill with a count": Asked.i.fill(N),
    "where": fg.where(Asked.i > 1, N, 2),
    "clip, abs, neg": (-abs(N)).clip(0, 5),
    "bucketize": N.bucketize([1, 2]),
    "share of a day": N / 24,
    "decimal by a literal": SPENT / 3,
    "float by a large literal": R.sum(Row.f) / 2.0,
    "floor by a literal": N // 7,
    "log1p of a count": N.log1p(),
    "sqrt of abs": abs(N).sqrt(),
    "hour": fg.hour_of_day("UTC"),
    "now": fg.now(),
    "cast int to float": N.cast("float64"),
    "cast to text": N.cast("string"),
    "cast decimal to int": SPENT.cast("int64"),
    "cross": fg.cross(N, SPENT),
}

PERHAPS = {
    "mean": R.mean(Row.i),
    "min": R.min(Row.i),
    "last": R.last(Row.s),
    "quantile": R.quantile(Row.i, 0.5),
    "since": R.since_last(),
    "request": Asked.i,
    "candidate": Each.each,
    "lookup of max": R.group_by(Row.i).max(Row.i).lookup(Each.each),
    "float sum": R.sum(Row.f) + 1.0,
    "float product": R.sum(Row.f) * 2,
    "division by a count": N / N,
    "division by zero": N / 0,
    "float by a small literal": R.sum(Row.f) / 0.5,
    "remainder of a count": N % N,
    "log of what may be negative": SPENT.log1p(),
    "root of what may be negative": (N - 5).sqrt(),
    "fill with a nullable": Asked.i.fill(R.min(Row.i)),
    "where with a nullable": fg.where(N > 1, N, Asked.i),
    "arithmetic on a nullable": N + Asked.i,
    "bucketize a nullable": Asked.i.bucketize([1]),
    "cast of text": N.cast("string").cast("int64"),
    "cast float to int": R.sum(Row.f).cast("int64"),
    "cast to more digits": N.cast("decimal(18)"),
    "cross with null": fg.cross(N, Asked.i),
}


@pytest.mark.parametrize("case", NEVER)
def test_what_is_never_null(case: str) -> None:
    """The expression is known to have a value."""
    assert not nullable(NEVER[case].node)


@pytest.mark.parametrize("case", PERHAPS)
def test_what_can_be_null(case: str) -> None:
    """The expression can be null for some log or request."""
    assert nullable(PERHAPS[case].node)


LOGS: tuple[list[dict[str, Any]], ...] = (
    [],
    [{"i": None, "f": None, "d": None, "s": None, "b": None}],
    [
        {"i": "-7", "f": "-2.5", "d": "-1.25", "s": "x", "b": "true"},
        {"i": "0", "f": "1e300", "d": "0", "s": "", "b": None},
    ],
)


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("i", [None, 0, -5, 2**62])
def test_the_reference_never_gives_null_where_none_is_promised(
    log: list[dict[str, Any]], i: int | None
) -> None:
    """On empty, null and awkward logs the reference agrees with every promise."""
    graph = fg.Graph("promises", NEVER)
    events = [
        {"event": "row", "user_id": "u", "ts_ms": 10 + n, "seq": 0, "attrs": row} for n, row in enumerate(log)
    ]
    (found,) = fg.reference.answer(
        graph, events, [{"key": "u", "t": 1_000, "request": {"i": i, "each": [i, 1]}}]
    )
    for name, value in found.values.items():
        assert value is not None, name
        assert not (isinstance(value, list) and NEVER[name].node.per_candidate and None in value), name
