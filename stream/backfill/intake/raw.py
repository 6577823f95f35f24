"""Raw values of rows, whose types may differ from row to row, as Arrow columns that mean exactly the same.

A column is of one type until it meets another; then it is a union of the four scalars that raw values can be,
and stays one, so that a source has few different schemas. What is of no type at all (a list, an object, an
integer that no field can hold) is NaN, which no type takes either: it is null, and counted (SEMANTICS 2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from featuregraph.errors import EventError
from featuregraph.shown import shown
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.event import COLUMNS, EMPTY

Label = Callable[[int], str]  # what an error calls the row of a place in a batch


def label_of(name: str, first: int) -> Label:
    """Return what the rows of a batch are called that begins at row FIRST, from 0, of NAME."""
    return lambda place: f"{name}, row {first + place + 1}"


_ARROW = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
_CODES = {kind: code for code, kind in enumerate(_ARROW)}
_NAMES = [kind.__name__ for kind in _ARROW]
_MOST_BITS = 1_100  # of an integer: beyond it there is no double either


class Columns:
    """Makes the columns of one source, batch after batch.

    texts: fields that are declared as text somewhere: in them a number stands for its digits only if it is
    an int64.
    """

    def __init__(self, texts: Collection[str]) -> None:
        self._texts = texts
        self._kinds: dict[str, type | None] = {}  # None: a union

    def column(self, name: str, values: Sequence[Any]) -> pa.Array:
        """Return VALUES as the next piece of the column NAME."""
        kinds: set[type | None] = {type(value) for value in values if value is not None}
        if name in self._kinds:
            kinds.add(self._kinds[name])
        if not kinds:
            return pa.nulls(len(values))
        kind = next(iter(kinds)) if len(kinds) == 1 else None
        if kind is not None and kind in _ARROW:
            try:
                found = pa.array(values, _ARROW[kind])
            except (OverflowError, UnicodeEncodeError, pa.ArrowInvalid):
                kind = None
            else:
                self._kinds[name] = kind
                return found
        self._kinds[name] = None
        return self._union(values, as_text=name in self._texts)

    def _union(self, values: Sequence[Any], *, as_text: bool) -> pa.Array:
        children: list[list[Any]] = [[] for _ in _ARROW]
        codes, offsets = [], []
        for value in values:
            plain = value if type(value) in _CODES or value is None else _plain(value, as_text=as_text)
            plain = _held(plain, as_text=as_text)
            code = _CODES.get(type(plain), 0)
            codes.append(code)
            offsets.append(len(children[code]))
            children[code].append(plain)
        arrays = [pa.array(child, type) for child, type in zip(children, _ARROW.values(), strict=True)]
        return pa.UnionArray.from_dense(
            pa.array(codes, pa.int8()), pa.array(offsets, pa.int32()), arrays, _NAMES
        )


def _plain(value: Any, *, as_text: bool) -> Any:
    """Return an instance of a subclass, or a decimal, as the scalar that it means."""
    if isinstance(value, str):
        return str.__str__(value)
    for base in (int, float):
        if isinstance(value, base):
            return base(value)
    if isinstance(value, Decimal) and not as_text:
        return str(value)
    return float("nan")


def _held(value: Any, *, as_text: bool) -> Any:
    """Return what a column can hold, and means the same."""
    if type(value) is int and not INT64_MIN <= value <= INT64_MAX:
        return float("nan") if as_text or value.bit_length() > _MOST_BITS else str(value)
    if type(value) is str and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return float("nan")
    return value


def values_of(
    events: Sequence[Mapping[str, Any]], name: str, attrs: Sequence[Mapping[str, Any]]
) -> list[Any]:
    """Return the raw values of the field NAME: the top level before ATTRS, also where it is null (2.1)."""
    if name in COLUMNS:
        return [event.get(name) for event in events]
    return [
        event[name] if name in event else given.get(name) for event, given in zip(events, attrs, strict=True)
    ]


def attrs_of(events: Sequence[Mapping[str, Any]], label: Label) -> list[Mapping[str, Any]]:
    """Return the attributes of EVENTS; raise EventError if some are none, as LABEL calls it."""
    found: list[Mapping[str, Any]] = []
    for place, event in enumerate(events):
        attrs = event.get("attrs")
        if not isinstance(attrs, Mapping):
            if attrs is not None and not (isinstance(attrs, EMPTY) and not attrs):
                raise EventError(
                    f"{label(place)}: expected attrs as names with values, found {shown(attrs)} in event"
                    f" {shown(event.get('event'))}; pass a dict"
                )
            attrs = {}
        found.append(attrs)
    return found
