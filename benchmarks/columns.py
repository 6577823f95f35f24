"""What an operator costs by column and by row, in one process.

    python benchmarks/columns.py [ROWS] [--only TEXT]

Each operator runs over columns of ROWS values (5 % null where it says so), and as the function that plans are
made of, row by row over the first of them; values must be equal. Times are processor time per value, the
best of five.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from featuregraph import build
from featuregraph.arrays import Column, Space, Words, calendar, listed
from featuregraph.codegen import Source
from featuregraph.ir import Node, Op
from featuregraph.types import BOOLEAN, FLOAT64, INT64, STRING, Type, decimal

ROUNDS = 5
BY_ROW = 10_000  # rows of the function, which is the same for each
WORDS = 5_000


def given(name: str, type: Type) -> Node:
    """Return an argument."""
    return build.given(Op.REQUEST, name, type)


N, M, HUGE = given("n", INT64), given("m", INT64), given("huge", INT64)
F, G, D = given("f", FLOAT64), given("g", FLOAT64), given("d", decimal(2))
B, C, S = given("b", BOOLEAN), given("c", BOOLEAN), given("s", STRING)


def inputs(rows: int) -> dict[Node, Column]:
    """Return the arguments' columns; n, f and s have nulls."""
    rng = np.random.default_rng(1)
    known = rng.random(rows) > 0.05
    small, huge = rng.integers(1, 10**4, rows), rng.integers(-(2**62), 2**62, rows)
    words = Words(f"item {number}" for number in range(WORDS))
    return {
        N: Column(rng.integers(0, 10**6, rows), known),
        M: Column(small),
        HUGE: Column(huge),
        F: Column(rng.normal(size=rows) * 100, known),
        G: Column(rng.uniform(0.1, 9, rows)),
        D: Column(rng.integers(0, 10**6, rows)),
        B: Column(rng.random(rows) < 0.5),
        C: Column(rng.random(rows) < 0.5),
        S: Column(rng.integers(0, WORDS, rows).astype(np.int32), known, words),
        build.NOW: Column(1_700_000_000_000 + rng.integers(0, 90 * 86_400_000, rows)),
    }


def cases() -> dict[str, Node]:
    """Return what is measured, by name."""
    op, lit = build.scalar, build.lit
    return {
        "int64 + int64": op(Op.ADD, [N, M]),
        "int64 + int64 that overflows": op(Op.ADD, [HUGE, HUGE]),
        "int64 * int64": op(Op.MUL, [N, M]),
        "int64 * int64 that overflows": op(Op.MUL, [HUGE, M]),
        "int64 // 86400000": op(Op.FLOORDIV, [N, lit(INT64, 86_400_000)]),
        "int64 % 7": op(Op.MOD, [N, lit(INT64, 7)]),
        "int64 / int64": op(Op.DIV, [N, M]),
        "decimal + int64": op(Op.ADD, [D, N]),
        "decimal / int64": op(Op.DIV, [D, M]),
        "float64 + float64": op(Op.ADD, [F, G]),
        "float64 / float64": op(Op.DIV, [F, G]),
        "float64 // float64": op(Op.FLOORDIV, [F, G]),
        "float64 % float64": op(Op.MOD, [F, G]),
        "log1p": op(Op.LOG1P, [G]),
        "sqrt": op(Op.SQRT, [G]),
        "clip": op(Op.CLIP, [F], lo=0, hi=9),
        "bucketize, 5 edges": op(Op.BUCKETIZE, [G], edges=[1, 2, 3, 5, 8]),
        "int64 < int64": op(Op.LT, [N, M]),
        "decimal < int64": op(Op.LT, [D, M]),
        "text == literal": op(Op.EQ, [S, lit(STRING, "item 7")]),
        "text < text": op(Op.LT, [S, S]),
        "boolean & boolean": op(Op.AND, [B, C]),
        "is_null": op(Op.IS_NULL, [F]),
        "is_in, int64": op(Op.IS_IN, [M], values=[1, 5, 7]),
        "is_in, text": op(Op.IS_IN, [S], values=["item 1", "item 5"]),
        "fill": op(Op.FILL, [F, lit(FLOAT64, 0.0)]),
        "fill, text": op(Op.FILL, [S, lit(STRING, "")]),
        "where": op(Op.WHERE, [B, F, G]),
        "cast float64 to int64": op(Op.CAST, [F], to="int64"),
        "cast float64 to decimal(2)": op(Op.CAST, [F], to="decimal(2)"),
        "cast decimal(2) to int64": op(Op.CAST, [D], to="int64"),
        "cast text to int64": op(Op.CAST, [S], to="int64"),
        "cast int64 to text": op(Op.CAST, [M], to="string"),
        "cross of text and boolean": op(Op.CROSS, [S, B]),
        "hash of text": op(Op.HASH, [S], buckets=1000),
        "hash of int64, all distinct": op(Op.HASH, [HUGE], buckets=1000),
        "hour_of_day, Berlin": build.calendar(Op.HOUR_OF_DAY, "Europe/Berlin"),
    }


def by_column(node: Node, columns: dict[Node, Column], rows: int) -> Column:
    """Return NODE over columns."""

    def leaf(inner: Node) -> Column | None:
        if inner.op is Op.HOUR_OF_DAY:
            return Column(calendar(inner, columns[build.NOW].values))
        return columns.get(inner)

    return Space(rows, leaf).column(node)


def seconds(run: Callable[[], Any]) -> float:
    """Return the processor time of RUN, the least of some."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        run()
        best = min(best, time.process_time() - began)
    return best


def main(rows: int, only: str) -> None:
    """Print a line per operator."""
    columns = inputs(rows)
    few = [listed(c.take(np.arange(min(rows, BY_ROW)))) for n, c in columns.items() if n is not build.NOW]
    few.append(listed(columns[build.NOW].take(np.arange(min(rows, BY_ROW)))))
    print(f"{'ns per value':30}{'by column':>12}{'by row':>10}{'ratio':>8}")
    for name, node in cases().items():
        if only not in name:
            continue
        source = Source({n: f"x{i}" for i, n in enumerate(columns) if n is not build.NOW})
        (text,) = source.add([node])
        function = source.function(", ".join([*(f"x{i}" for i in range(len(columns) - 1)), "t"]), text)
        found = by_column(node, columns, rows)
        by_row = list(map(function, *few))
        assert list(map(repr, listed(found)[:BY_ROW])) == list(map(repr, by_row)), name
        column_ns = seconds(lambda node=node: by_column(node, columns, rows)) / rows * 1e9  # type: ignore[misc]
        row_ns = seconds(lambda function=function: list(map(function, *few))) / len(by_row) * 1e9  # type: ignore[misc]
        print(f"{name:30}{column_ns:12.2f}{row_ns:10.0f}{row_ns / column_ns:8.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    main(asked.rows, asked.only)
