"""Arrays of int64 as bytes: a base, and what is above it in as few bits as the largest needs.

    values - base           in 0, 1, 2 or 4 bits each, or in 1 to 8 whole bytes; or, where that is narrower,
    differences - base      of neighbours, which begin at `first`

Bytes stand in planes, all lowest ones first: what the compressor sees are runs of bytes that mean the same.
All arithmetic is modulo 2**64, so that any int64 is as good as any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.errors import BlockError

Int64s = NDArray[np.int64]
Take = Callable[[int], memoryview]  # the next bytes of a column, that many of them

_WORD: Final = 2**64 - 1
_BELOW_A_BYTE: Final = (0, 1, 2, 4)


class Ints(msgspec.Struct, array_like=True, frozen=True):
    """How an array is packed."""

    bits: int
    base: int
    first: int | None = None  # None: the values themselves, not their differences


def pack(values: Int64s) -> tuple[Ints, bytes]:
    """Return VALUES in the narrower of both forms."""
    if not len(values):
        return Ints(0, 0), b""
    plain = _above(values)
    if plain.bits > 1 and len(values) > 1:
        words = values.view(np.uint64)
        steps = _above((words[1:] - words[:-1]).view(np.int64))
        if steps.bits < plain.bits:
            return Ints(steps.bits, steps.base, int(values[0])), _squeezed(steps.words, steps.bits)
    return Ints(plain.bits, plain.base), _squeezed(plain.words, plain.bits)


def unpack(form: Ints, count: int, take: Take) -> Int64s:
    """Return the COUNT values of FORM."""
    if form.first is None:
        return _lifted(form, count, take)
    if count < 1:
        raise BlockError(f"expected at least one number behind a first one, found a count of {count}")
    values = np.empty(count, np.uint64)
    values[0] = form.first & _WORD
    values[1:] = _lifted(form, count - 1, take).view(np.uint64)
    return np.cumsum(values, dtype=np.uint64).view(np.int64)


class _Above:
    """Numbers above their smallest, as words, and the bits that the largest needs."""

    def __init__(self, base: int, words: NDArray[np.uint64]) -> None:
        self.base = base
        self.words = words
        needed = int(words.max()).bit_length()
        self.bits = next((bits for bits in _BELOW_A_BYTE if needed <= bits), (needed + 7) // 8 * 8)


def _above(values: Int64s) -> _Above:
    base = int(values.min())
    return _Above(base, values.view(np.uint64) - np.uint64(base & _WORD))


def _squeezed(words: NDArray[np.uint64], bits: int) -> bytes:
    if bits == 0:
        return b""
    low = np.ascontiguousarray(words, "<u8").view(np.uint8).reshape(len(words), 8)
    if bits >= 8:
        return low[:, : bits // 8].T.tobytes()
    digits = np.zeros(-(-len(words) * bits // 8) * (8 // bits), np.uint8)
    digits[: len(words)] = low[:, 0]
    shelves = digits.reshape(-1, 8 // bits)
    packed = np.zeros(len(shelves), np.uint8)
    for place in range(8 // bits):
        packed |= shelves[:, place] << (place * bits)
    return packed.tobytes()


def _lifted(form: Ints, count: int, take: Take) -> Int64s:
    """Return COUNT numbers above the base of FORM."""
    base = np.uint64(form.base & _WORD)
    if form.bits == 0:
        return np.full(count, base, np.uint64).view(np.int64)
    if form.bits in _BELOW_A_BYTE:
        packed = np.frombuffer(take(-(-count * form.bits // 8)), np.uint8)
        places: Any = np.arange(0, 8, form.bits, dtype=np.uint8)
        digits = (packed[:, None] >> places) & ((1 << form.bits) - 1)
        small: Int64s = (digits.reshape(-1)[:count].astype(np.uint64) + base).view(np.int64)
        return small
    if form.bits not in range(8, 65, 8):
        raise BlockError(f"expected numbers of 0, 1, 2, 4 or whole bytes of bits, found {form.bits}")
    width = form.bits // 8
    planes = np.frombuffer(take(width * count), np.uint8).reshape(width, count)
    words = np.zeros((count, 8), np.uint8)
    words[:, :width] = planes.T
    found: Int64s = (words.view("<u8").reshape(count).astype(np.uint64, copy=False) + base).view(np.int64)
    return found
