"""Arrow in, Arrow out: replay over columns gives the table that the reference gives, or its error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from featuregraph import Graph
from featuregraph.arrays import Column, column
from featuregraph.errors import EventError, FeatureGraphError
from featuregraph.ir import Op, toposort
from featuregraph.testing.graphs import random_graph
from featuregraph.testing.logs import random_workload
from featuregraph.testing.values import World
from featuregraph.types import INT64, STRING
from featuregraph.values import same
from stream.backfill.columnar import replay
from stream.backfill.columnar.coding import Coding
from stream.backfill.columnar.nested import Nested, Places, compact, offsets_of, placed
from stream.backfill.columnar.order import sorted_order
from stream.backfill.columnar.partition import Partition, counted_once
from stream.backfill.columnar.values import internal
from stream.backfill.executors import executor
from stream.backfill.job import Options, run
from stream.errors import StreamError
from stream.testing.wide import all_wide

pa = pytest.importorskip("pyarrow")

SEEDS = st.integers(0, 2**48)


def ran(engine: str, graph: Graph, events: Any, queries: Any, options: Options) -> Any:
    """Return the table and the report of a run, or the kind of its error."""
    try:
        return run([graph.compile()], events, queries, executor(engine, "auto"), options=options)
    except (FeatureGraphError, StreamError) as error:
        return type(error), getattr(error, "feature", None)


@contextmanager
def blocks_of(rows: int, queries: int) -> Iterator[None]:
    """Cut blocks at so many events and queries."""
    before = replay.BLOCK_ROWS, replay.BLOCK_QUERIES
    replay.BLOCK_ROWS, replay.BLOCK_QUERIES = rows, queries
    try:
        yield
    finally:
        replay.BLOCK_ROWS, replay.BLOCK_QUERIES = before


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("rows", "cut"), [(1, 2), (replay.BLOCK_ROWS, replay.BLOCK_QUERIES)])
@settings(max_examples=15)
@given(seed=SEEDS)
def test_a_table_is_the_reference_s(rows: int, cut: int, wide: bool, seed: int) -> None:
    """Values, types, what was unparsable; whatever blocks, wide ranges and threads there are."""
    from featuregraph.arrow import write_events, write_queries

    rng = Random(seed)
    world = World.any(rng)
    graph = Graph.from_json(random_graph(rng, world, tables=seed % 2 == 0, labels=seed % 4 < 2))
    aggregates = [node["agg"] for node in toposort(graph.features.values()) if node.op is Op.AGG]
    assume("decayed_sum" not in aggregates)
    work = random_workload(rng, world, [graph], events=40, queries=12)
    events: Any = [entry for entry in work.arrivals if "event" in entry]
    try:
        queries = write_queries(graph, work.queries)
        if rng.random() < 0.5:
            events = write_events(events)
    except (FeatureGraphError, UnicodeEncodeError, OverflowError):
        assume(False)
    for name, kind in (("as_known", pa.bool_()), ("history_start_ms", pa.int64())):
        queries = queries.append_column(name, pa.array([query.get(name) for query in work.queries], kind))
    tables = {name: [*given] for name, given in work.tables.items()}
    for entry in work.arrivals:
        if "rows" in entry:
            tables[entry["table"]] += entry["rows"]
    options = Options(tables, end=work.end)
    with blocks_of(rows, cut), all_wide() if wide else nullcontext():
        found = ran("local", graph, events, queries, replace(options, workers=rng.randint(1, 3)))
    # The reference is handed the events of the queried keys alone: it meets no fault of the others.
    serves = not graph.labels and isinstance(graph.key, str)
    expected = ran(
        "device" if found[0] is EventError and serves else "reference", graph, events, queries, options
    )
    if found[0] is EventError and not serves and not isinstance(expected[0], type):
        return
    if isinstance(expected[0], type):
        assert found == expected
        return
    assert found[0].schema == expected[0].schema
    assert same(found[0].to_pylist(), expected[0].to_pylist())
    assert found[1].unparsable == expected[1].unparsable
    assert found[1].unknown == expected[1].unknown


# ---------------------------------------------------------------- what the parts stand on


@given(seed=SEEDS)
def test_distinct_values_are_counted_in_turn_as_one_by_one(seed: int) -> None:
    """Ranges that begin and end in turn give what any order of them gives."""
    rng = Random(seed)
    codes = [rng.choice([None, 1, 2, 3, 40]) for _ in range(30)]
    lo, hi = (np.sort(np.array([rng.randint(0, 30) for _ in range(12)])) for _ in range(2))
    hi = np.maximum(lo, hi)
    partition = Partition(INT64, column(INT64, codes))
    expected = [len({x for x in codes[a:b] if x is not None}) for a, b in zip(lo, hi, strict=True)]
    assert counted_once(partition, lo, hi).tolist() == expected
    assert counted_once(partition, lo[::-1], hi[::-1]).tolist() == expected[::-1]


@pytest.mark.parametrize("wide", [False, True])
@given(seed=SEEDS)
def test_a_range_lists_a_row_of_each_value(wide: bool, seed: int) -> None:
    """The latest one or the earliest one, by range and row, spelled out or not."""
    rng = Random(seed)
    codes = [rng.choice([None, 1, 2, 3, 40]) for _ in range(30)]
    lo, hi = (np.sort(np.array([rng.randint(0, 30) for _ in range(12)])) for _ in range(2))
    hi = np.maximum(lo, hi)
    partition = Partition(INT64, column(INT64, codes))
    ranges = [[row for row in range(a, b) if codes[row] is not None] for a, b in zip(lo, hi, strict=True)]
    last = [sorted({codes[row]: row for row in rows}.values()) for rows in ranges]
    first = [sorted({codes[row]: row for row in reversed(rows)}.values()) for rows in ranges]
    for listed, expected in ((partition.latest, last), (partition.earliest, first)):
        found: list[list[int]] = [[] for _ in ranges]
        with all_wide() if wide else nullcontext():
            for part, numbers, rows in listed(lo, hi):
                for number, row in zip(numbers.tolist(), rows.tolist(), strict=True):
                    found[part.start + number].append(row)
        assert found == expected


@given(seed=SEEDS)
def test_rows_are_sorted_by_columns(seed: int) -> None:
    """The first column decides first; equal rows stay in their order, however far apart values are."""
    rng = Random(seed)
    wide = rng.choice([3, 2**62])
    columns = [np.array([rng.randint(-wide, wide) for _ in range(20)]) for _ in range(2)]
    expected = sorted(range(20), key=lambda i: (columns[0][i], columns[1][i], i))
    assert sorted_order(columns, 20).tolist() == expected


@given(seed=SEEDS)
def test_pieces_come_to_their_places(seed: int) -> None:
    """Columns and lists, of words of their own too."""
    rng = Random(seed)
    rows = [[rng.choice(["a", "b", None, "é"]) for _ in range(rng.randint(0, 3))] for _ in range(10)]
    order = rng.sample(range(10), 10)
    cut = rng.randint(0, 10)
    pieces, places = [], []
    for part in (order[:cut], order[cut:]):
        counts = np.array([len(rows[i]) for i in part], np.int64)
        members: Column = column(STRING, [x for i in part for x in rows[i]])
        pieces.append(Nested(offsets_of(counts), {"item": members}))
        places.append(np.array(part, np.int64))
    whole = placed(pieces, Places(places))
    assert internal(STRING, whole, per_candidate=True) == rows


@given(seed=SEEDS)
def test_numbers_come_to_their_places(seed: int) -> None:
    """Nulls and overflows with them, and as int64 though they waited in half the memory."""
    rng = Random(seed)
    wide = rng.random() < 0.5
    rows = [rng.choice([None, 7, -(2**31), 2**62 if wide else 1]) for _ in range(10)]
    over = [rng.random() < 0.3 and row is None for row in rows]
    order = rng.sample(range(10), 10)
    cut = rng.randint(0, 10)
    pieces = []
    for part in (order[:cut], order[cut:]):
        one = column(INT64, [rows[i] for i in part])
        flags = np.array([over[i] for i in part], np.bool_)
        pieces.append(compact(Column(one.values, one.known, None, flags if flags.any() else None)))
    whole = placed(pieces, Places([np.array(order[:cut], np.int64), np.array(order[cut:], np.int64)]))
    assert isinstance(whole, Column)
    assert whole.values.dtype == np.int64
    assert (np.zeros(10, np.bool_) if whole.over is None else whole.over).tolist() == over
    assert internal(INT64, Column(whole.values, whole.known)) == rows


def test_a_key_at_the_far_end_of_int64_is_no_group_s() -> None:
    """Codes of integers are differences from the least one: such a difference may leave int64."""
    coding = Coding(INT64, column(INT64, [-5, 7]), bits=32)
    codes, found = coding.of(column(INT64, [-5, 2**63 - 1, 7, -(2**63), 8, None]))
    assert found.tolist() == [True, False, True, False, False, False]
    assert codes[found].tolist() == [0, 12]
