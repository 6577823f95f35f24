"""A column: one value per row in NumPy arrays, null and overflow as masks beside them.

    int64, decimal, timestamp    int64, a decimal scaled as everywhere inside
    float64                      float64, never NaN, infinite or -0.0 where it is known
    boolean                      bool
    string, category, identifier int32 codes into `words`

An operator takes columns of any number of rows and of one row, which stands for all: a literal is a column
of one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from featuregraph.scalar import OVERFLOW
from featuregraph.types import Type

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class Words(tuple[str, ...]):  # noqa: SLOT001 - a tuple with room for what is found out
    """The words of a dictionary, which many columns share: what is found out of them is found once."""

    @cached_property
    def codes(self) -> dict[str, int]:
        """Return the code of each word."""
        return {word: code for code, word in enumerate(self)}


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Values of one type by row.

    Args:
        values: the values; where a row is not known, anything.
        known: which rows have a value, None if all have.
        words: of text, the words that codes stand for: each once, in any order, perhaps more than are used.
        over: which rows overflow (never known ones), None if none does.

    A row that is neither known nor over is null.
    """

    values: Array
    known: Mask | None = None
    words: Words | None = None
    over: Mask | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Array) -> Column:
        """Return the values at ROWS (their numbers, or a mask of them)."""
        return self._each(lambda array: array[rows])

    def spread(self, length: int) -> Column:
        """Return the column with LENGTH rows: what stands for all rows in each of them."""
        return self if len(self) == length else self._each(lambda array: np.broadcast_to(array, length))

    def _each(self, function: Any) -> Column:
        known, over = (None if mask is None else function(mask) for mask in (self.known, self.over))
        return Column(function(self.values), known, self.words, over)

    def but_over(self, over: Mask | None) -> Column:
        """Return the column with the rows of OVER, those known so far, overflowing."""
        if over is None:
            return self
        if self.known is not None:
            over = over & self.known
        known = ~over if self.known is None else self.known & ~over
        return made(replace(self, known=known, over=either(self.over, over)))


def made(column: Column) -> Column:
    """Return COLUMN with masks as long as its values, and without those that say nothing."""
    shape = column.values.shape
    known, over = (None if m is None else np.broadcast_to(m, shape) for m in (column.known, column.over))
    if known is not None and known.all():
        known = None
    if over is not None and not over.any():
        over = None
    return Column(column.values, known, column.words, over)


def both(left: Mask | None, right: Mask | None) -> Mask | None:
    """Return where LEFT and RIGHT hold; None holds everywhere."""
    return right if left is None else left if right is None else left & right


def either(left: Mask | None, right: Mask | None) -> Mask | None:
    """Return where LEFT or RIGHT holds; None holds nowhere."""
    return right if left is None else left if right is None else left | right


def strict(values: Array, *columns: Column, valid: Mask | None = None) -> Column:
    """Return the VALUES of an operator that passes null and overflow of COLUMNS on; null where not VALID."""
    known, over = valid, None
    for column in columns:
        known, over = both(known, column.known), either(over, column.over)
    return made(Column(values, known, None, over))


# ---------------------------------------------------------------- from and to Python


def dtype(type: Type) -> Any:
    """Return the NumPy type of the values of a column of TYPE."""
    if type.is_text:
        return np.int32
    return {"float64": np.float64, "boolean": np.bool_}.get(type.kind, np.int64)


def column(type: Type, values: Iterable[Any]) -> Column:
    """Return internal VALUES of TYPE, None and OVERFLOW among them, as a column."""
    values = list(values)
    known = np.array([v is not None and v is not OVERFLOW for v in values], np.bool_)
    over = np.array([v is OVERFLOW for v in values], np.bool_)
    words = None
    plain: list[Any] = [v if k else 0 for v, k in zip(values, known.tolist(), strict=True)]
    if type.is_text:
        codes: dict[str, int] = {}
        plain = [codes.setdefault(v, len(codes)) if v.__class__ is str else 0 for v in plain]
        words = Words(codes)
    return made(Column(np.array(plain, dtype(type)), known, words, over))


def listed(column: Column) -> list[Any]:
    """Return the internal values of COLUMN as a list, None and OVERFLOW among them."""
    values: list[Any] = column.values.tolist()
    if column.known is None:
        return _spelled(values, column.words)
    known = column.known.tolist()
    over = [False] * len(values) if column.over is None else column.over.tolist()
    if column.words is not None:
        values = [column.words[v] if k else None for v, k in zip(values, known, strict=True)]
    return [v if k else OVERFLOW if o else None for v, k, o in zip(values, known, over, strict=True)]


def _spelled(values: list[Any], words: Sequence[str] | None) -> list[Any]:
    return values if words is None else [words[code] for code in values]
