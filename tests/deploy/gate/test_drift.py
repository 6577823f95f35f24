"""The index is that of the literature, and its noise is below what is allowed for it."""

from __future__ import annotations

import random
from math import log

import pytest

from deploy.gate.drift import noise, psi

pytestmark = pytest.mark.device


def test_the_index_is_that_of_two_shares() -> None:
    """10 and 90 % against 20 and 80 %: 0.1 ln 2 + 0.1 ln(9/8), up to half a count; both ways the same."""
    exact = 0.1 * log(2) + 0.1 * log(9 / 8)
    assert psi([100_000, 900_000], [200_000, 800_000]) == pytest.approx(exact, rel=1e-4)
    assert psi([1, 9], [2, 8]) == pytest.approx(psi([2, 8], [1, 9]))
    assert psi([3, 5, 0], [3, 5, 0]) == 0


def test_other_bins_are_no_drift() -> None:
    """They are a mistake, and are told as one."""
    with pytest.raises(ValueError, match="expected 2 bins, found 1"):
        psi([1], [1, 1])


def test_chance_stays_below_the_noise() -> None:
    """Of 2,000 samples of what was trained on, one in a thousand is beyond; the bound is near the mean."""
    chance = random.Random(5)
    trained = [10_000] * 10
    beyond, all_of_them = 0, 0.0
    for _ in range(2_000):
        found = [0] * 10
        for bin in chance.choices(range(10), k=300):
            found[bin] += 1
        index = psi(found, trained)
        beyond += index > noise(10, 300, 0.001)
        all_of_them += index
    assert beyond <= 2
    assert noise(10, 300, 0.5) < 3 * all_of_them / 2_000
