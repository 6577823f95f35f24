"""Operators on words: the scalar kernel once for each distinct value, or pair of values, then one gather."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from featuregraph.arrays.column import Array, Column, column, listed
from featuregraph.ir import Node
from featuregraph.scalar import OVERFLOW, kernel

_DENSE: Final = 4  # codes are marked in a table of up to so many places a row, else sorted


def per_value(node: Node, columns: Sequence[Column]) -> Column:
    """Return the value of NODE, computed once for each distinct value of its arguments together."""
    function = kernel(node)
    values, codes = _distinct(columns[0])
    rows: list[tuple[Any, ...]] = [(value,) for value in values]
    for argument in columns[1:]:
        more, places = _distinct(argument)
        used, codes = _used(codes * len(more) + places, len(rows) * len(more))
        rows = [(*rows[code // len(more)], more[code % len(more)]) for code in used.tolist()]
    return column(node.scalar, [function(*row) for row in rows]).take(codes)


def _distinct(argument: Column) -> tuple[list[Any], Array]:
    """Return the distinct values of a column, null and overflow among them, and the place of each row's."""
    known = argument.known
    if known is None:
        return _distinct_known(argument.values, argument.words)
    values, places = _distinct_known(argument.values[known], argument.words)
    codes = np.full(len(argument), len(values))
    codes[known] = places
    values.append(None)
    if argument.over is not None:
        codes[argument.over] = len(values)
        values.append(OVERFLOW)
    return values, codes


def _distinct_known(values: Array, words: tuple[str, ...] | None) -> tuple[list[Any], Array]:
    if words is None:
        used, codes = np.unique(values, return_inverse=True)
    else:
        used, codes = _used(values, len(words))
    return listed(Column(used, None, words)), codes


def _used(codes: Array, size: int) -> tuple[Array, Array]:
    """Return which of the codes 0 to SIZE - 1 occur, ascending, and the place of each row's among them."""
    if size > _DENSE * len(codes):
        used, places = np.unique(codes, return_inverse=True)
        return used, places
    marks = np.zeros(size, np.bool_)
    marks[codes] = True
    return np.flatnonzero(marks), (np.cumsum(marks) - 1)[codes]


# ---------------------------------------------------------------- two dictionaries


def numbered(left: Column, right: Column, *, in_order: bool) -> tuple[Array, Array]:
    """Return numbers that are equal where the texts of LEFT and RIGHT are, and IN_ORDER if asked for.

    Text compares by UTF-8 bytes: that is the order of code points, which is Python's.
    """
    if left.words is right.words and not in_order:
        return left.values, right.values
    sides = [_words(side) for side in (left, right)]
    found = dict.fromkeys(word for words, _ in sides for word in words)
    numbers = {word: number for number, word in enumerate(sorted(found) if in_order else found)}
    first, second = (np.array([numbers[word] for word in words])[places] for words, places in sides)
    return first, second


def one_dictionary(left: Column, right: Column) -> tuple[Column, Column]:
    """Return both columns of text with codes into the same words, LEFT's if nothing else is used."""
    assert left.words is not None
    if left.words is right.words:
        return left, right
    codes = {word: code for code, word in enumerate(left.words)}
    words, places = _words(right)
    table = np.array([codes.setdefault(word, len(codes)) for word in words], np.int32)
    together = left.words if len(codes) == len(left.words) else tuple(codes)
    return (
        Column(left.values, left.known, together, left.over),
        Column(table[places], right.known, together, right.over),
    )


def _words(side: Column) -> tuple[list[str], Array]:
    """Return the words that a column uses, and the place of each row's; anything where it is not known."""
    codes = side.values
    if side.known is not None:
        codes = np.where(side.known, codes, 0)
    words = side.words or ("",)
    used, places = _used(codes, len(words))
    return [words[code] for code in used.tolist()], places
