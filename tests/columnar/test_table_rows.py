"""The rows of a table as columns say what they say as rows: values, and what is dropped or of no type."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featuregraph import TableError
from featuregraph.arrays.column import Column, column, listed
from featuregraph.arrow import read_rows
from featuregraph.convert import BAD, converter
from featuregraph.ir import Node, Op
from featuregraph.tables import TableSchema
from featuregraph.types import BOOLEAN, FLOAT64, IDENTIFIER, INT64, STRING, Type
from stream.backfill import tablerows
from stream.backfill.columnar.tables import Tables
from stream.backfill.tablerows import TableRows
from stream.entries import entries_of

pa = pytest.importorskip("pyarrow")

VALUES: list[tuple[Any, list[Any]]] = [
    (pa.string(), ["a", "b", "", "7", None, "é"]),
    (pa.int64(), [0, 7, -1, None, 2**53 + 1]),
    (pa.int32(), [0, 7, None]),
    (pa.float64(), [0.5, -0.0, 7.0, None, float("nan"), float("inf")]),
    (pa.bool_(), [True, False, None]),
    (pa.dictionary(pa.int8(), pa.string()), ["a", "7", None]),
]
TIMES: list[tuple[Any, list[Any]]] = [
    (pa.int64(), [0, 5, 9, None]),
    (pa.timestamp("us"), [0, 5000, None]),
    (pa.string(), ["5", "x", None]),
]
TYPES = [INT64, FLOAT64, STRING, BOOLEAN, IDENTIFIER]


def random_table(rng: Random, *, changing: bool) -> Any:
    """Return a table of some rows, each column of a type of its own."""
    count = rng.randint(0, 12 if changing else 4)
    names = ["key", "f", "g"]
    columns = {}
    for name in names:
        kind, values = rng.choice(VALUES if name != "key" else VALUES[:3])
        columns[name] = pa.array([rng.choice(values) for _ in range(count)], kind)
    if changing:
        kind, values = rng.choice(TIMES)
        columns["ts_ms"] = pa.array([rng.choice(values) for _ in range(count)], kind)
    if rng.random() < 0.2:
        del columns["g"]
    return pa.table(columns)


@given(seed=st.integers(0, 2**48), changing=st.booleans(), key=st.sampled_from([IDENTIFIER, INT64, STRING]))
def test_columns_say_what_rows_say(seed: int, changing: bool, key: Type) -> None:
    """The error of a second row of a static key too."""
    rng = Random(seed)
    fields = (("f", rng.choice(TYPES)), ("g", rng.choice(TYPES)))
    schema = TableSchema("t", key, changing, fields)
    table = random_table(rng, changing=changing)
    rows = pickle.loads(pickle.dumps(TableRows(table)))  # noqa: S301 - as a worker is sent it
    assert repr(list(rows)) == repr(read_rows(table))  # NaN is not itself
    assert counts(lambda: tablerows.counted(schema, rows)) == counts(lambda: by_row(schema, table))
    asked = column(key, [*dict.fromkeys(keys_of(schema, table)), None])
    until = np.array([rng.choice([-1, 0, 5, 6, 99]) for _ in range(len(asked))], np.int64)
    for name, type in fields:
        one, other = (looked_up(given, schema, name, type, asked, until) for given in (rows, list(rows)))
        assert one == other


def by_row(schema: TableSchema, table: Any) -> Any:
    """Return what is dropped of TABLE, and what is not of its type, row by row."""
    found = entries_of(schema, read_rows(table))
    return found.dropped, found.unparsable


def counts(count: Callable[[], Any]) -> Any:
    """Return what COUNT returns, or says of a table that it refuses."""
    try:
        return count()
    except TableError as error:
        return str(error)


def keys_of(schema: TableSchema, table: Any) -> list[Any]:
    """Return the keys of TABLE."""
    found = map(converter(schema.key), table.column("key").to_pylist())
    return [key for key in found if key is not BAD and key is not None]


def looked_up(rows: Any, schema: TableSchema, name: str, type: Type, key: Column, until: Any) -> list[Any]:
    """Return the field NAME of the row of each KEY as of its UNTIL."""
    about = {"table": "t", "key": schema.key, "changing": schema.changing, "field": name}
    node = Node(Op.TABLE, type, (), **about)
    return listed(Tables({"t": rows}).look_up(node, key, until))
