"""The columns that say which event it is, brought to one type: int64 times, text names and keys.

Whole columns at once where the type allows it; value by value, by the converters of the contract, where not.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featuregraph.convert import BAD, converter
from featuregraph.errors import EventError
from featuregraph.shown import shown
from featuregraph.types import IDENTIFIER, TIMESTAMP
from stream.backfill.coded import coded
from stream.backfill.intake.raw import Label

_integer, _identifier = converter(TIMESTAMP), converter(IDENTIFIER)
_SHORT = "^[+-]?[0-9]{1,18}$"  # texts of surely an int64
_CODED = pa.dictionary(pa.int32(), pa.string())


def integers(column: pa.Array, name: str, label: Label, step: str, *, required: bool) -> pa.Array:
    """Return COLUMN as int64.

    Raises:
        EventError: a value is none; or it is null and REQUIRED. STEP is the advice.
    """
    found = _fast_integers(column)
    if found is None:
        values = [_integer(value) for value in column.to_pylist()]
        bad = next((place for place, value in enumerate(values) if value is BAD), None)
        if bad is not None:
            raise _refused(column, bad, name, "int64", label, step)
        found = pa.array(values, pa.int64())
    if required and found.null_count:
        place = int(np.argmin(found.is_valid().to_numpy(zero_copy_only=False)))
        raise _refused(column, place, name, "int64", label, step)
    return found


def integers_or_null(column: pa.Array) -> pa.Array:
    """Return COLUMN as int64, what is none as null."""
    found = _fast_integers(column)
    if found is not None:
        return found
    values = [_integer(value) for value in column.to_pylist()]
    return pa.array([None if value is BAD else value for value in values], pa.int64())


def _fast_integers(column: pa.Array) -> pa.Array | None:
    type = column.type
    if pa.types.is_int64(type):
        return column
    if pa.types.is_null(type) or (pa.types.is_integer(type) and not pa.types.is_uint64(type)):
        return column.cast(pa.int64())
    if pa.types.is_timestamp(type):
        return column.cast(pa.timestamp("ms", type.tz)).cast(pa.int64())
    if pa.types.is_string(type) or pa.types.is_large_string(type):
        short = pc.match_substring_regex(column, _SHORT)
        if pc.all(short, min_count=0).as_py():
            return pc.replace_substring_regex(column, r"^\+", "").cast(pa.int64())
    return None


def names(column: pa.Array, name: str, label: Label) -> pa.DictionaryArray:
    """Return COLUMN as coded text; raise EventError where it is null or none."""
    found = texts(column, name, label)
    if found.null_count:
        place = int(np.argmin(found.is_valid().to_numpy(zero_copy_only=False)))
        raise _refused(column, place, name, "text", label, "give every event its name")
    return found


def texts(column: pa.Array, name: str, label: Label) -> pa.DictionaryArray:
    """Return COLUMN of identifiers as coded text, null where it has none.

    Raises:
        EventError: the column is of a type that no identifier can be.
    """
    type = column.type
    if pa.types.is_dictionary(type) and not column.dictionary.null_count:
        type = column.type.value_type
    elif pa.types.is_dictionary(type):
        column = column.dictionary_decode()
        type = column.type
    if pa.types.is_string(type) or pa.types.is_large_string(type):
        return _coded(column)
    if pa.types.is_null(type):
        return _coded(column.cast(pa.string()))
    if pa.types.is_integer(type) and not pa.types.is_uint64(type):
        return _coded(column if pa.types.is_dictionary(column.type) else coded(column))
    if pa.types.is_union(type) or pa.types.is_uint64(type):
        values = [_identifier(value) for value in column.to_pylist()]
        return _coded(pa.array([None if value is BAD else value for value in values], pa.string()))
    raise EventError(
        f"{label(0)}, column {name}: expected an identifier (text or int64), found the type {type};"
        " convert it"
    )


def _coded(column: pa.Array) -> pa.DictionaryArray:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if column.type == _CODED:
        return column
    indices, words = column.indices.cast(pa.int32()), column.dictionary.cast(pa.string())
    return pa.DictionaryArray.from_arrays(indices, words)


def _refused(column: pa.Array, place: int, name: str, type: str, label: Label, step: str) -> EventError:
    return EventError(
        f"{label(place)}, column {name}: expected {name} as {type}, found"
        f" {shown(column[place].as_py())}; {step}"
    )
