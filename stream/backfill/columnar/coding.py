"""Values as int64 codes: equal values, equal codes; and codes in the order that min has."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask, Words
from featuregraph.types import INT64_MAX, Type

_VOCABULARIES = 8  # of other columns, whose codes a coding keeps


@dataclass(slots=True)
class WordOrders:
    """The order of words by UTF-8 bytes, which is that of code points; found once for each vocabulary."""

    _known: dict[int, tuple[tuple[str, ...], Array, Array]] = field(default_factory=dict)

    def of(self, words: tuple[str, ...]) -> tuple[Array, Array]:
        """Return (codes in ascending order, rank of each code) of WORDS."""
        found = self._known.get(id(words))
        if found is None:
            order = np.array(sorted(range(len(words)), key=words.__getitem__), np.int64)
            ranks = np.empty_like(order)
            ranks[order] = np.arange(len(order))
            found = self._known[id(words)] = words, order, ranks  # holds WORDS, so that its id stays its own
        return found[1], found[2]


def sortable(type: Type, column: Column, orders: WordOrders) -> Array:
    """Return int64 that ascend as values of TYPE do; anything where COLUMN is not known."""
    if column.words is not None:
        ranks = orders.of(column.words)[1]
        return ranks[column.values] if len(ranks) else column.values.astype(np.int64)
    if type.kind == "float64":
        bits = column.values.view(np.int64)  # no NaN and no -0.0: of negative ones the bits descend
        return np.where(bits < 0, bits ^ INT64_MAX, bits)
    return column.values.astype(np.int64)


class Coding:
    """The codes of one column's values, from 0, and those of other columns' values among them."""

    def __init__(self, type: Type, column: Column, *, bits: int) -> None:
        """Code the known values of COLUMN in at most BITS bits, as it has fewer than 2**BITS rows."""
        self.words = column.words
        self._tables: tuple[tuple[Words, Array], ...] = ()  # replaced whole: threads share a table's coding
        self._values: Array | None = None
        self._least = 0
        known = column.values if column.known is None else column.values[column.known]
        if self.words is not None or type.kind == "boolean":
            self.size = 2 if self.words is None else len(self.words)
            return
        if not known.size:
            self.size = 0
            return
        if type.kind != "float64":
            self._least = int(known.min())
            self.size = int(known.max()) - self._least + 1
            if self.size.bit_length() <= bits:
                return
        self._values = np.unique(known)
        self.size = len(self._values)

    def of(self, column: Column) -> tuple[Array, Mask]:
        """Return the codes of COLUMN, and which of its values have one."""
        known = np.ones(len(column), np.bool_) if column.known is None else column.known
        if column.words is not self.words:
            return self._of_words(column, known)
        if not self.size:
            return np.zeros(len(column), np.int64), np.zeros(len(column), np.bool_)
        if self._values is None:
            codes = column.values.astype(np.int64)
            # No difference: it might leave int64.
            inside = (codes >= self._least) & (codes <= self._least + (self.size - 1)) & known
            return np.where(inside, codes - self._least, 0), inside
        codes = np.minimum(np.searchsorted(self._values, column.values), self.size - 1)
        return codes, (self._values[codes] == column.values) & known

    def _of_words(self, column: Column, known: Mask) -> tuple[Array, Mask]:
        codes = self._codes(column.words or Words(()))[np.where(known, column.values, 0)]
        found = known & (codes >= 0)
        return np.where(found, codes, 0), found

    def _codes(self, words: Words) -> Array:
        """Return the code of each of WORDS, -1 for another one; the vocabularies met last are kept."""
        for held, table in self._tables:
            if held is words:
                return table
        numbers = self.words.codes if self.words is not None else {}
        table = np.array([numbers.get(word, -1) for word in words] or [-1], np.int64)
        self._tables = (*self._tables[1 - _VOCABULARIES :], (words, table))
        return table
