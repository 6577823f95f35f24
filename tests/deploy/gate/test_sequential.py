"""Evidence is no more than chance allows, however often one looks: summed exactly."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import comb, exp, factorial, log, prod

import pytest

from deploy.bucket import MILLION
from deploy.gate.sequential import against, beyond

pytestmark = pytest.mark.device

SHARES = (0.003, 0.05, 0.3, 0.5, 0.9)


def binomial(n: int, x: int, p: float) -> float:
    """Return the chance of X of N."""
    return comb(n, x) * p**x * (1 - p) ** (n - x)


def gamma_half(x: int) -> Fraction:
    """Return gamma(x + 1/2) / gamma(1/2)."""
    return prod((Fraction(2 * i + 1, 2) for i in range(x)), start=Fraction(1))


def mixed(n: int, x: int) -> Fraction:
    """Return the likelihood of X of N mixed by Beta(1/2, 1/2)."""
    return gamma_half(x) * gamma_half(n - x) / factorial(n)


def likeliest(n: int, x: int) -> Fraction:
    """Return the largest likelihood of X of N."""
    return Fraction(x**x * (n - x) ** (n - x), n**n)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (1, 0), (0, 9), (7, 5), (30, 120), (400, 90)])
def test_evidence_against_control_is_the_exact_ratio(n: int, m: int) -> None:
    """It equals, to a hair and from below, the ratio in fractions."""
    for x, y in product({0, n // 9, n // 2, n}, {0, m // 9, m // 2, m}):
        worse = x * m > y * n
        best = likeliest(n + m, x + y) if worse else likeliest(n, x) * likeliest(m, y)
        ratio = mixed(n, x) * mixed(m, y) / best
        exact = log(ratio.numerator) - log(ratio.denominator)
        assert exact - 2e-5 < against(n, x, m, y) <= exact


@pytest.mark.parametrize("most", [1, 10_000, 400_000, 900_000])
def test_evidence_beyond_a_bound_is_the_exact_ratio(most: int) -> None:
    """It equals, to a hair and from below, the mixed likelihood ratio in fractions."""
    shares = [most << i for i in range(1, 20) if most << i < MILLION] or [(most + MILLION) // 2]
    for n, x in ((0, 0), (1, 1), (50, 3), (400, 0), (400, 200)):
        ratios = (Fraction(p, most) ** x * Fraction(MILLION - p, MILLION - most) ** (n - x) for p in shares)
        ratio = sum(ratios, start=Fraction(0)) / len(shares)
        exact = log(ratio.numerator) - log(ratio.denominator)
        assert exact - 2e-5 < beyond(n, x, most) <= exact


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize(("n", "m"), [(40, 40), (10, 60), (60, 10)])
def test_evidence_is_not_expected_where_nothing_is_worse(share: float, n: int, m: int) -> None:
    """E has no expectation above 1 where both arms are hit alike, or the release less."""
    for better in (share, share / 2):
        expected = sum(
            binomial(n, x, better) * binomial(m, y, share) * exp(against(n, x, m, y))
            for x, y in product(range(n + 1), range(m + 1))
        )
        assert expected <= 1


def ever(step: Callable[[int, int], float], chance: float, devices: int, alpha: float) -> float:
    """Return the chance that the evidence reaches 1/ALPHA at any of DEVICES looks, a device each."""
    alive, reached = {0: 1.0}, 0.0
    for n in range(1, devices + 1):
        after: dict[int, float] = {}
        for x, weight in alive.items():
            after[x] = after.get(x, 0.0) + weight * (1 - chance)
            after[x + 1] = after.get(x + 1, 0.0) + weight * chance
        reached += sum(weight for x, weight in after.items() if step(n, x) >= -log(alpha))
        alive = {x: weight for x, weight in after.items() if step(n, x) < -log(alpha)}
    return reached


@pytest.mark.parametrize("alpha", [0.3, 0.05, 0.01])
def test_looking_after_each_device_costs_nothing(alpha: float) -> None:
    """The chance of ever crossing a bound that holds is below alpha, and not far below: 300 looks."""
    chance = ever(lambda n, x: beyond(n, x, 50_000), 0.05, 300, alpha)
    assert alpha / 4 < chance <= alpha


@pytest.mark.parametrize("share", SHARES)
def test_looking_after_each_pair_costs_nothing(share: float) -> None:
    """The chance that 50 looks at two arms that are alike ever cross is below alpha."""
    alpha = 0.1
    alive, reached = {(0, 0): 1.0}, 0.0
    for n in range(1, 51):
        after: dict[tuple[int, int], float] = {}
        for (x, y), weight in alive.items():
            for a, b in product((0, 1), (0, 1)):
                p = (share if a else 1 - share) * (share if b else 1 - share)
                after[x + a, y + b] = after.get((x + a, y + b), 0.0) + weight * p
        crossed = {at for at in after if against(n, at[0], n, at[1]) >= -log(alpha)}
        reached += sum(after[at] for at in crossed)
        alive = {at: weight for at, weight in after.items() if at not in crossed}
    assert reached <= alpha


def test_who_has_not_had_its_time_counts_in_favour() -> None:
    """Where there is evidence, a hit more adds to it, a healthy device more takes from it."""
    for n, m in ((1, 1), (5, 9), (30, 20), (12, 70)):
        for x, y in product(range(n), range(m)):
            here = against(n, x, m, y)
            if here >= 0:
                assert against(n, x + 1, m, y) >= here
                assert against(n + 1, x, m, y) <= here
            if against(n, x, m, y + 1) >= 0:
                assert here >= against(n, x, m, y + 1)
        for x in range(n):
            assert beyond(n, x + 1, 10_000) > beyond(n, x, 10_000) > beyond(n + 1, x, 10_000)


def test_evidence_grows_without_bound_where_the_release_is_worse() -> None:
    """5 % against 0.5 %: at hundreds of devices beyond any doubt."""
    assert against(500, 25, 2_000, 10) > 8
    assert against(1_000, 50, 4_000, 20) > 30
    assert beyond(500, 25, 10_000) > 15
