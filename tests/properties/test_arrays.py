"""Columns against the scalar kernels: same type, same bits, same nulls, same overflow, in every row."""

from __future__ import annotations

import struct
from importlib import resources
from itertools import pairwise, product
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from featuregraph import build
from featuregraph.arrays import KERNELS, Column, Space, Words, apply, calendar, column, exp2, listed
from featuregraph.codegen import Source
from featuregraph.convert import literal
from featuregraph.graph import Graph
from featuregraph.ir import Node, Op, toposort
from featuregraph.scalar import KERNELS as SCALAR
from featuregraph.scalar import OVERFLOW, kernel
from featuregraph.scalar import exp2 as exp2_of_one
from featuregraph.testing.graphs import ZONES, random_graph
from featuregraph.testing.values import World
from featuregraph.types import BOOLEAN, FLOAT64, INT64, INT64_MAX, INT64_MIN, STRING, Type, decimal

INTEGERS: tuple[int, ...] = (
    0,
    1,
    -1,
    2,
    3,
    7,
    -10,
    99,
    150,
    INT64_MAX,
    INT64_MIN,
    INT64_MIN + 1,
    INT64_MAX - 1,
    2**62,
    -(2**62),
)
INTEGERS += (2**53, 2**53 + 1, 2**53 + 3, -(2**53) - 1, 3_037_000_500, 10**18, 4 * 10**18 + 5, 10**15 + 5)
FLOATS: tuple[float, ...] = (
    0.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -1.5,
    0.1,
    0.2,
    0.3,
    3.0,
    -7.0,
    1e16,
    1e-9,
    -1.0,
    1e308,
    -1e308,
    5e-324,
)
FLOATS += (-5e-324, 2.2e-308, 1e-200, 2.0**63, -(2.0**63), 2.0**52 + 1, 2.0**53, 2.0**-76, 0.005, 0.125, 1e18)
TEXTS = (
    "",
    "a",
    "b",
    "A",
    "é",
    "\uffff",
    "\U0001f600",
    "1",
    "true",
    "-0.5",
    "12.345",
    "1e3",
    "a\x1fb",
    "b\x1f",
)


def value(rng: Random, type: Type) -> Any:
    """Return a random value of TYPE, null or OVERFLOW or an extreme one often enough."""
    if rng.random() < 0.1:
        return None
    if rng.random() < 0.05:
        return OVERFLOW
    if type.is_text:
        return rng.choice(TEXTS)
    if type is BOOLEAN:
        return rng.random() < 0.5
    if type is FLOAT64:
        found = rng.choice(
            (rng.choice(FLOATS), rng.uniform(-9, 9), rng.uniform(-1, 1) * 10.0 ** rng.randint(-300, 307))
        )
        return found + 0.0
    near = max(INT64_MIN, min(rng.choice(INTEGERS) + rng.randint(-2, 2), INT64_MAX))
    return rng.choice(
        (near, rng.randint(-999, 999), rng.randint(INT64_MIN, INT64_MAX), 5 * 10 ** rng.randint(0, 17))
    )


def values(rng: Random, type: Type, rows: int) -> list[Any]:
    """Return a column's values: any of them, or tame ones as fast paths ask for, with and without nulls."""
    kind = rng.random()
    if kind < 0.6:
        return [value(rng, type) for _ in range(rows)]
    found = [
        v
        if v is not None and v is not OVERFLOW
        else literal(type, "0" if type.is_text else type is not BOOLEAN and 0)
        for v in (value(rng, type) for _ in range(rows))
    ]
    if kind < 0.8 or type.kind in ("boolean", "float64") or type.is_text:
        return found
    return [v % 1000 for v in found]


def dirty(rng: Random, column: Column) -> Column:
    """Return COLUMN with anything where it is not known, and words that nobody uses."""
    array, words = column.values.copy(), column.words
    if column.words is not None:
        words = Words((*column.words, "unused"))
    if column.known is not None:
        noise = {"f": (np.nan, np.inf, -1e308), "i": (INT64_MIN, INT64_MAX, 0), "b": (True, False)}
        if words is not None:
            noise["i"] = (-1, 10**6)
        array[~column.known] = rng.choice(noise[array.dtype.kind])
    return Column(array, column.known, words, column.over)


