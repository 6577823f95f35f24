"""Blocks of one key and event name as one, column by column: no event is put together on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from stream.blocks.block import write
from stream.blocks.events import Events

Columns = dict[str, list[Any]]


def joined(blocks: Sequence[Events]) -> Columns | None:
    """Return the columns of BLOCKS of one run in its order, None if they have not the same ones."""
    first = blocks[0].block
    if any((other.block.names, other.block.note) != (first.names, first.note) for other in blocks):
        return None
    columns = {
        name: [value for other in blocks for value in other.block.column(name).values()]
        for name in first.names
    }
    users = columns.get("user_id")
    ties = [""] * len(columns["seq"]) if users is None else ["" if u is None else f".{u}" for u in users]
    places = sorted(
        range(len(ties)), key=list(zip(columns["ts_ms"], columns["seq"], ties, strict=True)).__getitem__
    )
    return {name: [values[place] for place in places] for name, values in columns.items()}


def pieces(
    columns: Columns, note: list[tuple[int, list[int]]], most_events: int
) -> Iterator[tuple[Columns, bytes]]:
    """Give the blocks of COLUMNS with at most MOST_EVENTS each: their columns, and their bytes."""
    for start in range(0, len(columns["seq"]), most_events):
        piece = {name: values[start : start + most_events] for name, values in columns.items()}
        yield piece, write(piece, note)
