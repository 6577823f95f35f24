"""Internal values of Python as columns and back; vectors, which no operator takes, as objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from featuregraph.arrays.column import Column, Mask, column, listed
from featuregraph.convert import BAD, converter
from featuregraph.scalar import OVERFLOW
from featuregraph.types import AnyType, MapType, RecordType, Type
from stream.backfill.columnar.nested import Values


def converted(type: Type, raws: Sequence[Any]) -> tuple[Column, Mask | None]:
    """Return RAWS as a column of TYPE, and which of them are not of it, None if all are."""
    values = list(map(converter(type), raws))
    bad = np.array([value is BAD for value in values], np.bool_)
    known = [None if value is BAD else value for value in values]
    found = _vectors(known) if type.kind == "vector" else column(type, known)
    return found, bad if bad.any() else None


def _vectors(values: Sequence[Any]) -> Column:
    found = np.empty(len(values), object)
    for place, value in enumerate(values):
        found[place] = value
    return Column(found, np.array([value is not None for value in values], np.bool_))


def internal(type: AnyType, values: Values, *, per_candidate: bool = False) -> list[Any]:
    """Return VALUES as executors pass them between each other: None for null, OVERFLOW as such."""
    if isinstance(values, Column):
        return listed(values)
    members = {name: listed(part) for name, part in values.parts.items()}
    make = _maker(type, per_candidate=per_candidate)
    # A list with one value per candidate has its overflows in it.
    over = [False] * len(values) if values.over is None or per_candidate else values.over.tolist()
    offsets = values.offsets.tolist()
    found = [
        OVERFLOW if spoilt else make({name: part[lo:hi] for name, part in members.items()})
        for lo, hi, spoilt in zip(offsets[:-1], offsets[1:], over, strict=True)
    ]
    if values.known is not None:
        for row in np.flatnonzero(~values.known):
            found[row] = None
    return found


def _maker(type: AnyType, *, per_candidate: bool) -> Callable[[dict[str, list[Any]]], Any]:
    """Return the function from the members of one row, by part, to its value."""
    if isinstance(type, MapType) and not per_candidate:
        return lambda parts: dict(zip(parts["key"], parts["value"], strict=True))
    if isinstance(type, RecordType):
        return lambda parts: parts
    return lambda parts: parts["item"]