def same(left: list[Any], right: list[Any]) -> bool:
    """Tell whether both are the same values of the same types, to the last bit."""
    return [(v.__class__, repr(v)) for v in left] == [(v.__class__, repr(v)) for v in right]


def operators(seed: int) -> list[Node]:
    """Return the scalar operators of a random graph."""
    rng = Random(seed)
    world = World(1_700_000_000_000, 60_000, huge=rng.random() < 0.5)
    graph = Graph.from_json(random_graph(rng, world, depth=5, literals=0.1))
    return [n for n in toposort(graph.features.values()) if n.op in SCALAR]


# ---------------------------------------------------------------- one operator


def check(node: Node, rng: Random, rows: int) -> None:
    """Hold NODE over random columns to its scalar kernel, some arguments one value for all rows."""
    args = [values(rng, arg.scalar, 1 if rng.random() < 0.2 else rows) for arg in node.args]
    columns = [dirty(rng, column(arg.scalar, v)) for arg, v in zip(node.args, args, strict=True)]
    length = rows if rows in map(len, args) else 1
    found = apply(node, columns).spread(length)
    one = kernel(node)
    wide = [v * length if len(v) == 1 else v for v in args]
    expected = [one(*row) for row in zip(*wide, strict=True)]
    assert same(listed(found), expected), f"{node} of {[a.type for a in node.args]}: {args}"
    hold(found, node.scalar)


def hold(found: Column, type: Type) -> None:
    """Hold FOUND to what a column promises."""
    assert found.values.dtype == column(type, []).values.dtype
    assert (found.words is None) is not type.is_text
    assert found.words is None or len(set(found.words)) == len(found.words)
    for mask in (found.known, found.over):
        assert mask is None or (mask.dtype == np.bool_ and mask.shape == found.values.shape)
    if found.over is not None:
        assert found.known is not None
        assert not (found.known & found.over).any()


@given(st.integers(0, 10**9))
def test_an_operator_over_columns_is_its_scalar_kernel_row_by_row(seed: int) -> None:
    """Every operator that random graphs hold, over extreme and tame values, nulls and overflow."""
    rng = Random(seed)
    for node in operators(seed):
        check(node, rng, rng.choice((0, 1, 2, 40)))


NUMBERS = (INT64, FLOAT64, decimal(0), decimal(2), decimal(18))


@pytest.mark.parametrize("op", [op for op in KERNELS if build.RULES[op][:2] == (2, 2) and op is not Op.CROSS])
def test_two_numbers(op: Op) -> None:
    """Every pair of extreme numbers of every pair of types."""
    rng = Random(3)
    for left in NUMBERS:
        for right in NUMBERS:
            decimals = "decimal" in (left.kind, right.kind)
            if (op is Op.MUL and left.scale + right.scale > 18) or (op in (Op.FLOORDIV, Op.MOD) and decimals):
                continue
            node = build.scalar(op, [build.given(Op.REQUEST, n, t) for n, t in (("a", left), ("b", right))])
            check(node, rng, 400)
            meet_at_the_ends(node)


def meet_at_the_ends(node: Node) -> None:
    """Hold NODE, of two numbers, to its scalar kernel over all pairs of extreme values."""
    sides = [sorted(FLOATS if arg.type is FLOAT64 else INTEGERS) for arg in node.args]
    left, right = zip(*product(*sides), strict=True)
    columns = [column(arg.scalar, side) for arg, side in zip(node.args, (left, right), strict=True)]
    assert same(listed(apply(node, columns)), list(map(kernel(node), left, right)))


@pytest.mark.parametrize("op", [Op.NEG, Op.ABS, Op.LOG1P, Op.SQRT])
def test_one_number(op: Op) -> None:
    """Every extreme number of every type."""
    for type in NUMBERS:
        node = build.scalar(op, [build.given(Op.REQUEST, "a", type)])
        extremes = sorted(FLOATS if type is FLOAT64 else INTEGERS)
        found = apply(node, [column(node.args[0].scalar, extremes)])
        assert same(listed(found), list(map(kernel(node), extremes)))


