"""What a filter says by columns alone never drops a row that the filter keeps or overflows on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph import Graph
from featuregraph.build import AGE, EVENT_NAME, TS, field, lit, scalar
from featuregraph.codegen import Source
from featuregraph.convert import BAD, converter
from featuregraph.ir import Node, Op, toposort
from featuregraph.layout import lay_out
from featuregraph.pushdown import COLUMNS, on_columns, static_part
from featuregraph.reference.fields import COLUMNS as CONTRACT_COLUMNS
from featuregraph.scalar import OVERFLOW
from featuregraph.steps import is_static
from featuregraph.testing.graphs import random_graph
from featuregraph.testing.values import World
from featuregraph.types import CATEGORY, IDENTIFIER, INT64
from stream.event import COLUMNS as LOG_COLUMNS

pytestmark = pytest.mark.device

ITEM, N = field("item_id", IDENTIFIER), field("n", INT64)
IS_A = scalar(Op.EQ, [ITEM, lit(IDENTIFIER, "a")])
SMALL = scalar(Op.LT, [N, lit(INT64, 3)])
ASKED = scalar(Op.EQ, [N, Node(Op.REQUEST, INT64, name="q")])
OLD = scalar(Op.GT, [AGE, lit(INT64, 3)])  # an age may overflow
WILD = scalar(Op.GT, [scalar(Op.ADD, [N, N]), lit(INT64, 3)])


def both(*args: Node) -> Node:
    """Return the conjunction of ARGS."""
    return scalar(Op.AND, list(args))


PARTS: Mapping[str, tuple[Node, Node | None]] = {
    "a test of a column": (IS_A, IS_A),
    "a test of an attribute": (SMALL, None),
    "the first of two": (both(IS_A, SMALL), IS_A),
    "the second, after what cannot overflow": (both(SMALL, IS_A), IS_A),
    "not the second, after what can": (both(WILD, IS_A), None),
    "the first, whatever comes after": (both(IS_A, WILD), IS_A),
    "conjunctions inside": (both(SMALL, both(IS_A, WILD)), IS_A),
    "two of three": (both(IS_A, SMALL, scalar(Op.IS_NULL, [ITEM])), both(IS_A, scalar(Op.IS_NULL, [ITEM]))),
    "no half of or": (scalar(Op.OR, [IS_A, SMALL]), None),
    "the time and the name": (
        both(scalar(Op.GT, [TS, lit(INT64, 0)]), scalar(Op.EQ, [EVENT_NAME, lit(CATEGORY, "a")])),
        both(scalar(Op.GT, [TS, lit(INT64, 0)]), scalar(Op.EQ, [EVENT_NAME, lit(CATEGORY, "a")])),
    ),
}


@pytest.mark.parametrize("case", PARTS)
def test_the_part_on_columns(case: str) -> None:
    """A conjunct is taken if it stands on columns and nothing that could overflow comes before it."""
    where, part = PARTS[case]
    assert on_columns([where]) == (() if part is None else (part,))


@pytest.mark.parametrize(
    ("where", "part"),
    [
        (SMALL, SMALL),
        (both(SMALL, ASKED), SMALL),
        (both(ASKED, SMALL), SMALL),
        (both(OLD, SMALL), None),
        (both(WILD, ASKED), WILD),
        (both(WILD, both(ASKED, SMALL)), both(WILD, SMALL)),
        (scalar(Op.OR, [SMALL, ASKED]), None),
        (ASKED, None),
    ],
)
def test_the_part_that_needs_no_query(where: Node, part: Node | None) -> None:
    """A conjunct is taken if a row decides it and nothing that could overflow before it was left out."""
    assert static_part(where) is part


def test_one_filter_on_attributes_keeps_every_row() -> None:
    """Rows may be dropped only if each filter says so."""
    assert on_columns([IS_A, SMALL]) == ()
    assert on_columns([IS_A, both(IS_A, SMALL)]) == (IS_A,)


def test_all_rooms_know_the_same_columns() -> None:
    """The optimiser, the reference and the log take the names of 1.1 for columns."""
    assert COLUMNS == LOG_COLUMNS
    assert COLUMNS - {"known_ms"} == CONTRACT_COLUMNS - {"attrs"}


@pytest.mark.parametrize(
    ("wheres", "kept"),
    [([IS_A, SMALL], 2), ([IS_A, None], 0), ([None], 0), ([IS_A, IS_A], 1)],
)
def test_a_scan_drops_rows_only_if_every_track_has_a_filter(wheres: list[Node | None], kept: int) -> None:
    """One track without a filter takes every row."""
    made = []
    for place, where in enumerate(wheres):
        form: dict[str, Any] = {"events": ["e"], "over": f"{place + 1}ms"}
        graph = Graph.from_json(
            {
                "format": 1,
                "graph": "g",
                "events": {"e": {}},
                "features": {"f": {"agg": "count", "stream": form}},
            }
        )
        agg = graph.features["f"]
        attrs = dict(agg.attrs) | {"roles": ("where",) if where is not None else ()}
        made.append((Node(Op.AGG, agg.type, () if where is None else (where,), **attrs), False))
    (scan,) = lay_out(made).scans.values()
    assert len(scan.wheres) == kept


# ---------------------------------------------------------------- random filters on random rows


def filters(graph: Graph) -> list[Node]:
    """Return the filters of GRAPH that a row alone decides, and each two of them joined."""
    found = [n.role("where") for n in toposort(graph.features.values()) if n.op is Op.AGG]
    static = list(dict.fromkeys(where for where in found if where is not None and is_static(where)))
    return [*static, *(both(a, b) for a in static for b in static if a is not b)]


def verdicts(node: Node, values: list[dict[Node, Any]]) -> list[Any]:
    """Return NODE's value on rows with VALUES of its leaves."""
    leaves = [n for n in toposort([node]) if n.op in (Op.FIELD, Op.TS, Op.EVENT_NAME)]
    source = Source({leaf: f"r[{place}]" for place, leaf in enumerate(leaves)})
    function = source.function("r", source.add([node])[0])
    return [function([row[leaf] for leaf in leaves]) for row in values]


