"""Lists, maps and records of a column: where each row's members begin, and the members as columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask, Words
from stream.backfill.columnar.expansion import copy_runs, gathered
from stream.backfill.columnar.order import picked

_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Nested:
    """Members of row i: OFFSETS[i] to before OFFSETS[i + 1] of each of PARTS.

    over: rows that overflow, None if none does. known: those that are not null, None if none is; only labels
    have null lists, and they get them at last (stream.backfill.columnar.labels).

    A list has the part "item", a map "key" and "value", a record one for each of its names.
    """

    offsets: Array
    parts: Mapping[str, Column]
    over: Mask | None = None
    known: Mask | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: Array) -> Nested:
        """Return the rows of the numbers ROWS, in their order."""
        lo, hi = self.offsets[rows], self.offsets[rows + 1]
        parts = {name: runs_of(part, lo, hi) for name, part in self.parts.items()}
        return Nested(offsets_of(hi - lo), parts, None if self.over is None else self.over[rows])

    def but_over(self, over: Mask | None) -> Nested:
        """Return this with the rows of OVER overflowing."""
        if over is None or not over.any():
            return self
        return Nested(self.offsets, self.parts, over if self.over is None else self.over | over)


Values = Column | Nested


def offsets_of(counts: Array) -> Array:
    """Return where members begin, and end, of COUNTS of them in each row."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def joined(pieces: Sequence[Values]) -> Values:
    """Return PIECES of one type one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    columns = [piece for piece in pieces if isinstance(piece, Column)]
    if columns:
        return concatenated(columns)
    nested = [piece for piece in pieces if isinstance(piece, Nested)]
    parts = {name: concatenated([piece.parts[name] for piece in nested]) for name in nested[0].parts}
    over = None
    if any(piece.over is not None for piece in nested):
        over = np.concatenate([np.zeros(len(p), np.bool_) if p.over is None else p.over for p in nested])
    return Nested(offsets_of(np.concatenate([np.diff(piece.offsets) for piece in nested])), parts, over)


class Places:
    """Where the rows of pieces belong: PARTS, a piece each, are all rows of the result, each once."""

    def __init__(self, parts: Sequence[Array]) -> None:
        self.parts = parts
        self.count = sum(map(len, parts))
        self.back: Array = np.empty(self.count, np.int64)  # which row of the pieces each place takes
        self.back[np.concatenate(parts)] = np.arange(self.count)


def placed(pieces: Sequence[Values], places: Places) -> Values:
    """Return the rows of PIECES at their PLACES.

    Pieces may be `compact`; the result is not.
    """
    columns = [piece for piece in pieces if isinstance(piece, Column)]
    if columns:
        # Put one after the other they are read at random from the cache; written there, past it.
        return _spacious(_picked(concatenated(columns), places.back))
    nested = [piece for piece in pieces if isinstance(piece, Nested)]
    offsets = offsets_of(np.concatenate([np.diff(piece.offsets) for piece in nested])[places.back])

    def put(number: int, source: Array, target: Array) -> None:
        begins = nested[number].offsets
        copy_runs(source, begins[:-1], np.diff(begins), target, offsets[places.parts[number]])

    parts = {
        name: _scattered([piece.parts[name] for piece in nested], int(offsets[-1]), put)
        for name in nested[0].parts
    }
    over = None
    if any(piece.over is not None for piece in nested):
        given = [_mask(piece.over, len(piece), empty=False) for piece in nested]
        over = np.concatenate(given)[places.back]
    return Nested(offsets, parts, over)


def _picked(column: Column, rows: Array) -> Column:
    known, over = (None if mask is None else picked(mask, rows) for mask in (column.known, column.over))
    return Column(picked(column.values, rows), known, column.words, over)


def _spacious(column: Column) -> Column:
    """Return COLUMN with numbers as they are everywhere but in `compact` ones."""
    if column.words is not None or column.values.dtype.kind != "i":
        return column
    return replace(column, values=column.values.astype(np.int64, copy=False))


def compact(values: Values) -> Values:
    """Return VALUES with int64 as int32 where it holds them all: to wait for `placed` in half the memory."""
    if isinstance(values, Nested):
        return replace(values, parts={name: compact_column(part) for name, part in values.parts.items()})
    return compact_column(values)


def compact_column(column: Column) -> Column:
    """Return COLUMN as `compact` does."""
    values = column.values
    if values.dtype != np.int64 or not len(values):
        return column
    fits = values.min() >= _INT32.min and values.max() <= _INT32.max
    return replace(column, values=values.astype(np.int32)) if fits else column


# ---------------------------------------------------------------- columns end to end


def between(column: Column, start: int, end: int) -> Column:
    """Return the rows of COLUMN from START to before END; nothing is copied."""
    known, over = (None if mask is None else mask[start:end] for mask in (column.known, column.over))
    return Column(column.values[start:end], known, column.words, over)


def runs_of(column: Column, lo: Array, hi: Array) -> Column:
    """Return the rows of COLUMN in the ranges LO to before HI, range by range."""
    known, over = (None if mask is None else gathered(mask, lo, hi) for mask in (column.known, column.over))
    return Column(gathered(column.values, lo, hi), known, column.words, over)


def concatenated(columns: Sequence[Column]) -> Column:
    """Return COLUMNS of one type one after the other; of text, with words of their own where they differ."""
    if len(columns) == 1:
        return columns[0]
    columns, words = _of_one_vocabulary(columns)
    known, over = None, None
    if any(c.known is not None for c in columns):
        known = np.concatenate([_mask(c.known, len(c), empty=True) for c in columns])
    if any(c.over is not None for c in columns):
        over = np.concatenate([_mask(c.over, len(c), empty=False) for c in columns])
    return Column(np.concatenate([c.values for c in columns]), known, words, over)


def _mask(mask: Mask | None, length: int, *, empty: bool) -> Mask:
    return np.full(length, empty) if mask is None else mask


def _of_one_vocabulary(columns: Sequence[Column]) -> tuple[Sequence[Column], Words | None]:
    words = columns[0].words
    if words is None or all(c.words is words for c in columns):
        return columns, words
    numbers: dict[str, int] = {}
    recoded = []
    for one in columns:
        codes = [numbers.setdefault(word, len(numbers)) for word in one.words or ()]
        values = np.array(codes or [0], np.int32)[one.values if codes else np.zeros(len(one), np.intp)]
        recoded.append(replace(one, values=values))
    return recoded, Words(numbers)


def _scattered(columns: Sequence[Column], count: int, put: Callable[[int, Array, Array], None]) -> Column:
    """Return COLUMNS of one type as one of COUNT rows: PUT(number, its values or a mask, those of all)."""
    columns, words = _of_one_vocabulary(columns)
    dtype = columns[0].values.dtype
    values = np.zeros(count, np.int64 if dtype.kind == "i" and words is None else dtype)
    known = None if all(c.known is None for c in columns) else np.ones(count, np.bool_)
    over = None if all(c.over is None for c in columns) else np.zeros(count, np.bool_)
    for number, column in enumerate(columns):
        put(number, column.values, values)
        if known is not None and column.known is not None:
            put(number, column.known, known)
        if over is not None and column.over is not None:
            put(number, column.over, over)
    return Column(values, known, words, over)
