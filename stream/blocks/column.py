"""One column: a list of scalars and nulls as bytes, and what those bytes are read as.

    nulls: a bit per value, where there are any, then
    values: int64, doubles, doubles that are short decimals, booleans, texts, or JSON where kinds are mixed

Every value comes back with its class and its bits: 1, 1.0 and True are three values, -0.0 is not 0.0.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.blocks import texts
from stream.blocks.ints import Int64s, Ints, Take, pack, pack_flags, pack_mask, unpack
from stream.blocks.texts import KeyedTexts, NumberedTexts, PlainTexts
from stream.errors import BlockError

_SCALES: Final = (0, 1, 2, 3, 4, 6)
_EXACT: Final = 2.0**53
_TRIED: Final = 4  # doubles that tell whether a scale is worth a try
_MOST_SCALE: Final = 15  # 10**15 is a double


class Whole(msgspec.Struct, array_like=True, frozen=True, tag="int"):
    """Integers."""

    numbers: Ints


class Scaled(msgspec.Struct, array_like=True, frozen=True, tag="scaled"):
    """Doubles that are an integer divided by 10**SCALE."""

    scale: int
    numbers: Ints


class Double(msgspec.Struct, array_like=True, frozen=True, tag="double"):
    """Doubles, in planes of bytes."""


class Flag(msgspec.Struct, array_like=True, frozen=True, tag="bool"):
    """Booleans."""

    numbers: Ints


class Mixed(msgspec.Struct, array_like=True, frozen=True, tag="json"):
    """A JSON list; what is bytes in memory stands there as a list of one text."""

    size: int


Kind = Whole | Scaled | Double | Flag | Mixed | texts.Plain | texts.Hex | texts.Numbered | texts.Keyed


class Form(msgspec.Struct, array_like=True, frozen=True):
    """How a column is packed."""

    present: int  # values that are not null
    nulls: Ints | None  # None: all are present, or none
    kind: Kind | None  # None: all are null


class Numbers:
    """Integers; SCALE: doubles, each of them such an integer divided by 10**SCALE."""

    def __init__(self, numbers: Int64s, scale: int | None = None) -> None:
        self.numbers = numbers
        self.scale = scale

    def cut(self, first: int, last: int) -> Numbers:
        """Return the values from FIRST to before LAST."""
        return Numbers(self.numbers[first:last], self.scale)

    def values(self) -> list[Any]:
        """Return the numbers."""
        if self.scale is None:
            whole: list[Any] = self.numbers.tolist()
            return whole
        quotients: list[Any] = (self.numbers / 10.0**self.scale).tolist()
        return quotients


class Array:
    """Doubles or booleans, as an array."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    def cut(self, first: int, last: int) -> Array:
        """Return the values from FIRST to before LAST."""
        return Array(self.array[first:last])

    def values(self) -> list[Any]:
        """Return the values."""
        found: list[Any] = self.array.tolist()
        return found


class Scalars:
    """Values of any kinds."""

    def __init__(self, scalars: list[Any]) -> None:
        self.scalars = scalars

    def cut(self, first: int, last: int) -> Scalars:
        """Return the values from FIRST to before LAST."""
        return Scalars(self.scalars[first:last])

    def values(self) -> list[Any]:
        """Return the values."""
        return self.scalars


Data = Numbers | Array | Scalars | NumberedTexts | PlainTexts | KeyedTexts


class Column:
    """COUNT values: those of DATA, with nulls where PRESENT is false."""

    def __init__(self, count: int, data: Data, present: NDArray[np.bool_] | None = None) -> None:
        self.count = count
        self.data = data
        self.present = present

    def cut(self, first: int, last: int) -> Column:
        """Return the values from FIRST to before LAST."""
        if (first, last) == (0, self.count):
            return self
        if self.present is None:
            return Column(last - first, self.data.cut(first, last))
        before, inside = int(self.present[:first].sum()), int(self.present[first:last].sum())
        return Column(last - first, self.data.cut(before, before + inside), self.present[first:last])

    @property
    def is_null(self) -> bool:
        """Tell whether all values are null."""
        return self.present is not None and not self.present.any()

    def values(self) -> list[Any]:
        """Return the values, None for null."""
        return self.spread(self.data.values())

    def spread(self, values: list[Any]) -> list[Any]:
        """Return VALUES, one for each that is present, with None at the others."""
        if self.present is None:
            return values
        found: list[Any] = [None] * self.count
        for place, value in zip(np.flatnonzero(self.present).tolist(), values, strict=True):
            found[place] = value
        return found


def nothing(count: int) -> Column:
    """Return a column of COUNT nulls."""
    return Column(count, Scalars([]), np.zeros(count, np.bool_))


# ---------------------------------------------------------------- writing