@pytest.mark.parametrize("source", [*NUMBERS, BOOLEAN, STRING])
def test_casts(source: Type) -> None:
    """Every cast of extreme values."""
    rng = Random(4)
    for to in (*NUMBERS, BOOLEAN, STRING):
        if not (source is FLOAT64 and to is STRING):
            check(build.scalar(Op.CAST, [build.given(Op.REQUEST, "a", source)], to=to), rng, 1500)


def test_every_scalar_operator_has_a_column_kernel() -> None:
    """What can be computed by row can be computed by column."""
    assert set(KERNELS) == set(SCALAR)


# ---------------------------------------------------------------- whole expressions


def leaves(roots: list[Node]) -> list[Node]:
    """Return what no operator computes: fields, what a query brings, aggregates, lookups."""
    found: dict[Node, None] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.op in SCALAR:
            stack += node.args
        elif node.op not in (Op.LIT, Op.HOUR_OF_DAY, Op.DAY_OF_WEEK):
            found[node] = None
    return list(found)


@settings(deadline=None)
@given(st.integers(0, 10**9))
def test_an_expression_over_columns_is_the_compiled_function_row_by_row(seed: int) -> None:
    """Shared nodes, literals, candidates and query's times together; only what is needed overflows."""
    rng = Random(seed)
    world = World(1_700_000_000_000, 60_000, huge=rng.random() < 0.5)
    graph = Graph.from_json(random_graph(rng, world, depth=5, literals=0.1))
    of_rows = [n for n in toposort(graph.features.values()) if n.op in SCALAR and n.in_row]
    of_query = [n for n in graph.features.values() if n.op in SCALAR]
    for roots in filter(None, (of_rows, of_query)):
        compare(rng, roots, rng.choice((1, 9)))


def over_columns(
    roots: list[Node], inputs: dict[Node, Column], rows: int, counts: np.ndarray[Any, Any]
) -> dict[Node, Column]:
    """Return ROOTS in the space of queries, or of the candidates of queries, COUNTS each."""

    def of_query(node: Node) -> Column | None:
        if node.op in (Op.HOUR_OF_DAY, Op.DAY_OF_WEEK):
            return Column(calendar(node, inputs[build.NOW].values))
        return inputs.get(node)

    def of_candidate(node: Node) -> Column | None:
        if not node.per_candidate:
            return queries.column(node).take(np.repeat(np.arange(rows), counts))
        return inputs.get(node)

    queries, candidates = Space(rows, of_query), Space(int(counts.sum()), of_candidate)
    return {root: (candidates if root.per_candidate else queries).column(root) for root in roots}


def compare(rng: Random, roots: list[Node], rows: int) -> None:
    """Hold ROOTS over random columns to the function that codegen makes of them."""
    below = [n for n in leaves(roots) if n.op is not Op.NOW]
    counts = np.array([rng.randint(0, 3) for _ in range(rows)])
    flat = int(counts.sum())
    now = [rng.choice((rng.randint(INT64_MIN, INT64_MAX), rng.randint(0, 2**42))) for _ in range(rows)]
    given = {n: values(rng, n.scalar, flat if n.per_candidate else rows) for n in below}
    inputs = {n: dirty(rng, column(n.scalar, v)) for n, v in given.items()}
    inputs[build.NOW] = Column(np.array(now))
    found = over_columns(roots, inputs, rows, counts)
    source = Source({n: f"x[{i}]" for i, n in enumerate(below)})
    function = source.function("x, t", f"[{', '.join(source.add(roots))}]")
    ends = np.cumsum(counts).tolist()
    answers = []
    for row, t in enumerate(now):
        span = slice(ends[row] - int(counts[row]), ends[row])
        answers.append(function([v[span] if n.per_candidate else v[row] for n, v in given.items()], t))
    for number, root in enumerate(roots):
        column_of_root = [answer[number] for answer in answers]
        if root.per_candidate:
            column_of_root = [v for answer in column_of_root for v in answer]
        assert same(listed(found[root]), column_of_root), root
        hold(found[root], root.scalar)


