"""Runs of values copied to their places, whatever they are and wherever they stand."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featuregraph.arrays.column import Array
from stream.backfill.columnar.expansion import copy_runs, gathered

SOURCES: list[Array] = [
    np.arange(40, dtype=np.int32),
    np.arange(40) * 2**40,
    np.arange(40) / 3,
    np.arange(40) % 3 == 0,
    np.array([f"{n}" for n in range(40)], object),
    np.broadcast_to(np.int64(7), 40),
    np.arange(80)[::2],
]


@pytest.mark.parametrize("source", SOURCES, ids=[str(source.dtype) for source in SOURCES])
@given(seed=st.integers(0, 2**48))
def test_runs_are_copied_whole(source: Array, seed: int) -> None:
    """Long ones and short ones, none between, in any order; a wider target has the same numbers."""
    rng = Random(seed)
    counts = [rng.choice([0, 1, 3, 8, 8, 13]) for _ in range(rng.randint(0, 9))]
    lo = np.array([rng.randint(0, 40 - count) for count in counts], np.int64)
    runs = [source[first : first + count].tolist() for first, count in zip(lo.tolist(), counts, strict=True)]
    found = gathered(source, lo, lo + np.array(counts, np.int64))
    assert found.tolist() == [value for run in runs for value in run]
    order = rng.sample(range(len(counts)), len(counts))
    at, place = np.zeros(len(counts), np.int64), 1
    for number in order:
        at[number], place = place, place + counts[number] + 1
    target = np.full(place + 1, source[0]).astype(np.int64 if source.dtype == np.int32 else source.dtype)
    wanted = target.tolist()
    for first, run in zip(at.tolist(), runs, strict=True):
        wanted[first : first + len(run)] = run
    copy_runs(source, lo, np.array(counts, np.int64), target, at)
    assert target.tolist() == wanted