def pack_column(values: list[Any]) -> tuple[Form, bytes]:
    """Return VALUES, scalars and nulls, as bytes and what they are."""
    kinds = set(map(type, values))
    if not kinds - {type(None)}:
        return Form(0, None, None), b""
    if type(None) not in kinds:
        kind, packed = pack_values(values, kinds)
        return Form(len(values), None, kind), packed
    kinds.discard(type(None))
    flags, nulls = pack_flags([value is None for value in values])
    present = [value for value in values if value is not None]
    kind, packed = pack_values(present, kinds)
    return Form(len(present), flags, kind), nulls + packed


def pack_values(values: list[Any], kinds: set[type]) -> tuple[Kind, bytes]:
    """Return VALUES, scalars of these KINDS, as bytes and what they are."""
    if kinds == {str}:
        return texts.pack_texts(values)
    if kinds == {int}:
        try:
            numbers, packed = pack(values)
        except OverflowError:
            return _mixed(values)
        return Whole(numbers), packed
    if kinds == {float}:
        return _doubles(values)
    if kinds == {bool}:
        numbers, packed = pack_flags(values)
        return Flag(numbers), packed
    return _mixed(values)


def _doubles(values: list[float]) -> tuple[Scaled | Double, bytes]:
    array = np.array(values, np.float64)
    scale = next((s for s in _SCALES if all(_has_scale(value, s) for value in values[:_TRIED])), None)
    if scale is not None and (whole := _scaled(array, scale)) is not None:
        numbers, packed = pack(whole.tolist())
        return Scaled(scale, numbers), packed
    return Double(), _planes(array)


def pack_array(array: NDArray[Any]) -> tuple[Double | Flag, bytes]:
    """Return doubles or booleans as bytes and what they are."""
    if array.dtype == np.bool_:
        numbers, packed = pack_mask(array)
        return Flag(numbers), packed
    return Double(), _planes(array)


def _planes(doubles: NDArray[np.float64]) -> bytes:
    return np.ascontiguousarray(doubles, "<f8").view(np.uint8).reshape(-1, 8).T.tobytes()


def _has_scale(value: float, scale: int) -> bool:
    return abs(value) * 10.0**scale < _EXACT and round(value * 10.0**scale) / 10.0**scale == value


def _scaled(values: NDArray[np.float64], scale: int) -> Int64s | None:
    """Return VALUES x 10**SCALE as integers, None unless a division gives back the same bits."""
    with np.errstate(over="ignore"):
        whole = np.rint(values * 10.0**scale)
    if not (np.abs(whole) < _EXACT).all():
        return None
    numbers = whole.astype(np.int64)
    again = numbers / 10.0**scale
    return numbers if (again.view(np.int64) == values.view(np.int64)).all() else None


def _mixed(values: list[Any]) -> tuple[Mixed, bytes]:
    packed = msgspec.json.encode([[v.decode()] if v.__class__ is bytes else v for v in values])
    return Mixed(len(packed)), packed


# ---------------------------------------------------------------- reading


def unpack_column(form: Form, count: int, take: Take) -> Column:
    """Return the column of COUNT values that FORM describes."""
    if form.kind is None:
        return nothing(count)
    if form.nulls is None:
        if form.present != count:
            raise BlockError(f"expected {count} values, found {form.present}")
        return Column(count, _data(form.kind, count, take))
    present = unpack(form.nulls, count, take) == 0
    if int(present.sum()) != form.present:
        raise BlockError(f"expected {form.present} values that are not null, found {int(present.sum())}")
    return Column(count, _data(form.kind, form.present, take), present)


def _data(kind: Kind, count: int, take: Take) -> Data:
    match kind:
        case Whole():
            return Numbers(unpack(kind.numbers, count, take))
        case Scaled():
            if not 0 <= kind.scale <= _MOST_SCALE:
                raise BlockError(f"expected at most {_MOST_SCALE} digits of doubles, found {kind.scale}")
            return Numbers(unpack(kind.numbers, count, take), kind.scale)
        case Double():
            planes = np.frombuffer(take(8 * count), np.uint8).reshape(8, count)
            return Array(np.ascontiguousarray(planes.T).view("<f8").reshape(count))
        case Flag():
            return Array(unpack(kind.numbers, count, take) != 0)
        case Mixed():
            return Scalars(_scalars(bytes(take(kind.size)), count))
        case _:
            return texts.unpack_texts(kind, count, take)


def _scalars(packed: bytes, count: int) -> list[Any]:
    found = msgspec.json.decode(packed)
    if not isinstance(found, list) or len(found) != count:
        raise BlockError(f"expected a list of {count} values, found another")
    return [value[0].encode() if value.__class__ is list else value for value in found]
