"""Items drawn for each query from those that were there before it, without replacement. Pure.

The items that were there are a *pool*: codes in the order of time, of which a query may draw those of a
range. An item that stands in it twice is drawn twice as often: so rows of an event draw by popularity, and a
list of items draws each alike. What lies behind a range is the future: nobody looks at it.

The n-th draw of a query is a function of (seed, identity of the query, n) alone: SplitMix64 (Steele, Lea,
Flood: Fast splittable pseudorandom number generators, 2014) as a counter. So the draws do not depend on what
other queries there are, in which order they come, or who computes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featuregraph.arrays.column import Array
from stream.trainset.split import shifted

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_CELLS = 1 << 18  # draws that are looked at together
_ROUNDS = 6  # of draws, each of twice as many; what is missing then is taken from all that there are
_MOST = 64  # times the items wanted that one round may draw


@dataclass(frozen=True, slots=True)
class Pool:
    """Items in the order of time.

    Args:
        ts: from when on (ms) each is there: int64, ascending, shape (entries,).
        item: the code of each: int64, shape (entries,).
        hashes: of each item by code, whatever codes there are: uint64.
    """

    ts: Array
    item: Array
    hashes: Array

    def ranges(self, before: Array, window: int | None) -> tuple[Array, Array]:
        """Return which entries are there before each of the times BEFORE, and at most WINDOW ms old."""
        hi = np.searchsorted(self.ts, before, "left")
        lo = (
            np.zeros_like(hi)
            if window is None
            else np.searchsorted(self.ts, shifted(before, -window), "left")
        )
        return np.minimum(lo, hi), hi


def mixed(values: Array) -> Array:
    """Return the output function of SplitMix64 of each of VALUES: uint64."""
    with np.errstate(over="ignore"):
        z = values.astype(np.uint64)
        z = (z ^ (z >> np.uint64(30))) * _M1
        z = (z ^ (z >> np.uint64(27))) * _M2
        return z ^ (z >> np.uint64(31))


def seeded(identity: Array, seed: int) -> Array:
    """Return where the random numbers of each query begin: uint64."""
    return mixed(identity ^ mixed(np.array([seed & (2**64 - 1)], np.uint64) + _GAMMA))


def shuffled(hashes: Array, begin: np.uint64) -> Array:
    """Return the order of items of HASHES that the numbers from BEGIN on make."""
    return np.argsort(mixed(hashes ^ begin), kind="stable")


def drawn(
    pool: Pool, lo: Array, hi: Array, begin: Array, own: tuple[Array, Array], count: int
) -> tuple[Array, Array]:
    """Return up to COUNT different items for each query, none of its own ones.

    Args:
        pool: the items.
        lo: the first entry of each query; hi: behind its last one.
        begin: of its random numbers: uint64.
        own: codes of the queries' own items, and offsets.
        count: how many items to draw.

    Returns:
        The codes, and offsets: int64, shape (queries + 1,).
    """
    step = max(1, _CELLS // max(2 * count, 1))
    pieces, counts = [], []
    for start in range(0, len(lo), step):
        part = slice(start, start + step)
        codes, offsets = own
        mine = offsets[start : start + step + 1]
        piece = _part(
            pool, lo[part], hi[part], begin[part], (codes[mine[0] : mine[-1]], mine - mine[0]), count
        )
        pieces.append(piece[piece >= 0])
        counts.append((piece >= 0).sum(axis=1))
    found = np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
    offsets = np.zeros(len(lo) + 1, np.int64)
    np.cumsum(np.concatenate(counts) if counts else [], out=offsets[1:])
    return found, offsets


def _part(pool: Pool, lo: Array, hi: Array, begin: Array, own: tuple[Array, Array], count: int) -> Array:
    """Return the items of some queries, -1 where there are no more: shape (queries, COUNT)."""
    found = np.full((len(lo), count), -1, np.int64)
    lacking = np.flatnonzero(hi > lo)
    used, width = 0, 2 * count
    base = len(pool.hashes)
    codes, offsets = own
    taken = np.sort(np.repeat(np.arange(len(lo)), np.diff(offsets)) * base + codes)
    for _ in range(_ROUNDS):
        if not len(lacking):
            return found
        draws = _items(pool, lo[lacking], hi[lacking], begin[lacking], used, width)
        used, width = used + width, min(2 * width, _MOST * count)
        before = found[lacking]
        draws[_is_in(lacking[:, None] * base + draws, taken)] = -1
        merged = _first_of_each(np.concatenate([before, draws], axis=1), count)
        found[lacking] = merged
        lacking = lacking[(merged >= 0).sum(axis=1) < count]
    for query in lacking.tolist():
        own_items = codes[offsets[query] : offsets[query + 1]]
        others = np.setdiff1d(pool.item[lo[query] : hi[query]], np.concatenate([own_items, found[query]]))
        free = np.flatnonzero(found[query] < 0)[: len(others)]
        found[query, free] = others[shuffled(pool.hashes[others], begin[query])][: len(free)]
    return found


def _items(pool: Pool, lo: Array, hi: Array, begin: Array, used: int, width: int) -> Array:
    """Return the draws USED to before USED + WIDTH of each query: shape (queries, WIDTH)."""
    with np.errstate(over="ignore"):
        numbers = begin[:, None] + (np.arange(used + 1, used + width + 1).astype(np.uint64) * _GAMMA)[None, :]
    size = (hi - lo).astype(np.uint64)[:, None]
    found: Array = pool.item[lo[:, None] + (mixed(numbers) % size).astype(np.int64)]
    return found


def _is_in(values: Array, ascending: Array) -> Array:
    places = np.searchsorted(ascending, values)
    places[places == len(ascending)] = 0
    return ascending[places] == values if len(ascending) else np.zeros(values.shape, np.bool_)


def _first_of_each(values: Array, count: int) -> Array:
    """Return the first COUNT different values, not below 0, of each row; -1 where there are no more."""
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    again = np.zeros(values.shape, np.bool_)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    kept = np.ones(values.shape, np.bool_)
    np.put_along_axis(kept, order, ~again, axis=1)
    kept &= values >= 0
    place = np.cumsum(kept, axis=1) - 1
    kept &= place < count
    found = np.full((len(values), count), -1, np.int64)
    rows, columns = np.nonzero(kept)
    found[rows, place[rows, columns]] = values[rows, columns]
    return found
