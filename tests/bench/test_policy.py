"""Which columns stay under a budget."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.bench.policy import Offer, greedy, shuffled

pytestmark = pytest.mark.device

offers = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.builds(Offer, st.floats(0, 100), st.integers(1, 60)),
    max_size=8,
)


def _best(given_: dict[str, Offer], budget: int) -> float:
    """Return the worth of the best choice, by trying all."""
    sets = (c for n in range(len(given_) + 1) for c in combinations(given_, n))
    return max(
        sum(given_[name].worth for name in chosen)
        for chosen in sets
        if sum(given_[name].bytes for name in chosen) <= budget
    )


@given(offers, st.integers(0, 200))
def test_greedy_is_at_least_half_of_the_best(given_: dict[str, Offer], budget: int) -> None:
    """Within the budget, and with the best single offer as an alternative, within a factor of two."""
    chosen = greedy(given_, budget)
    assert sum(given_[name].bytes for name in chosen) <= budget
    assert 2 * sum(given_[name].worth for name in chosen) >= _best(given_, budget) - 1e-9


@given(offers, st.integers(0, 200), st.integers())
def test_random_fits_and_stays(given_: dict[str, Offer], budget: int, seed: int) -> None:
    """A random choice is within the budget, the same for a seed, and leaves out only what does not fit."""
    chosen = shuffled(seed)(given_, budget)
    left = budget - sum(given_[name].bytes for name in chosen)
    assert left >= 0
    assert chosen == shuffled(seed)(given_, budget)
    assert all(given_[name].bytes > left for name in given_.keys() - chosen)


def test_greedy_skips_and_goes_on() -> None:
    """What does not fit is skipped; a single large offer beats a small one of better density."""
    three = {"a": Offer(10, 5), "b": Offer(15, 10), "c": Offer(4, 4)}
    assert greedy(three, 9) == {"a", "c"}
    assert greedy({"small": Offer(2, 1), "large": Offer(100, 100)}, 100) == {"large"}
    assert greedy({}, 10) == frozenset()
