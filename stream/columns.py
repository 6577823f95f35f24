"""Values of rows by column, as small as their types allow: what a window remembers of rows that may leave.

    int64, decimal, timestamp    arrays of the narrowest integers that hold all values; the least one is null
    float64                      array of doubles; NaN is null, infinity is OVERFLOW: no row holds either
    text, boolean                array of codes into a dictionary, which all columns of a key share
    what does not fit            a list

A column gives back exactly the values that it was given, of the same types.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Sequence
from math import inf, isnan, nan
from typing import Any, Final

from featuregraph.scalar import OVERFLOW
from featuregraph.types import AnyType, Type

_SIGNED: Final = "bhiq"
_UNSIGNED: Final = "BHIQ"
_INT_BYTES: Final = 28  # of an int object beyond the small ones, which Python makes once
_SMALL: Final = 257


class Misfit(Exception):  # noqa: N818 - no error: the column is exchanged for a list
    """A value that a column can not hold; the column is as before."""


class Column(ABC):
    """Values by number; `_data` has one element for each, whatever stands for it there."""

    __slots__ = ("_data",)
    _data: Any

    @abstractmethod
    def extend(self, values: Sequence[Any]) -> None:
        """Append VALUES; raise Misfit if one has no form here."""

    @abstractmethod
    def insert(self, at: int, value: Any) -> None:
        """Put VALUE before number AT; raise Misfit if it has no form here."""

    @abstractmethod
    def take(self, start: int, end: int) -> Sequence[Any]:
        """Return the values from START to before END."""

    def drop(self, count: int) -> None:
        """Forget the first COUNT values."""
        del self._data[:count]

    def codes(self) -> Iterable[int]:
        """Return the codes of a dictionary that stand here."""
        return ()

    @property
    def bytes(self) -> int:
        """Return the bytes held, but for what is shared."""
        return sys.getsizeof(self) + sys.getsizeof(self._data)


class Integers(Column):
    """Integers, None among them, in the narrowest array that holds all."""

    __slots__ = ("_null", "_nulls")
    _data: array[int]

    def __init__(self) -> None:
        self._data = array(_SIGNED[0])
        self._null = _least(self._data)
        self._nulls = False  # whether None is, or was, among the values

    def extend(self, values: Sequence[Any]) -> None:
        """Append VALUES."""
        try:
            fresh = array(self._data.typecode, values)
        except (TypeError, OverflowError):  # not all are integers of this width
            self._extend_fitted(values)
        else:
            if self._null in values:
                self._extend_fitted(values)
            else:
                self._data.extend(fresh)

    def _extend_fitted(self, values: Sequence[Any]) -> None:
        known = [x for x in values if x is not None]
        if OVERFLOW in known:
            raise Misfit
        if known:
            self._fit(min(known), max(known))
        self._nulls = self._nulls or len(known) < len(values)
        null = self._null
        self._data.extend(array(self._data.typecode, [null if x is None else x for x in values]))

    def insert(self, at: int, value: Any) -> None:
        """Put VALUE before number AT."""
        if value is None:
            self._nulls = True
            value = self._null
        elif value is OVERFLOW:
            raise Misfit
        else:
            self._fit(value, value)
        self._data.insert(at, value)

    def _fit(self, least: int, most: int) -> None:
        """Make room for values from LEAST to MOST."""
        while least <= self._null or most >= -self._null:
            self._widen()

    def _widen(self) -> None:
        code = self._data.typecode
        if code == _SIGNED[-1]:
            raise Misfit
        wider = array(_SIGNED[_SIGNED.index(code) + 1], self._data)
        null, self._null = self._null, _least(wider)
        if self._nulls:
            wider = array(wider.typecode, [self._null if x == null else x for x in wider])
        self._data = wider

    def take(self, start: int, end: int) -> Sequence[Any]:
        """Return the values from START to before END."""
        found = self._data[start:end]
        if not self._nulls:
            return found
        null = self._null
        return [None if x == null else x for x in found]


class Floats(Column):
    """Doubles, None and OVERFLOW among them."""

    __slots__ = ("_odd",)
    _data: array[float]

    def __init__(self) -> None:
        self._data = array("d")
        self._odd = False  # whether something else than a double is, or was, among the values

    def extend(self, values: Sequence[Any]) -> None:
        """Append VALUES."""
        try:
            fresh = array("d", values)
        except TypeError:
            fresh = array("d", list(map(_stored, values)))
            self._odd = True
        self._data.extend(fresh)

    def insert(self, at: int, value: Any) -> None:
        """Put VALUE before number AT."""
        self._odd = self._odd or value is None or value is OVERFLOW
        self._data.insert(at, _stored(value))

    def take(self, start: int, end: int) -> Sequence[Any]:
        """Return the values from START to before END."""
        found = self._data[start:end]
        if not self._odd:
            return found
        return [x if x - x == 0.0 else None if isnan(x) else OVERFLOW for x in found]


class Dictionary:
    """Distinct values, each once, under a code.

    Nobody counts where a code stands: once as many values are new as there were before, `is_due` tells that a
    `sweep` is worth its while, which forgets those that no column holds any more.
    """

    __slots__ = ("_codes", "_free", "_new", "_owned", "values")

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._codes: dict[Any, int] = {}
        self._free: list[int] = []
        self._new = 0  # values since the last sweep
        self._owned = 0  # bytes of the values

    def codes(self, values: Sequence[Any]) -> list[int]:
        """Return the code of each of VALUES."""
        found = list(map(self._codes.get, values))
        if None in found:
            for value, code in zip(values, found, strict=True):
                if code is None:
                    self._code(value)
            found = list(map(self._codes.get, values))
        return found  # type: ignore[return-value]

    def _code(self, value: Any) -> int:
        code = self._codes.get(value)
        if code is None:
            code = self._free.pop() if self._free else len(self.values)
            if code == len(self.values):
                self.values.append(None)
            self.values[code] = value
            self._codes[value] = code
            self._owned += _owned(value, code)
            self._new += 1
        return code

    @property
    def is_due(self) -> bool:
        """Tell whether a sweep is worth its while."""
        return self._new > _SMALL + len(self._codes) // 2

    def sweep(self, held: Iterable[Column]) -> None:
        """Forget the values that no column of HELD holds; low codes are given again first."""
        used: set[int] = set()
        for column in held:
            used.update(column.codes())
        self._codes = {value: code for value, code in self._codes.items() if code in used}
        self._owned = sum(_owned(value, code) for value, code in self._codes.items())
        del self.values[1 + max(used, default=-1) :]
        self._free = [code for code in range(len(self.values) - 1, -1, -1) if code not in used]
        for code in self._free:
            self.values[code] = None
        self._new = 0

    @property
    def bytes(self) -> int:
        """Return the bytes held."""
        tables = (self, self.values, self._codes, self._free)
        return sum(map(sys.getsizeof, tables)) + self._owned


class Coded(Column):
    """Values that occur again and again, as codes of a dictionary."""

    __slots__ = ("_dictionary",)
    _data: array[int]

    def __init__(self, dictionary: Dictionary) -> None:
        self._data = array(_UNSIGNED[0])
        self._dictionary = dictionary

    def extend(self, values: Sequence[Any]) -> None:
        """Append VALUES."""
        codes = self._dictionary.codes(values)
        try:
            fresh = array(self._data.typecode, codes)
        except OverflowError:
            self._fit(max(codes))
            fresh = array(self._data.typecode, codes)
        self._data.extend(fresh)

    def insert(self, at: int, value: Any) -> None:
        """Put VALUE before number AT."""
        (code,) = self._dictionary.codes([value])
        self._fit(code)
        self._data.insert(at, code)

    def _fit(self, most: int) -> None:
        while most >= 1 << 8 * self._data.itemsize:
            self._data = array(_UNSIGNED[_UNSIGNED.index(self._data.typecode) + 1], self._data)

    def take(self, start: int, end: int) -> Sequence[Any]:
        """Return the values from START to before END."""
        return list(map(self._dictionary.values.__getitem__, self._data[start:end]))

    def codes(self) -> Iterable[int]:
        """Return the codes that stand here."""
        return self._data


class Listed(Column):
    """Any values, as they are."""

    __slots__ = ()
    _data: list[Any]

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self._data = list(values)

    def extend(self, values: Sequence[Any]) -> None:
        """Append VALUES."""
        self._data.extend(values)

    def insert(self, at: int, value: Any) -> None:
        """Put VALUE before number AT."""
        self._data.insert(at, value)

    def take(self, start: int, end: int) -> Sequence[Any]:
        """Return the values from START to before END."""
        return self._data[start:end]

    @property
    def bytes(self) -> int:
        """Return about the bytes held: integers as large ones, which is why they are here."""
        return sys.getsizeof(self) + sys.getsizeof(self._data) + (_INT_BYTES + 8) * len(self._data)


def column_of(type: AnyType, dictionary: Dictionary) -> Column:
    """Return a new column for values of TYPE."""
    assert isinstance(type, Type), "what stands in a row is a scalar"
    if type.kind == "float64":
        return Floats()
    if type.kind in ("int64", "decimal", "timestamp"):
        return Integers()
    return Coded(dictionary)


def _least(data: array[int]) -> int:
    return -1 << (8 * data.itemsize - 1)


def _stored(value: Any) -> Any:
    return nan if value is None else inf if value is OVERFLOW else value


def _owned(value: Any, code: int) -> int:
    text = sys.getsizeof(value) if value.__class__ is str else 0
    return text + (_INT_BYTES if code >= _SMALL else 0)
