"""Arrays of int64 as bytes: a base, and what is above it in as few bits as the largest needs.

    values - base           in 0, 1, 2 or 4 bits each, or in 1 to 8 whole bytes; or, where that is narrower,
    differences - base      of neighbours, which begin at `first`

Bytes stand in planes, all lowest ones first: what the compressor sees are runs of bytes that mean the same.
All arithmetic is modulo 2**64, so that any int64 is as good as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from featuregraph.types import INT64_MAX, INT64_MIN
from stream.errors import BlockError

Int64s = NDArray[np.int64]
Take = Callable[[int], memoryview]  # the next bytes of a column, that many of them

_WORD: Final = 2**64 - 1
_BELOW_A_BYTE: Final = (0, 1, 2, 4)
_BITS: Final = (0, 1, 2, 4, 4, *((needed + 7) // 8 * 8 for needed in range(5, 65)))  # by those needed
_TRIED: Final = 9  # values that tell whether differences are worth a try


class Ints(msgspec.Struct, array_like=True, frozen=True):
    """How an array is packed."""

    bits: int
    base: int
    first: int | None = None  # None: the values themselves, not their differences


def pack(values: Sequence[int]) -> tuple[Ints, bytes]:
    """Return VALUES in the narrower of both forms; OverflowError if one is no int64."""
    if not values or values.count(values[0]) == len(values):
        return Ints(0, _int64(values[0]) if values else 0), b""
    return _pack(np.array(values, np.int64), min(values), max(values))


def pack_int64s(array: Int64s) -> tuple[Ints, bytes]:
    """Return ARRAY, which is not empty, as `pack` does its values."""
    low, high = int(array.min()), int(array.max())
    return (Ints(0, low), b"") if low == high else _pack(array, low, high)


def _pack(array: Int64s, low: int, high: int) -> tuple[Ints, bytes]:
    bits = _bits(high - low)
    if bits > 1 and _steps_are_smaller(array[:_TRIED].tolist(), high - low):
        words = array.view(np.uint64)
        steps = (words[1:] - words[:-1]).view(np.int64)
        least, most = int(steps.min()), int(steps.max())
        if (narrow := _bits(most - least)) < bits:
            return Ints(narrow, least, int(array[0])), _squeezed(steps, least, narrow)
    return Ints(bits, low), _squeezed(array, low, bits)


def pack_flags(flags: Sequence[bool]) -> tuple[Ints, bytes]:
    """Return FLAGS as `pack` does ones and zeros."""
    if not flags or flags.count(flags[0]) == len(flags):
        return Ints(0, int(flags[0]) if flags else 0), b""
    return Ints(1, 0), _bits_of(np.array(flags, np.bool_))


def pack_mask(flags: NDArray[np.bool_]) -> tuple[Ints, bytes]:
    """Return FLAGS, which are not empty, as `pack_flags` does."""
    if flags.all() or not flags.any():
        return Ints(0, int(flags[0])), b""
    return Ints(1, 0), _bits_of(flags)


def _bits_of(flags: NDArray[np.bool_]) -> bytes:
    return np.packbits(flags, bitorder="little").tobytes()


def _int64(value: int) -> int:
    if not INT64_MIN <= value <= INT64_MAX:
        raise OverflowError("expected an int64")
    return value


def _bits(most: int) -> int:
    """Return the bits in which numbers up to MOST are packed."""
    return _BITS[most.bit_length()]


def _steps_are_smaller(values: Sequence[int], span: int) -> bool:
    """Tell whether the first VALUES let hope that differences are smaller than SPAN."""
    steps = [after - before for before, after in pairwise(values)]
    return 2 * (max(steps) - min(steps)) <= span


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


def _squeezed(values: Int64s, base: int, bits: int) -> bytes:
    """Return what VALUES are above BASE, in BITS each."""
    if bits == 0:
        return b""
    words = values.view(np.uint64) - np.uint64(base & _WORD)
    if bits == 1:
        return np.packbits(words != 0, bitorder="little").tobytes()
    if bits == 8:
        return words.astype(np.uint8).tobytes()
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
