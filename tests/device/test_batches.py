"""Rows and columns on their way are the same rows, in whatever pieces they come."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featuregraph.scalar import OVERFLOW
from stream.batch import Batch, ColumnBatch, RowBatch, chained, interleaved, merged

FILTER = 3  # the place of a filter's value


def as_rows(rows: list[Any]) -> Batch:
    """Return a batch of ROWS as they are."""
    return RowBatch(rows)


def as_columns(rows: list[Any]) -> Batch:
    """Return a batch of the columns of ROWS."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    return ColumnBatch(len(rows), len(columns), columns.__getitem__)


FORMS = (as_rows, as_columns)
VERDICTS = st.sampled_from([True, False, None, OVERFLOW])


@st.composite
def pieces(draw: st.DrawFn) -> list[Batch]:
    """Return batches whose rows overlap in time, at few times, so that positions decide."""
    seq = count()
    found = []
    for _ in range(draw(st.integers(0, 4))):
        times = draw(st.lists(st.integers(0, 5), max_size=6))
        rows = sorted((t, next(seq), "", draw(VERDICTS), f"v{draw(st.integers(0, 9))}") for t in times)
        found.append(draw(st.sampled_from(FORMS))(rows) if rows else RowBatch([]))
    return draw(st.permutations(found))


def rows_of(batch: Batch) -> list[Any]:
    """Return the rows, after a look that every way to ask for them gives the same."""
    rows = batch.all
    assert len(rows) == batch.count
    assert batch.ts is batch.column(0)
    for place in range(5 if rows else 0):
        assert list(batch.column(place)) == [row[place] for row in rows]
        assert list(batch.values(place, 1, 3)) == [row[place] for row in rows[1:3]]
    assert list(batch.cut(1, 3)) == rows[1:3]
    assert [batch.position(at) for at in range(batch.count)] == [row[:3] for row in rows]
    return rows


@given(pieces())
def test_whoever_puts_pieces_together_gets_all_rows_in_order(found: list[Batch]) -> None:
    """Rows that are folded, kept, or of one event: the same."""
    expected = sorted(row for batch in found for row in batch.all)
    assert rows_of(merged(found)) == expected
    assert rows_of(interleaved(found)) == expected
    assert rows_of(chained(found)) == expected


@given(pieces(), st.integers(0, 8))
def test_rows_from_a_number_on(found: list[Batch], first: int) -> None:
    """A narrow track takes the end of what a wide one takes."""
    for batch in found:
        first = min(first, batch.count)
        assert batch.since(first).all == batch.all[first:]


@given(pieces())
def test_rows_that_pass_a_filter_and_times_where_it_overflows(found: list[Batch]) -> None:
    """Only what is true passes; overflow is noted with its time."""
    for batch in found:
        passing, broken = batch.passing(FILTER)
        assert passing.all == [row for row in batch.all if row[FILTER] is True]
        assert broken == [row[0] for row in batch.all if row[FILTER] is OVERFLOW]


@pytest.mark.parametrize("form", FORMS)
def test_narrow_reads_make_nothing_for_others(form: Any) -> None:
    """A look at the end gives the end."""
    batch = form([(t, t, "", True, "x") for t in range(10)])
    assert batch.cut(8, 10) == [(8, 8, "", True, "x"), (9, 9, "", True, "x")]
    assert batch.values(1, 9, 10) == [9]