def rows_of(rng: Random, world: World, nodes: list[Node]) -> list[dict[Node, Any]]:
    """Return ten rows with a random value for each leaf of NODES."""
    leaves = [n for n in toposort(nodes) if n.op in (Op.FIELD, Op.TS, Op.EVENT_NAME)]
    found = []
    for _ in range(10):
        row = {}
        for leaf in leaves:
            value = converter(leaf.scalar)(world.value(rng, leaf.scalar))
            row[leaf] = None if value is BAD else value
        found.append(row)
    return found


def outcomes(seed: int) -> Counter[str]:
    """Hold the parts of random filters against the filters; count what they said."""
    rng = Random(seed)
    world = World.any(rng)
    graph = Graph.from_json(random_graph(rng, world, features=8))
    told: Counter[str] = Counter()
    for where in filters(graph):
        for part in on_columns([where]):
            rows = rows_of(rng, world, [where])
            for early, whole in zip(verdicts(part, rows), verdicts(where, rows), strict=True):
                if early is not True and early is not OVERFLOW:
                    told["dropped"] += 1
                    assert whole is not True, where
                    assert whole is not OVERFLOW, where
                else:
                    told["kept"] += 1
    return told


@settings(max_examples=300)
@given(st.integers(0, 2**48))
def test_what_is_dropped_early_would_have_been_dropped(seed: int) -> None:
    """A row that fails the part fails the filter, and the filter does not overflow on it."""
    outcomes(seed)


def test_random_filters_tell_something() -> None:
    """Rows are dropped and kept, many of each."""
    told: Counter[str] = sum((outcomes(seed) for seed in range(300)), Counter())
    assert min(told["dropped"], told["kept"]) > 100, told
