"""Which events are sealed and which blocks are joined: decisions on numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.blocks.sealing import SEALING, Held, Sealing, as_joined, shared_out, to_join, to_seal

pytestmark = pytest.mark.device

SMALL = Sealing(most_tail=10, least_tail=4, own=3, most_events=5, most_bytes=100, join=2)


def test_the_longest_runs_are_sealed_first() -> None:
    """Down to the least tail; nothing while the tail is not full."""
    assert to_seal({(1, 1): 6, (1, 2): 4}, SMALL) == []
    assert to_seal({(1, 1): 2, (1, 2): 5, (1, 3): 3, (2, 2): 1}, SMALL) == [(1, 2), (1, 3)]
    assert to_seal({(key, 1): 1 for key in range(11)}, SMALL) == [(key, 1) for key in range(7)]


def test_a_long_run_has_blocks_of_its_own() -> None:
    """Short runs share blocks, in order, and none is longer than the bound."""
    runs = [(1, 1, 0, 2), (1, 2, 2, 9), (1, 3, 9, 10), (2, 1, 10, 12)]
    assert shared_out(runs, [1] * 12, SMALL) == [(0, 2), (2, 7), (7, 9), (9, 12)]


@given(st.lists(st.integers(1, 150), min_size=1, max_size=40))
def test_blocks_keep_their_bounds(sizes: list[int]) -> None:
    """Every event is in one block, which holds no more bytes than the bound unless it is the only one."""
    blocks = shared_out([(1, 1, 0, len(sizes))], sizes, SMALL)
    assert [place for first, last in blocks for place in range(first, last)] == list(range(len(sizes)))
    for first, last in blocks:
        assert last - first <= SMALL.most_events
        assert last - first == 1 or sum(sizes[first:last]) <= SMALL.most_bytes


def test_small_blocks_are_joined() -> None:
    """Those of one key and name, once they make half a block; or shared ones that were joined as often."""
    one = [Held(id, (1, 1), 0, 100) for id in range(5)]
    assert to_join(one, SEALING) == []
    assert to_join([*one, Held(9, (1, 1), 2, 200)], SEALING) == [*one, Held(9, (1, 1), 2, 200)]
    assert to_join([*one, Held(9, (1, 2), 0, 500), Held(8, (1, 1), 0, 600)], SEALING) == []
    shared = [Held(id, None, id // 4, 200) for id in range(7)]
    assert to_join(shared, SEALING) == shared[:4]
    assert to_join([Held(id, None, 2, 100) for id in range(50)], SEALING) == []


@given(st.lists(st.integers(1, SMALL.most_bytes // 3), min_size=1, max_size=60))
def test_what_was_joined_is_not_joined_again(sizes: list[int]) -> None:
    """Blocks of one key and name that are full stay: else each sealing rewrites them."""
    blocks = shared_out([(1, 1, 0, len(sizes))], sizes, SMALL)
    held = [
        Held(id, (1, 1), as_joined(1, sum(sizes[first:last]), SMALL), last - first)
        for id, (first, last) in enumerate(blocks)
    ]
    assert to_join(held, SMALL) == []
