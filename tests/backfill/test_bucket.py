"""Which bucket a key belongs to: the same in every process, on every machine, in every version and engine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.backfill import bucket

pa = pytest.importorskip("pyarrow")

MASK = 2**64 - 1
P1, P2, P3, P4, P5 = (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5,
)  # fmt: skip
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


def hashed(*columns: list[str | None]) -> list[int]:
    """Return the hashes of keys of one or more columns."""
    return [int(found) for found in bucket.hash_keys([pa.array(column, pa.string()) for column in columns])]


def xxh64(text: bytes, seed: int) -> int:
    """Return XXH64 as its specification writes it, byte by byte."""

    def rotated(number: int, left: int) -> int:
        return (number << left | number >> (64 - left)) & MASK

    def rounded(lane: int, word: int) -> int:
        return rotated((lane + word * P2) & MASK, 31) * P1 & MASK

    words = [int.from_bytes(text[at : at + 8], "little") for at in range(0, len(text) // 8 * 8, 8)]
    if len(text) >= 32:
        lanes = [(seed + P1 + P2) & MASK, (seed + P2) & MASK, seed, (seed - P1) & MASK]
        stripes = len(text) // 32 * 4
        for at, word in enumerate(words[:stripes]):
            lanes[at % 4] = rounded(lanes[at % 4], word)
        found = sum(rotated(lane, left) for lane, left in zip(lanes, (1, 7, 12, 18), strict=True)) & MASK
        for lane in lanes:
            found = ((found ^ rounded(0, lane)) * P1 + P4) & MASK
        words = words[stripes:]
    else:
        found = (seed + P5) & MASK
    found = (found + len(text)) & MASK
    for word in words:
        found = (rotated(found ^ rounded(0, word), 27) * P1 + P4) & MASK
    rest = text[len(text) // 8 * 8 :]
    if len(rest) >= 4:
        found = (rotated(found ^ int.from_bytes(rest[:4], "little") * P1 & MASK, 23) * P2 + P3) & MASK
        rest = rest[4:]
    for byte in rest:
        found = rotated(found ^ byte * P5 & MASK, 11) * P1 & MASK
    found = (found ^ found >> 33) * P2 & MASK
    found = (found ^ found >> 29) * P3 & MASK
    return found ^ found >> 32


def test_hashes_are_those_of_xxh64_and_of_spark() -> None:
    """Values that others publish: the vectors of xxHash with seed 0, and the examples of Spark's xxhash64."""
    assert xxh64(b"", 0) == 0xEF46DB3751D8E999
    assert xxh64(b"abc", 0) == 0x44BC2CF5AD770999
    assert xxh64(b"Nobody inspects the spammish repetition", 0) == 0xFBCEA83C8A378BF1
    assert hashed(["ABC"]) == [4105715581806190027]
    assert hashed(["ABC"], ["DEF"]) == [3233247871021311208]


GOLDEN = {
    "": (0x98B1582B0977E704, 152),
    "local": (0x2C3490658A01EC8B, 44),
    "12583": (0x508AC990F5BFBF21, 80),
    "user-1": (0x2D0A68DB27168EA3, 45),
    "žluťoučký kůň úpěl ďábelské ódy": (0xE26B1B0AA11A6163, 226),
}


def test_golden_values_never_change() -> None:
    """A bucket that was written yesterday is read tomorrow, elsewhere: of 256, that of the first byte."""
    found = bucket.hash_keys([pa.array(list(GOLDEN))])
    assert dict(zip(GOLDEN, map(hex, found), strict=True)) == {k: hex(h) for k, (h, _) in GOLDEN.items()}
    assert bucket.buckets_of(found, 256).tolist() == [b for _, b in GOLDEN.values()]


@given(st.lists(st.tuples(texts | st.none(), texts | st.none())))
def test_every_key_has_the_hash_of_the_specification(keys: list[tuple[str | None, str | None]]) -> None:
    """Of one column and of two, as text and as a dictionary, sliced or in chunks."""
    expected = []
    for key in keys:
        seed = bucket.SEED
        for text in key:
            seed = seed if text is None else xxh64(text.encode(), seed)
        expected.append(seed)
    first, second = ([key[i] for key in keys] for i in (0, 1))
    assert hashed(first, second) == expected
    coded = [pa.array(column, pa.string()).dictionary_encode() for column in (first, second)]
    assert bucket.hash_keys(coded).tolist() == expected
    sliced = [
        pa.array(["x", *column, None], pa.large_string()).slice(1, len(keys)) for column in (first, second)
    ]
    assert bucket.hash_keys(sliced).tolist() == expected
    chunked = [pa.chunked_array([column.slice(0, 1), column.slice(1)]) for column in sliced]
    assert bucket.hash_keys(chunked).tolist() == expected


@given(st.lists(st.integers(0, MASK), min_size=1), st.integers(1, 1000))
def test_neighbours_join(hashes: list[int], count: int) -> None:
    """Bucket b of n is the buckets 2b and 2b + 1 of 2n, and none is out of bounds."""
    found = np.array(hashes, np.uint64)
    coarse, fine = bucket.buckets_of(found, count), bucket.buckets_of(found, 2 * count)
    assert (fine // 2 == coarse).all()
    assert (coarse < count).all()
    assert bucket.buckets_of(np.array([0, MASK], np.uint64), bucket.MOST_BUCKETS).tolist() == [0, 65_535]


def test_keys_spread_evenly() -> None:
    """No bucket of 16 has a tenth more or less than its share of 100,000 numbered users."""
    counts = np.bincount(
        bucket.buckets_of(bucket.hash_keys([pa.array([f"u{i}" for i in range(100_000)])]), 16)
    )
    assert abs(counts - 6_250).max() < 625
