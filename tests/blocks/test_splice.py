"""Columns joined, put in order and cut hold the values that they held, to the bit, and are packed as such."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.blocks import splice
from stream.blocks.block import Block, write
from stream.blocks.column import Column
from stream.blocks.events import Events, order, write_events
from stream.blocks.joining import joined
from stream.blocks.sealing import SEALING
from stream.codec import encode
from tests.blocks.test_block import SCALARS, WITH_NULLS, exactly

pytestmark = pytest.mark.device

ALIKE = st.sampled_from(SCALARS).flatmap(
    lambda one: st.lists(st.lists(one | st.none(), min_size=1, max_size=12), min_size=1, max_size=4)
)


def read(values: list[Any]) -> Column:
    """Return VALUES as a column that was read from a block."""
    return Block(write({"x": values}, [])).column("x")


@settings(max_examples=50)
@given(ALIKE | st.lists(WITH_NULLS, min_size=1, max_size=3), st.randoms(use_true_random=False), st.data())
def test_columns_stay_what_they_are(parts: list[list[Any]], rng: random.Random, data: st.DataObject) -> None:
    """Joined, ordered, cut, packed and read again, in whatever forms the parts were packed."""
    values = [value for part in parts for value in part]
    places = rng.sample(range(len(values)), len(values))
    first = data.draw(st.integers(0, len(values) - 1))
    last = data.draw(st.integers(first + 1, len(values)))
    column = splice.joined([read(part) for part in parts])
    assert exactly(column.values()) == exactly(values)
    column = splice.ordered(column, np.array(places, np.int64))
    assert exactly(column.values()) == exactly([values[place] for place in places])
    column = column.cut(first, last)
    again = Block(write({"x": column}, [])).column("x")
    assert exactly(again.values()) == exactly([values[place] for place in places[first:last]])


SOME = st.integers(0, 3) | st.sampled_from(["x", None, 0.5])
FIELDS = st.dictionaries(st.sampled_from("abc"), SOME, max_size=3).map(lambda d: dict(sorted(d.items())))
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 40), st.sampled_from([None, "u", "v"]), st.integers(1, 2), st.integers(1, 3), FIELDS
    ),
    min_size=1,
    max_size=30,
)


@given(EVENTS, st.integers(1, 4), st.integers(1, 8))
def test_blocks_joined_hold_their_events(drawn: list[Any], count: int, most_events: int) -> None:
    """Every event, with the bytes that it stores, in order, in blocks within their bounds."""
    events = [
        (ts, id, user, id, key, name, None, ts + id % 2, None, None, f"i{id % 3}", encode(fields, []))
        for id, (ts, user, key, name, fields) in enumerate(drawn)
    ]
    blocks = []
    for start in range(min(count, len(events))):
        part = sorted(events[start::count], key=order)
        blocks.append(Events(write_events(part, [drawn[event[3]][-1] for event in part])))
    pieces = joined(blocks, SEALING._replace(most_events=most_events, own=3))
    if pieces is None:  # too thin, or in different orders: they are written anew
        return
    read = [Events(piece.data) for piece in pieces]
    assert [event for block in read for event in block.rows()] == sorted(events, key=order)
    for piece, block in zip(pieces, read, strict=True):
        rows = block.rows()
        assert len(rows) <= most_events
        assert (piece.ids, piece.times) == ([row[3] for row in rows], [row[0] for row in rows])
        for key, name, first, last in piece.runs:
            assert {row[4:6] for row in rows[first:last]} == {(key, name)}


def test_blocks_are_joined_by_columns() -> None:
    """Events of several names, with fields that some leave out: nothing is written anew."""
    rng = random.Random(1)
    blocks = []
    for start in range(0, 400, 100):
        rows = []
        for id in range(start, start + 100):
            name = 1 + id % 3
            fields = {"a": id, "b": f"{rng.random():.2f}", "c": 0.5} | ({} if id % 7 else {"d": None})
            event = (id, 0, None, id, 1, name, f"{id:016x}", id, None, None, None, encode(fields, []))
            rows.append((event, fields))
        rows.sort(key=lambda row: order(row[0]))
        blocks.append(Events(write_events([event for event, _ in rows], [fields for _, fields in rows])))
    pieces = joined(blocks, SEALING)
    assert pieces is not None
    found = [event for piece in pieces for event in Events(piece.data).rows()]
    assert found == sorted((event for block in blocks for event in block.rows()), key=order)
    assert sum(len(piece.data) for piece in pieces) < sum(block.block.bytes for block in blocks)
