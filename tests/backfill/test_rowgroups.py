"""Row groups encoded by several threads: the file is the one that Arrow writes alone, byte for byte."""

from __future__ import annotations

import io
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream import thrift
from stream.backfill.output import write_tables
from stream.backfill.rowgroups import write_groups


def table(rows: int) -> pa.Table:
    """Return ROWS of each kind of column that features have, more of them than stand in a short list."""
    numbers = [None if n % 7 == 0 else n for n in range(rows)]
    texts = [None if n is None else f"ä{n % 5}" for n in numbers]
    columns: dict[str, Any] = {f"n{number}": numbers for number in range(15)}
    columns |= {
        "flag": [None if n is None else n % 2 == 0 for n in numbers],
        "half": [None if n is None else n / 2 for n in numbers],
        "text": texts,
        "list": [[] if n is None else [n] * (n % 3) for n in numbers],
        "map": pa.array([[] if n is None else [("a", n)] for n in numbers], pa.map_(pa.string(), pa.int64())),
        "price": pa.array(numbers, pa.decimal128(19, 2)),
        "vector": pa.array(
            [None if n is None else [float(n)] * 3 for n in numbers], pa.list_(pa.float32(), 3)
        ),
    }
    return pa.table(columns).replace_schema_metadata({"headrace.plan": "p"})


@pytest.mark.parametrize("sizes", [[5], [0], [40, 40, 3], [1] * 20])
@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_the_bytes_are_those_of_one_writer(sizes: list[int], compression: str) -> None:
    """Offsets, ordinals, statistics, the schema's metadata, whatever else a footer has."""
    ends = list(accumulate(sizes))
    groups = [table(100).slice(end - rows, rows) for rows, end in zip(sizes, ends, strict=True)]
    options = {"compression": compression, "write_page_checksum": True}
    alone = pa.BufferOutputStream()
    with pq.ParquetWriter(alone, groups[0].schema, **options) as writer:
        for group in groups:
            writer.write_table(group, row_group_size=max(1, group.num_rows))
    wanted = alone.getvalue().to_pybytes()
    assert pq.read_table(io.BytesIO(wanted)).equals(pa.concat_tables(groups))
    for threads in (1, 2, 3):
        found = io.BytesIO()
        write_groups(found, groups, groups[0].schema, options, threads)
        assert found.getvalue() == wanted


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    """Whether a group cannot be made, or cannot be written."""
    first = table(5)

    def groups() -> Any:
        yield first
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_tables(tmp_path / "a.parquet", first.schema, groups(), 2)
    with pytest.raises(ValueError, match="schema"):
        write_tables(tmp_path / "a.parquet", first.schema, [first, first.select(["n0"])], 2)
    assert list(tmp_path.iterdir()) == []


_INTEGERS = st.integers(-(2**63), 2**63 - 1)
_VALUES = st.one_of(
    st.tuples(st.just(thrift.I64), _INTEGERS),
    st.tuples(st.just(thrift.BINARY), st.binary(max_size=200)),
    st.tuples(st.just(thrift.DOUBLE), st.binary(min_size=8, max_size=8)),
    st.tuples(st.just(thrift.BYTE), st.integers(0, 255)),
    st.sampled_from([(thrift.TRUE, True), (thrift.FALSE, False)]),
    st.tuples(st.just(thrift.LIST), st.tuples(st.just(thrift.I32), st.lists(_INTEGERS, max_size=40))),
    st.tuples(st.just(thrift.LIST), st.tuples(st.just(thrift.TRUE), st.lists(st.integers(1, 2)))),
)


def _structs(values: Any) -> Any:
    fields = st.lists(st.tuples(st.integers(-400, 400), values), max_size=6)
    return fields.map(lambda given: [(name, kind, value) for name, (kind, value) in given])


@given(_structs(st.one_of(_VALUES, st.tuples(st.just(thrift.STRUCT), _structs(_VALUES)))))
def test_thrift_comes_back_as_it_was(struct: thrift.Struct) -> None:
    """Fields in any order, with long steps and short ones; what follows is let alone."""
    data = thrift.written(struct)
    assert thrift.read_struct(data + b"rest") == (struct, len(data))


def test_an_unknown_type_is_refused() -> None:
    """Maps and what is beyond structs stand in no footer."""
    with pytest.raises(ValueError, match="found 11; the footer is damaged"):
        thrift.read_struct(bytes([0x1B, 0]))
