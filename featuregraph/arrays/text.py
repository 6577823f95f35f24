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


def numbered(left: Column, right: Column, *, in_order: bool) -> tuple[Array, Array]:
    """Return numbers that are equal where the texts of LEFT and RIGHT are, and IN_ORDER if asked for.

    Text compares by UTF-8 bytes: that is the order of code points, which is Python's.
    """
    if not in_order and left.words is right.words:
        return left.values, right.values
    if not in_order:
        for side, other in ((left, right), (right, left)):
            if other.words is not None and len(other.words) == 1:  # a literal, most often: its code is enough
                return side.values, np.full(len(other), _code(side.words or (), other.words[0]))
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
    words, places = _words(right)
    known = (left.words if isinstance(left.words, Words) else Words(left.words)).codes
    more = {word: len(known) + number for number, word in enumerate(w for w in words if w not in known)}
    table = np.array([known[word] if word in known else more[word] for word in words], np.int32)
    together = Words((*left.words, *more)) if more else left.words
    return (
        Column(left.values, left.known, together, left.over),
        Column(table[places], right.known, together, right.over),
    )


def _words(side: Column) -> tuple[list[str], Array]:
    """Return words of a column, those used among them, and the place of each row's, known or not."""
    codes = side.values
    if side.known is not None:
        codes = np.where(side.known, codes, 0)
    words = side.words or ("",)
    used, places = occurring(codes, len(words))
    return [words[code] for code in used.tolist()], places


def _code(words: tuple[str, ...], word: str) -> int:
    """Return the code of WORD in WORDS, -1 where it is none of them."""
    if isinstance(words, Words):
        return words.codes.get(word, -1)
    return words.index(word) if word in words else -1
