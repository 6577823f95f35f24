"""Operators on text: the scalar kernel once for each distinct value, or pair of values, then one gather."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from featuregraph.arrays.column import Array, Column, Words, column, made
from featuregraph.arrays.distinct import distinct, occurring
from featuregraph.ir import Node
from featuregraph.scalar import kernel


def per_value(node: Node, columns: Sequence[Column]) -> Column:
    """Return the value of NODE, computed once for each distinct value of its arguments together."""
    values, codes = distinct(columns[0])
    rows: list[tuple[Any, ...]] = [(value,) for value in values]
    for argument in columns[1:]:
        more, places = distinct(argument)
        used, codes = occurring(codes.astype(np.int64) * len(more) + places, len(rows) * len(more))
        rows = [(*rows[code // len(more)], more[code % len(more)]) for code in used.tolist()]
    function = kernel(node)
    return made(column(node.scalar, [function(*row) for row in rows]).take(codes))


# ---------------------------------------------------------------- two dictionaries


def equal_codes(left: Column, right: Column) -> tuple[Array, Array]:
    """Return numbers that are equal where the texts of both columns are."""
    if left.words is right.words:
        return left.values, right.values
    many, few = sorted((left, right), key=lambda side: -len(side.words or ()))
    return many.values, _codes_in(many.words or Words(), few)


def ranks(left: Column, right: Column) -> tuple[Array, Array]:
    """Return numbers in the order of the texts of both columns.

    Text compares by UTF-8 bytes: that is the order of code points, which is Python's.
    """
    sides = [_words(side) for side in (left, right)]
    numbers = {word: number for number, word in enumerate(sorted({*sides[0][0], *sides[1][0]}))}
    first, second = (np.array([numbers[word] for word in words])[places] for words, places in sides)
    return first, second


def one_dictionary(left: Column, right: Column) -> tuple[Column, Column]:
    """Return both columns of text with codes into the same words, LEFT's if nothing else is used."""
    assert left.words is not None
    if left.words is right.words:
        return left, right
    known = left.words.codes
    more = [word for word in _words(right)[0] if word not in known]
    words = Words((*left.words, *more)) if more else left.words
    codes = _codes_in(words, right).astype(np.int32)
    return (
        Column(left.values, left.known, words, left.over),
        Column(codes, right.known, words, right.over),
    )


def _codes_in(words: Words, side: Column) -> Array:
    """Return the code in WORDS of each row's text, -1 where it is none; anything where it is not known."""
    found, places = _words(side)
    codes: Array = np.array([words.codes.get(word, -1) for word in found])[places]
    return codes


def _words(side: Column) -> tuple[list[str], Array]:
    """Return words of a column, those used among them, and the place of each row's, known or not."""
    codes = side.values
    if side.known is not None:
        codes = np.where(side.known, codes, 0)
    words = side.words or ("",)
    used, places = occurring(codes, len(words))
    return [words[code] for code in used.tolist()], places
