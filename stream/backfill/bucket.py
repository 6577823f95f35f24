"""Which bucket a key belongs to: one pure function for every engine that splits work by key.

The hash of a key is XXH64 (xxHash specification, Collet) of its UTF-8 bytes with the seed 42; of several
columns, the hash of one is the seed of the next, and a null leaves the seed as it is. Spark's xxhash64() says
the same of string columns. Bucket b of n takes the b-th n-th of all hashes, so that bucket b of n is the
buckets 2b and 2b + 1 of 2n: neighbours join, and a bucket splits, without a look at any other.

text column -> its distinct values -> those of one length as a matrix of bytes -> uint64 by value -> by row
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Hashes = npt.NDArray[np.uint64]

SEED = 42
MOST_BUCKETS = 1 << 16
_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(prime)
    for prime in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)
_STRIPE, _WORD, _HALF = 32, 8, 4  # bytes
_ROWS = 1 << 15  # that are hashed at once: what is spelled out of them stays in the processor's cache


def buckets_of(hashes: Hashes, count: int) -> npt.NDArray[np.uint16]:
    """Return the bucket, 0 to COUNT - 1, of each hash.

    Args:
        hashes: uint64, shape (rows,).
        count: how many buckets there are, 1 to 65,536.
    """
    assert 0 < count <= MOST_BUCKETS, count
    # The upper half of the hash times count fits 64 bits: whole numbers, no rounding.
    return (((hashes >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32)).astype(np.uint16)


def hash_keys(columns: Sequence[pa.Array | pa.ChunkedArray]) -> Hashes:
    """Return the hash of each key.

    Args:
        columns: the columns of the key, text or dictionaries of text, or int64 without nulls, which are
            hashed as their 8 bytes; all of one length.

    Returns:
        uint64, shape (rows,).
    """
    found = np.full(len(columns[0]), SEED, np.uint64)
    for start in range(0, len(found), _ROWS):
        seeds = found[start : start + _ROWS]
        for place, column in enumerate(columns):
            seeds = _hash_column(column.slice(start, _ROWS), seeds, alike=place == 0)
        found[start : start + _ROWS] = seeds
    return found


def _hash_column(column: Any, seeds: Hashes, *, alike: bool) -> Hashes:
    """Return the hashes of a column's rows from SEEDS; ALIKE: these are all one."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if pa.types.is_int64(column.type):
        with np.errstate(over="ignore"):
            return _xxh64(column.to_numpy().astype("<i8").view(np.uint8).reshape(-1, _WORD), seeds)
    if not isinstance(column, pa.DictionaryArray):
        column = column.dictionary_encode()
    known = np.asarray(column.is_valid())
    codes = column.indices.fill_null(0).to_numpy(zero_copy_only=False)
    words = column.dictionary.cast(pa.large_binary())
    if not len(words):
        return seeds
    # With one seed each word is hashed once; else each row has its own.
    rows = np.arange(len(words)) if alike else codes
    found = _hash_words(words, rows, np.full(len(words), SEED, np.uint64) if alike else seeds)
    return np.where(known, found[codes] if alike else found, seeds)


def _hash_words(words: pa.Array, rows: npt.NDArray[Any], seeds: Hashes) -> Hashes:
    """Return the hash of WORDS[rows[i]] from SEEDS[i], length by length."""
    _, offsets, data = words.buffers()
    ends = np.frombuffer(offsets, np.int64)[words.offset : words.offset + len(words) + 1]
    text = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    starts, sizes = ends[:-1][rows], np.diff(ends)[rows]
    found = np.empty(len(rows), np.uint64)
    for size in np.unique(sizes):
        (places,) = np.nonzero(sizes == size)
        matrix = text[starts[places][:, None] + np.arange(size)]
        with np.errstate(over="ignore"):  # the hash is arithmetic modulo 2**64
            found[places] = _xxh64(matrix, seeds[places])
    return found


def _xxh64(text: npt.NDArray[np.uint8], seed: Hashes) -> Hashes:
    """Return XXH64 of each row of TEXT, which are of one length."""
    size, at = text.shape[1], 0
    found: Hashes
    if size >= _STRIPE:
        lanes = [seed + _P1 + _P2, seed + _P2, seed + np.uint64(0), seed - _P1]
        while size - at >= _STRIPE:
            lanes = [_round(lane, _word(text, at + _WORD * i)) for i, lane in enumerate(lanes)]
            at += _STRIPE
        found = np.zeros_like(seed)
        for lane, left in zip(lanes, (1, 7, 12, 18), strict=True):
            found = found + _rotated(lane, left)
        for lane in lanes:
            found = (found ^ _round(np.zeros_like(lane), lane)) * _P1 + _P4
    else:
        found = seed + _P5
    found = found + np.uint64(size)
    while size - at >= _WORD:
        found = _rotated(found ^ _round(np.zeros_like(found), _word(text, at)), 27) * _P1 + _P4
        at += _WORD
    if size - at >= _HALF:
        found = _rotated(found ^ (_word(text, at, _HALF) * _P1), 23) * _P2 + _P3
        at += _HALF
    for place in range(at, size):
        found = _rotated(found ^ (text[:, place].astype(np.uint64) * _P5), 11) * _P1
    for shift, prime in ((33, _P2), (29, _P3)):
        found = (found ^ (found >> np.uint64(shift))) * prime
    return found ^ (found >> np.uint64(32))


def _word(text: npt.NDArray[np.uint8], at: int, size: int = _WORD) -> Hashes:
    """Return SIZE bytes of each row from AT on as a little-endian number."""
    taken = np.ascontiguousarray(text[:, at : at + size])
    return taken.view(f"<u{size}")[:, 0].astype(np.uint64)


def _round(lane: Hashes, word: Hashes) -> Hashes:
    return _rotated(lane + word * _P2, 31) * _P1


def _rotated(number: Hashes, left: int) -> Hashes:
    return (number << np.uint64(left)) | (number >> np.uint64(64 - left))
