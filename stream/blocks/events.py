"""Events as a block: what the log keeps of each, in columns, in the order of (key, name, total order).

The rows of one key and one event name are a run: neighbours, so that a scan reads a slice of each column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from featuregraph.types import INT64_MAX, INT64_MIN
from stream.blocks import payload
from stream.blocks.block import Block, write
from stream.blocks.column import Column, Numbers, Scalars, nothing
from stream.blocks.ints import Int64s
from stream.blocks.runs import COLUMNS, KEY, NAME, SEQ, TS, USER, Event
from stream.codec import Fields, column_value, full_decoder
from stream.errors import BlockError

_AFTER: Final = "known_after"  # known_ms - ts_ms, where all are known: small numbers
_decode = full_decoder()


def order(event: Event) -> tuple[Any, ...]:
    """Return by what events are sorted in a block."""
    user = event[USER]
    return (event[KEY], event[NAME], event[TS], event[SEQ], "" if user is None else f".{user}")


def write_events(events: Sequence[Event], fields: Sequence[Fields]) -> bytes:
    """Return the block of EVENTS, at least one, sorted by `order`; FIELDS: what they store, decoded."""
    *plain, payloads = zip(*events, strict=True)
    columns = {name: list(values) for name, values in zip(COLUMNS, plain, strict=True)}
    after = _after(columns["ts_ms"], columns["known_ms"])
    if after is not None:
        del columns["known_ms"]
        columns[_AFTER] = after
    if not any(user is not None for user in columns["user_id"]):
        del columns["user_id"]
    split, note = payload.split(columns["name"], fields, list(payloads))
    return write({**columns, **split}, note)


def _after(ts_ms: list[int], known_ms: list[int | None]) -> list[int] | None:
    found = [known - ts for ts, known in zip(ts_ms, known_ms, strict=True) if known is not None]
    fits = len(found) == len(ts_ms) and INT64_MIN <= min(found) <= max(found) <= INT64_MAX
    return found if fits else None


class Events:
    """The events of a block."""

    def __init__(self, data: bytes) -> None:
        """Read the header of DATA; raise BlockError if it is no block of events."""
        self.block = Block(data)
        self.count = self.block.events
        self._objects: list[dict[str, Any]] | None = None

    def numbers(self, name: str) -> Int64s:
        """Return a column of int64 that has no nulls."""
        return numbers_of(self.column(name))

    def column(self, name: str) -> Column:
        """Return one of `COLUMNS`."""
        block = self.block
        if name == "known_ms" and block.has(_AFTER):
            # Modulo 2**64, as they were subtracted: what was written comes back.
            return Column(self.count, Numbers(self.numbers("ts_ms") + self.numbers(_AFTER)))
        if name == "user_id" and not block.has(name):
            return nothing(self.count)
        return block.column(name)

    def raw(self, name: str) -> Column:
        """Return one of `COLUMNS` with the scalars that it stands for."""
        column = self.column(name)
        if isinstance(column.data, Scalars):
            return Column(column.count, Scalars(list(map(column_value, column.data.scalars))), column.present)
        return column

    def field(self, name: str) -> Column:
        """Return the values of a field, null where an event has none."""
        if not self.block.has(payload.WHOLE):
            return self.block.column(f".{name}") if self.block.has(f".{name}") else nothing(self.count)
        if self._objects is None:
            self._objects = [_object(text) for text in self.block.column(payload.WHOLE).values()]
        values = [fields.get(name) for fields in self._objects]
        present = [value for value in values if value is not None]
        flags = np.array([value is not None for value in values], np.bool_)
        return Column(self.count, Scalars(present), None if flags.all() else flags)

    def rows(self, first: int = 0, last: int | None = None) -> list[tuple[Any, ...]]:
        """Return the events from FIRST to before LAST."""
        last = self.count if last is None else last
        columns = {name: self.column(name).cut(first, last).values() for name in COLUMNS}
        return list(zip(*columns.values(), self.payloads(first, last), strict=True))

    def decoded(self) -> list[tuple[Event, Fields]]:
        """Return all events, each with what it stores decoded: columns need not become JSON and back."""
        if self.block.has(payload.WHOLE):
            fields = list(map(_object, self.block.column(payload.WHOLE).values()))
            return list(zip(self.rows(), fields, strict=True))
        columns = [self.column(name).values() for name in COLUMNS]
        fields = payload.fields_of(self.block, self.column("name").values(), 0, self.count)
        return list(zip(zip(*columns, map(payload.encode, fields), strict=True), fields, strict=True))

    def payloads(self, first: int, last: int) -> list[bytes]:
        """Return the stored fields of the events from FIRST to before LAST."""
        names = self.column("name").cut(first, last).values()
        return payload.joined(self.block, names, first, last)

    def check(self) -> None:
        """Read everything; raise BlockError if something is damaged."""
        self.block.check()
        self.rows()


def numbers_of(column: Column) -> Int64s:
    """Return a column of int64 that has no nulls."""
    data = column.data
    if not isinstance(data, Numbers) or data.scale is not None or column.present is not None:
        raise BlockError("expected a column of int64, found others")
    return data.numbers


def _object(text: Any) -> dict[str, Any]:
    try:
        return _decode(text.encode())
    except (AttributeError, ValueError, RecursionError) as error:
        raise BlockError(f"expected fields as JSON, found: {error}") from error


def runs_of(events: Iterable[Event]) -> list[tuple[int, int, int, int]]:
    """Return (key, name, first, last) of the runs of EVENTS, sorted by `order`."""
    runs: list[tuple[int, int, int, int]] = []
    for place, event in enumerate(events):
        if runs and runs[-1][:2] == (event[KEY], event[NAME]):
            runs[-1] = (*runs[-1][:3], place + 1)
        else:
            runs.append((event[KEY], event[NAME], place, place + 1))
    return runs
