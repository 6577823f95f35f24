"""What was computed of one key, as bytes: a restart goes on from there and reads no lifetime of events again.

1. A snapshot says what the states of windows without an end were when exactly the rows of the key up to
   `last_id` had arrived, and where windows of the latest N began.
2. Aggregates are named by the ids of their nodes, so that each finds its own whatever plans are installed.
3. It is a hint: whoever reads it checks the checksum, the format, the generation of the log and each state,
   and reads the events instead where one of them does not hold.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from featuregraph.ir import Node
from featuregraph.layout import Layout
from featuregraph.steps import static_parts

FORMAT: Final = 1  # of these bytes and of what they mean; that of states stands in them
_CRC_BYTES: Final = 4

Position = tuple[int, int, str]


class SavedCell(msgspec.Struct, frozen=True, array_like=True):
    """One aggregate of a window that begins with the first event, or N rows before the last one."""

    agg: str  # the node's id
    include_now: bool
    position: Position  # of the latest row that entered; for the latest N, of the earliest row inside
    rows: int  # that entered; 0 for the latest N
    places: tuple[int, ...]  # in rows that the state holds, of the values that the aggregate reads
    state: bytes  # empty where the number of rows is all


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """What a key's states were."""

    format: int
    generation: int  # of the log: events were forgotten since if it is another
    last_id: int  # of the rows that had arrived
    t: int  # the latest query: states know nothing of earlier ones
    cells: tuple[SavedCell, ...]

    def by_agg(self) -> Mapping[tuple[str, bool], SavedCell]:
        """Return the cells by what they are a state of."""
        return {(cell.agg, cell.include_now): cell for cell in self.cells}


def pack(snapshot: Snapshot) -> bytes:
    """Return the bytes of SNAPSHOT; raise ValueError where a text has none."""
    body = _encoder.encode(snapshot)
    return zlib.crc32(body).to_bytes(_CRC_BYTES, "little") + body


def unpack(data: bytes) -> Snapshot:
    """Return the snapshot in DATA; raise ValueError if there is none, or it was changed."""
    body = data[_CRC_BYTES:]
    if zlib.crc32(body).to_bytes(_CRC_BYTES, "little") != data[:_CRC_BYTES]:
        raise ValueError("expected a snapshot, found another checksum; read the events")
    try:
        found = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"expected a snapshot, found {error}; read the events") from error
    if found.format != FORMAT:
        raise ValueError(f"expected a snapshot of format {FORMAT}, found {found.format}; read the events")
    return found


def places_of(agg: Node, layout: Layout) -> tuple[int, ...]:
    """Return where in the rows of LAYOUT the values stand that AGG reads, in an order that is AGG's own.

    Its filter is not read again.
    """
    read = (arg for role, arg in zip(agg["roles"], agg.args, strict=True) if role != "where")
    return tuple(layout.places[part] for arg in read for part in static_parts(arg))


def fitted(cell: SavedCell, aggregate: Any, places: tuple[int, ...]) -> bytes:
    """Return the state of CELL for rows in which its values stand at PLACES; raise ValueError if it is none.

    Only rows that a state holds by reference know of places.
    """
    if aggregate.takes != "key_row" or places == cell.places:
        return cell.state
    if len(places) != len(cell.places):
        raise ValueError(f"expected {len(places)} places, found {len(cell.places)}; read the events")
    width = 1 + max(places, default=0)
    state = aggregate.decode(cell.state, forgets=False)

    def moved(row: tuple[Any, ...]) -> tuple[Any, ...]:
        values = [*row[:3], *[None] * (width - 3)]
        for new, old in zip(places, cell.places, strict=True):
            values[new] = row[old]
        return tuple(values)

    state.replace(moved)
    encoded: bytes = state.encode()
    return encoded


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)
