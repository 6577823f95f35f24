"""Arrow arrays as columns and back, by type; what needs parsing is parsed once per different value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask, Words
from featuregraph.types import INT64_MIN, AnyType, ListType, MapType, Type
from stream.backfill.coded import coded
from stream.backfill.columnar.nested import Nested, Values, between
from stream.backfill.columnar.order import pieces
from stream.backfill.columnar.values import converted

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 65_536  # of one Arrow array


def column_of(given: Any, type: Type) -> tuple[Column, Mask | None]:
    """Return an Arrow array as a column of TYPE, and which rows are not of it; None if all are."""
    import pyarrow as pa

    array = given
    if isinstance(given, pa.ChunkedArray):  # combine_chunks copies what is one already
        array = given.chunk(0) if given.num_chunks == 1 else given.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # more text than one array holds
        array = pa.concat_arrays([chunk.cast(pa.large_string()) for chunk in array.chunks])
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("ms", array.type.tz)).cast(pa.int64())
    found = _as_it_stands(array, type)
    return _by_value(array, type) if found is None else found


def _as_it_stands(array: pa.Array, type: Type) -> tuple[Column, Mask | None] | None:
    """Return numbers and booleans whose Arrow type holds nothing else; None for the others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    known = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
    integral = pa.types.is_integer(kind) and kind != pa.uint64()
    if type.kind == "boolean" and pa.types.is_boolean(kind):
        return Column(pc.fill_null(array, False).to_numpy(zero_copy_only=False), known), None
    if known is not None and (integral or pa.types.is_floating(kind)):
        array = pc.fill_null(array, 0)
    if type.is_integral and integral:
        return Column(array.to_numpy().astype(np.int64, copy=False), known), None
    if type.kind == "float64" and integral:
        return Column(array.to_numpy().astype(np.float64), known), None
    if type.kind == "float64" and pa.types.is_floating(kind):
        values = array.to_numpy().astype(np.float64, copy=False)
        if not all((part.view(np.int64) != INT64_MIN).all() for part in pieces(values)):
            values = values + 0.0  # no -0.0
        if all(np.isfinite(part).all() for part in pieces(values)):
            return Column(values, known), None
        finite = np.isfinite(values)
        # A null was filled with a number, so that what is not finite was there.
        return Column(np.where(finite, values, 0.0), finite if known is None else finite & known), ~finite
    return None


def _by_value(array: pa.Array, type: Type) -> tuple[Column, Mask | None]:
    """Return ARRAY with each different value converted once."""
    import pyarrow as pa

    if not pa.types.is_dictionary(array.type):
        try:
            array = coded(array)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            return converted(type, array.to_pylist())
    values, bad = _words(array.dictionary, type) or converted(type, array.dictionary.to_pylist() or [None])
    codes = array.indices
    known = codes.is_valid().to_numpy(zero_copy_only=False) if codes.null_count else None
    codes = (codes.fill_null(0) if codes.null_count else codes).to_numpy()
    if values.words is not None and len(values.words) == len(values):  # each code stands for its own word
        found = Column(codes.astype(np.int32, copy=False), None, values.words)
    else:
        found = values.take(codes)
    if known is not None:
        found = Column(found.values, known if found.known is None else found.known & known, found.words)
    if bad is None:
        return found, None
    spread = bad[codes]
    return found, spread if known is None else spread & known


def _words(dictionary: pa.Array, type: Type) -> tuple[Column, None] | None:
    """Return text, or integers as text, as they stand; None where they need converting, or stand twice."""
    kind = dictionary.type
    if not type.is_text or not len(dictionary) or dictionary.null_count or not _has_text(kind):
        return None
    words = Words(map(str, dictionary.to_pylist()))
    if len(set(words)) < len(words):
        return None
    return Column(np.arange(len(words), dtype=np.int32), None, words), None


def _has_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_signed_integer(kind)
    )


def always_of(kind: pa.DataType, type: Type) -> bool:
    """Tell whether every value of an Arrow type is one of TYPE."""
    import pyarrow as pa

    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    if type.is_text:
        return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))
    if type.kind == "boolean":
        return bool(pa.types.is_boolean(inner))
    return type.kind in ("int64", "timestamp", "float64") and bool(pa.types.is_signed_integer(inner))


# ---------------------------------------------------------------- values out


def arrays_of(type: AnyType, values: Values, *, per_candidate: bool = False) -> pa.ChunkedArray:
    """Return VALUES of TYPE as Arrow, some rows at a time: an array holds so much text and no more."""
    import pyarrow as pa

    starts = range(0, max(len(values), 1), _ROWS)
    return pa.chunked_array(
        [_array(type, _slice(values, start), per_candidate=per_candidate) for start in starts]
    )


def _slice(values: Values, start: int) -> Values:
    if isinstance(values, Column):
        return between(values, start, start + _ROWS)
    offsets = values.offsets[start : start + _ROWS + 1]
    parts = {name: between(part, offsets[0], offsets[-1]) for name, part in values.parts.items()}
    known = None if values.known is None else values.known[start : start + _ROWS]
    return Nested(offsets - offsets[0], parts, known=known)


def _array(type: AnyType, values: Values, *, per_candidate: bool) -> pa.Array:
    import pyarrow as pa

    if isinstance(values, Column):
        assert isinstance(type, Type)
        return _scalars(type, values)
    # A null where a list begins says that it is none.
    null = None if values.known is None else np.append(~values.known, np.False_)
    offsets = pa.array(values.offsets, pa.int32(), mask=null)
    if isinstance(type, MapType):
        keys, items = _scalars(type.key, values.parts["key"]), _scalars(type.value, values.parts["value"])
        return pa.MapArray.from_arrays(offsets, keys, items)
    item = type if per_candidate else type.item if isinstance(type, ListType) else None
    assert isinstance(item, Type)
    return pa.ListArray.from_arrays(offsets, _scalars(item, values.parts["item"]))


def _scalars(type: Type, values: Column) -> pa.Array:
    import pyarrow as pa

    mask = None if values.known is None else ~values.known
    if values.words is not None:
        codes = pa.array(values.values, mask=mask)
        return pa.array(values.words, pa.string()).take(codes)
    if type.kind == "decimal":
        return _decimals(type, values.values, mask)
    if type.kind == "vector":
        known = [True] * len(values) if values.known is None else values.known.tolist()
        rows = [list(v) if k else None for v, k in zip(values.values.tolist(), known, strict=True)]
        return pa.array(rows, pa.list_(pa.float32(), type.param))
    return pa.array(values.values, mask=mask)


def _decimals(type: Type, values: Array, mask: Mask | None) -> pa.Array:
    """Return scaled int64 as decimal128: two words each, the sign in the upper one."""
    import pyarrow as pa

    words = np.empty((len(values), 2), np.int64)
    words[:, 0] = values
    words[:, 1] = values >> 63
    valid = None if mask is None else pa.array(~mask).buffers()[1]
    return pa.Array.from_buffers(
        pa.decimal128(19, type.scale), len(values), [valid, pa.py_buffer(np.ascontiguousarray(words))]
    )
