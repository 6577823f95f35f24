"""Buckets change no value: random recordings, in one piece and in many, by columns and by rows."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph import FeatureGraphError
from stream import BackfillError, replay
from stream.backfill import budget
from stream.backfill.budget import Budget, budget_of
from stream.testing.recordings import Recording, budgeted, random_recording

pytest.importorskip("pyarrow")

SEEDS = st.integers(0, 2**48)
KEYS = st.sampled_from(["user_id", "item_id", ["user_id", "item_id"]])


def replayed(recording: Recording, **options: Any) -> Any:
    """Return the table that replay gives, or the kind of its error."""
    try:
        return replay(recording.plan, recording.events, recording.queries, **options)
    except FeatureGraphError as error:
        return error.kind


@settings(max_examples=12)
@given(
    seed=SEEDS,
    key=KEYS,
    least=st.integers(1, 40),
    part=st.sampled_from([1, 2_000, 10**6]),
    chunk=st.sampled_from([1, 9_999]),
)
def test_buckets_change_no_value(seed: int, key: str | list[str], least: int, part: int, chunk: int) -> None:
    """Nor do parts of one bucket and of many, events that are sorted one by one, and other keys."""
    recording = random_recording(Random(seed), key=key)
    engine = "local" if isinstance(key, list) or seed % 2 else "device"
    whole = replayed(recording, engine=engine)
    with budgeted(Budget(1, part, chunk, least, whole=part if least == 1 else 0)):
        found = replayed(recording, engine=engine)
    if isinstance(whole, str) or isinstance(found, str):
        assert found == whole
    else:
        assert found.equals(whole)
        assert found.schema.metadata == whole.schema.metadata


# ---------------------------------------------------------------- the budget


def test_a_budget_is_obeyed_or_refused() -> None:
    """What does not fit is told with what would."""
    with pytest.raises(BackfillError, match="at least 192MiB for one process, found 100MiB"):
        budget_of(100 << 20, 1, 2)
    with pytest.raises(BackfillError, match="for 3 processes"):
        budget_of(300 << 20, 2, 2)
    with pytest.raises(BackfillError, match="at least one worker, found 0"):
        budget_of(None, 0, 2)
    given = budget_of(1 << 30, 1, 3)
    assert given.part == ((1 << 30) - budget.BASE) // 4
    assert given.buckets(given.part * 10) == 44
    assert (given.buckets(None), given.buckets(10**15)) == (256, 256)


@given(st.lists(st.integers(0, 100), min_size=1), st.integers(1, 150))
def test_parts_are_neighbours_that_fit(sizes: list[int], part: int) -> None:
    """Every bucket is in one part; a part that is too large is one bucket."""
    parts = Budget(1, part).parts(sizes)
    assert [bucket for one in parts for bucket in one] == list(range(len(sizes)))
    assert all(len(one) == 1 or sum(sizes[b] for b in one) <= part for one in parts)