def test_nothing_below_a_given_node_is_looked_at() -> None:
    """A given node stands for all that is below it, and each node is asked for once."""
    asked: list[Node] = []
    deep = build.scalar(Op.NEG, [build.given(Op.REQUEST, "x", INT64)])
    root = build.scalar(Op.ADD, [deep, build.scalar(Op.MUL, [deep, deep])])

    def leaf(node: Node) -> Column | None:
        asked.append(node)
        return column(INT64, [3, None, 2**62]) if node is deep else None

    space = Space(3, leaf)
    assert listed(space.column(root)) == listed(space.column(root)) == [12, None, OVERFLOW]
    assert asked.count(deep) == 1
    assert set(asked) == set(toposort([root])) - set(deep.args)


# ---------------------------------------------------------------- transcendental functions, time


@given(st.lists(st.floats(-1100, 1100), min_size=1), st.integers(0, 10**6))
@example([-1074.5, -1022.0, 1023.9999, 1024.0, -1e308, 1e308], 0)
def test_exp2(some: list[float], seed: int) -> None:
    """exp2 of an array has the bits of exp2 of each."""
    rng = Random(seed)
    some += [rng.uniform(-1075, 1025) for _ in range(50)]
    assert exp2(np.array(some)).tolist() == [exp2_of_one(x) for x in some]


def test_log1p_across_blocks() -> None:
    """Each block of a long column is computed, the last one too."""
    rng = Random(1)
    node = build.scalar(Op.LOG1P, [build.given(Op.REQUEST, "x", FLOAT64)])
    long = [
        rng.choice((rng.uniform(-1, 9), 2.0 ** rng.uniform(-1074, 1023), -(2.0 ** rng.uniform(-60, 0))))
        for _ in range(9000)
    ]
    assert same(listed(apply(node, [column(FLOAT64, long)])), list(map(kernel(node), long)))


@pytest.mark.parametrize("tz", [*ZONES, "Africa/Monrovia", "Australia/Lord_Howe", "Africa/Casablanca"])
@pytest.mark.parametrize("op", [Op.HOUR_OF_DAY, Op.DAY_OF_WEEK])
def test_calendar(tz: str, op: Op) -> None:
    """Every hour of a year with its edges, far past and future, and both ends of int64."""
    rng = Random(2)
    hours = [1_600_000_000_000 + h * 1_800_000 for h in range(2000)]
    far = [rng.randint(INT64_MIN, INT64_MAX) for _ in range(100)]
    old = [rng.randint(-3 * 10**12, 3 * 10**12) for _ in range(300)]
    times = [*hours, *far, *old, INT64_MIN, INT64_MAX, -1, 0]
    node = build.calendar(op, tz)
    source = Source({})
    one = source.function("t", source.add([node])[0])
    assert calendar(node, np.array(times)).tolist() == [one(t) for t in times]


def turns(tz: str) -> list[int]:
    """Return when zone TZ changes its clocks, in seconds UTC (RFC 9636: the 64-bit times stand second)."""
    data = resources.files("tzdata").joinpath("zoneinfo", *tz.split("/")).read_bytes()
    utc, std, leap, times, kinds, chars = struct.unpack(">6l", data[20:44])
    second = 44 + times * 5 + kinds * 6 + chars + leap * 8 + std + utc
    (count,) = struct.unpack(">l", data[second + 32 : second + 36])
    return list(struct.unpack(f">{count}q", data[second + 44 : second + 44 + count * 8]))


def test_no_zone_turns_twice_in_a_day() -> None:
    """What the column form of the calendar relies on, asked of every zone that tzdata has."""
    names = resources.files("tzdata").joinpath("zones").read_text("ascii").split()
    gaps = [later - earlier for tz in names for earlier, later in pairwise(turns(tz))]
    assert len(gaps) > 10_000
    assert min(gaps) > 86_400
