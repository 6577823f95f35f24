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
from stream.blocks.events import Events, order, runs_of, write_events
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


def test_texts_keep_their_own_codes() -> None:
    """Each block numbers its texts as they come; a text that is gone from a piece is not written."""
    parts: list[list[Any]] = [["a", "a", "b", "b", None], ["b", "b", "c", "c"], ["c", "c", "a", "a"]]
    column = splice.joined([read(part) for part in parts])
    assert column.values() == [value for part in parts for value in part]
    assert Block(write({"x": column.cut(5, 9)}, [])).column("x").values() == parts[1]


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from([None, "u", "v"]),
        st.integers(1, 2),
        st.integers(1, 3),
        st.integers(0, 3) | st.sampled_from(["x", None, 0.5]),
    ),
    min_size=8,
    max_size=30,
)


@given(EVENTS, st.integers(1, 2), st.booleans())
def test_blocks_joined_hold_their_events(drawn: list[Any], count: int, has_field: bool) -> None:
    """Every event, with the bytes that it stores, in order, in blocks within their bounds."""
    fields = [{"a": one[-1]} if has_field else {} for one in drawn]
    events = [
        (ts, id % 2, user, id, key, name, None, ts, None, None, f"i{id % 3}", encode(fields[id], []))
        for id, (ts, user, key, name, _) in enumerate(drawn)
    ]
    blocks = []
    for start in range(count):
        part = sorted(events[start::count], key=order)
        blocks.append(Events(write_events(part, [fields[event[3]] for event in part])))
    most_events, own = (50, 64) if has_field else (5, 3)  # in small pieces, fields are no columns
    pieces = joined(blocks, SEALING._replace(most_events=most_events, own=own))
    assert pieces is not None
    made = [Events(piece.data) for piece in pieces]
    assert [order(event) for block in made for event in block.rows()] == sorted(map(order, events))
    assert {event for block in made for event in block.rows()} == set(events)
    for piece, block in zip(pieces, made, strict=True):
        rows = block.rows()
        assert len(rows) <= most_events
        assert (piece.ids, piece.times) == ([row[3] for row in rows], [row[0] for row in rows])
        assert [run[2:] for run in piece.runs] == [run[2:] for run in runs_of(rows)]
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
