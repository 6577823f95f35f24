"""Keys as numbers: of one column the codes of its words, of several those of the combinations there are.

columns -> the codes of the first one -> with the next one's, packed -> numbered anew -> ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask, both

NOBODY = -1  # the number of no key


@dataclass(frozen=True, slots=True)
class _Step:
    """How numbers so far and codes of one more column become numbers: the PACKED ones there are."""

    size: int  # words of the column
    packed: Array


class Keys:
    """The keys that events have in COLUMNS, text, one value an event in each.

    number: that of each event's key, NOBODY where a column has no value.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._words = [column.words or () for column in columns]
        self._steps: list[_Step] = []
        first, *others = columns
        self.known: Mask | None = first.known
        number: Array = first.values
        for column in others:
            self.known = both(self.known, column.known)
            number = self._with(number, column)
        self.number = number if self.known is None else np.where(self.known, number, NOBODY)

    def _with(self, number: Array, column: Column) -> Array:
        """Return the numbers of the combinations of NUMBER and the values of one more COLUMN."""
        size = max(1, len(column.words or ()))
        packed, found = np.unique(number.astype(np.int64) * size + column.values, return_inverse=True)
        self._steps.append(_Step(size, packed))
        return found

    def __len__(self) -> int:
        return len(self._steps[-1].packed) if self._steps else len(self._words[0])

    def of(self, columns: Sequence[Column]) -> Array:
        """Return the numbers of the keys in other COLUMNS, NOBODY for those that no event has."""
        number, *others = (
            _recoded(column, words) for column, words in zip(columns, self._words, strict=True)
        )
        for step, codes in zip(self._steps, others, strict=True):
            packed = np.where((number < 0) | (codes < 0), NOBODY, number * step.size + codes)
            place = np.searchsorted(step.packed, packed)
            there = place < len(step.packed)
            there &= step.packed[np.where(there, place, 0)] == packed if len(step.packed) else False
            number = np.where(there, place, NOBODY)
        return number


def _recoded(column: Column, words: Sequence[str]) -> Array:
    """Return the place among WORDS of each value of COLUMN, NOBODY for another one and for null."""
    numbers = {word: number for number, word in enumerate(words)}
    table = np.array([numbers.get(word, NOBODY) for word in column.words or ()] or [NOBODY], np.int64)
    values = table[column.values]
    return values if column.known is None else np.where(column.known, values, NOBODY)
