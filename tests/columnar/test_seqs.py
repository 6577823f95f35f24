"""Positions of events of which some bring a seq and some get theirs on arrival (SEMANTICS 1.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from featuregraph.arrays.column import column
from featuregraph.types import INT64, INT64_MAX, INT64_MIN
from stream.backfill.columnar.seqs import TakenError, given_seqs

SEQS = st.one_of(
    st.none(), st.integers(-3, 40), st.sampled_from([INT64_MIN, INT64_MAX - 2, INT64_MAX - 1, INT64_MAX])
)


def one_by_one(events: Sequence[tuple[int, int, int | None]]) -> list[int] | str:
    """Return the seq of each event, spot by spot, as the clause says it, or what is wrong."""
    found = [0] * len(events)
    for spot in sorted({event[:2] for event in events}):
        last = -1
        for place, (user, ts, seq) in enumerate(events):
            if (user, ts) == spot:
                found[place] = last + 1 if seq is None else seq
                if found[place] > INT64_MAX:
                    return "taken"
                last = max(last, found[place])
    spots = {(user, ts, seq) for (user, ts, _), seq in zip(events, found, strict=True)}
    return found if len(spots) == len(events) else "taken"


@given(st.lists(st.tuples(st.integers(-1, 0), st.integers(0, 1), SEQS), min_size=1, max_size=12))
def test_a_seq_is_one_more_than_the_largest_before_it(events: list[tuple[int, int, int | None]]) -> None:
    """Of its user and time, whichever events bring one; at the end of int64 there is none."""
    users, times, seqs = zip(*events, strict=True)
    try:
        found = given_seqs(
            np.array(users), np.array(times), column(INT64, seqs), np.arange(len(events)), needed=True
        )
    except TakenError:
        assert one_by_one(events) == "taken"
    else:
        assert found is not None
        assert found.tolist() == one_by_one(events)
