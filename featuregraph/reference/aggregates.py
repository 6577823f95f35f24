"""SEMANTICS section 4, the table: what each aggregate makes of the rows kept.

Each function takes the values of x that are not null with their rows, in total order (`Seen`); `SHAPES`
names them all. The column "on empty" of the table is what a function gives for no rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from featuregraph.ir import Node, looks_ahead
from featuregraph.reference.events import Row
from featuregraph.reference.exact import exact, int64, nearest, order
from featuregraph.scalar.transcendental import exp2
from featuregraph.types import Type

Seen = Sequence[tuple[Row, object]]
# Halved more often than this, no float64 is left of a term of decayed_sum.
MAX_HALVINGS = 2_200


def count(node: Node, seen: Seen, t: int) -> int:
    """Give the number of rows, or of rows with x not null."""
    return len(seen)


def sum_(node: Node, seen: Seen, t: int) -> object:
    """Give the exact sum; of float64 the exact sum of the doubles, rounded once to nearest even."""
    if _x_type(node).kind == "float64":
        return nearest(sum(_numbers(node, seen), Fraction(0)))
    return int64(sum(x for _, x in seen if isinstance(x, int)))


def mean(node: Node, seen: Seen, t: int) -> float | None:
    """Give the exact rational mean, rounded once."""
    numbers = _numbers(node, seen)
    return nearest(sum(numbers, Fraction(0)) / len(numbers)) if numbers else None


def var(node: Node, seen: Seen, t: int) -> float | None:
    """Give the population variance as an exact rational, rounded once."""
    numbers = _numbers(node, seen)
    if not numbers:
        return None
    middle = sum(numbers, Fraction(0)) / len(numbers)
    return nearest(sum(((x - middle) ** 2 for x in numbers), Fraction(0)) / len(numbers))


def std(node: Node, seen: Seen, t: int) -> float | None:
    """Give the IEEE square root of var."""
    square = var(node, seen, t)
    return None if square is None else math.sqrt(square)


def min_(node: Node, seen: Seen, t: int) -> object:
    """Give the smallest x: strings by UTF-8 bytes, false < true."""
    return min((x for _, x in seen), key=order, default=None)


def max_(node: Node, seen: Seen, t: int) -> object:
    """Give the largest x."""
    return max((x for _, x in seen), key=order, default=None)


def first(node: Node, seen: Seen, t: int) -> object:
    """Give x of the earliest row by total order."""
    return seen[0][1] if seen else None


def last(node: Node, seen: Seen, t: int) -> object:
    """Give x of the latest row by total order."""
    return seen[-1][1] if seen else None


def distinct(node: Node, seen: Seen, t: int) -> int:
    """Give the exact number of distinct values."""
    return len({x for _, x in seen})


def topk(node: Node, seen: Seen, t: int) -> list[object]:
    """Give at most k values: by count descending, ties by latest occurrence first."""
    values = [x for _, x in seen]
    latest = {x: place for place, x in enumerate(values)}
    counts = Counter(values)
    return sorted(latest, key=lambda x: (counts[x], latest[x]), reverse=True)[: node["k"]]


def quantile(node: Node, seen: Seen, t: int) -> object:
    """Give the nearest rank sorted[ceil(q * n) - 1], q exactly the decimal it is written as."""
    values = sorted((x for _, x in seen), key=order)
    return values[math.ceil(Fraction(node["q"]) * len(values)) - 1] if values else None


def since_last(node: Node, seen: Seen, t: int) -> int | None:
    """Give t minus ts_ms of the latest row."""
    return int64(_distance(node, seen[-1][0], t)) if seen else None


def since_first(node: Node, seen: Seen, t: int) -> int | None:
    """Give t minus ts_ms of the earliest row."""
    return int64(_distance(node, seen[0][0], t)) if seen else None


def _distance(node: Node, row: Row, t: int) -> int:
    """Clause 9.1: ahead, ts_ms minus t."""
    return row.ts_ms - t if looks_ahead(node) else t - row.ts_ms


def decayed_sum(node: Node, seen: Seen, t: int) -> float:
    """Give the sum of x * 2^(-(t - ts) / half_life)."""
    total = Fraction(0)
    for (row, _), x in zip(seen, _numbers(node, seen), strict=True):
        halvings, rest = divmod(_distance(node, row, t), node["half_life"])
        if halvings <= MAX_HALVINGS:
            total += x * Fraction(exp2(-rest / node["half_life"])) / 2**halvings
    return nearest(total)


Shape = Callable[[Node, Seen, int], object]
SHAPES: Mapping[str, Shape] = {
    "count": count,
    "sum": sum_,
    "mean": mean,
    "var": var,
    "std": std,
    "min": min_,
    "max": max_,
    "first": first,
    "last": last,
    "distinct": distinct,
    "topk": topk,
    "quantile": quantile,
    "since_last": since_last,
    "since_first": since_first,
    "decayed_sum": decayed_sum,
}


def nearest_per_value(node: Node, seen: Seen) -> list[Row]:
    """Keep only the latest row per value of f, for sequence(distinct=f), ahead the earliest (9.1).

    SEEN has no null f.
    """
    nearest = {f: row for row, f in (reversed(seen) if looks_ahead(node) else seen)}
    return sorted(nearest.values(), key=lambda row: row.order)


def top(
    groups: Mapping[object, object], latest: Mapping[object, tuple[int, int, bytes]], k: int
) -> list[object]:
    """Clause 4.3: the k keys with the largest value, null values left out, ties by latest kept row first."""
    keys = [key for key, value in groups.items() if value is not None]
    return sorted(keys, key=lambda key: (order(groups[key]), latest[key]), reverse=True)[:k]


def _x_type(node: Node) -> Type:
    x = node.role("x")
    assert x is not None
    return x.scalar


def _numbers(node: Node, seen: Seen) -> list[Fraction]:
    """Return x of each row as the number it stands for: a decimal counts with its value (4.1)."""
    return [exact(_x_type(node), x) for _, x in seen if isinstance(x, (int, float))]
