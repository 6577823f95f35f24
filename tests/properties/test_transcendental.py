"""log1p and exp2: at most 1 ulp from the exact value, and the same bits everywhere."""

from __future__ import annotations

import ast
import math
import random
from decimal import Decimal, localcontext
from pathlib import Path

import pytest

from featuregraph.scalar import transcendental
from featuregraph.scalar.transcendental import exp2, log1p

LARGEST = math.nextafter(math.inf, 0)
# Both sides of each place where the steps change.
TURNS = (2.0**-54, -(2.0**-54), math.sqrt(0.5) - 1, math.sqrt(2) - 1, 1.0, 2.0**52, 2.0**53, 2.0**54)


def log1p_inputs(seed: int, count: int) -> list[float]:
    """Return seeded inputs over the whole domain, dense around 0, near -1 and around the turns."""
    rng = random.Random(seed)
    found = [5e-324, -5e-324, LARGEST, math.nextafter(-1.0, 0), -0.5, 1e-10, 1e300]
    found += [math.nextafter(t, side) for t in TURNS for side in (-math.inf, math.inf)] + list(TURNS)
    while len(found) < count:
        size = 2.0 ** rng.uniform(-80, 80)
        found += [size, 2.0 ** rng.uniform(-1074, 1023), -rng.random(), 2.0 ** -rng.uniform(0, 53) - 1]
        found += [rng.uniform(-0.3, 0.42), float(rng.randrange(10**6)), -min(size, 0.9)]
    return [x for x in found if x > -1]


def exp2_inputs(seed: int, count: int) -> list[float]:
    """Return seeded inputs over the whole range, dense between -20 and 0 and where results are subnormal."""
    rng = random.Random(seed)
    found = [k / 32 for k in range(-64, 65)] + [-1022.0, -1074.0, -1074.9, 1023.5, math.nextafter(1024.0, 0)]
    while len(found) < count:
        found += [rng.uniform(-1074, 1024), rng.uniform(-20, 0), rng.uniform(-1074, -1022)]
        found += [-rng.randrange(10**12) / 604_800_000 % -1000, 2.0 ** -rng.uniform(0, 60)]
    return found


def ulps(got: float, exact: Decimal) -> float:
    """Return the distance of GOT from EXACT in units of the last place of EXACT's double."""
    return float(abs(Decimal(got) - exact) / Decimal(math.ulp(float(exact))))


def exact_log1p(x: float) -> Decimal:
    """Return log(1 + X) to 50 digits or more."""
    with localcontext() as context:
        context.prec = 60
        if abs(x) < 1e-6:
            d = Decimal(x)
            return sum((-((-d) ** k) / k for k in range(1, 10)), Decimal(0))
        context.prec = 120
        return (1 + Decimal(x)).ln()


def exact_exp2(x: float) -> Decimal:
    """Return 2**X to 50 digits or more."""
    with localcontext() as context:
        context.prec = 60
        return Decimal(2) ** Decimal(x)


def test_log1p_is_within_one_ulp() -> None:
    """log1p errs by no more than 0.501 ulp: almost every result is the nearest double."""
    assert [x for x in log1p_inputs(1, 3000) if ulps(log1p(x) or 0.0, exact_log1p(x)) > 0.501] == []


def test_exp2_is_within_one_ulp() -> None:
    """exp2 errs by no more than 0.501 ulp, by less than 1 where a subnormal result rounds once more."""
    for x in exp2_inputs(2, 3000):
        assert ulps(exp2(x), exact_exp2(x)) < (0.501 if x >= -1022 else 1), x


@pytest.mark.parametrize(
    ("x", "bits"),
    [
        (1.0, "0x1.62e42fefa39efp-1"),
        (-0.5, "-0x1.62e42fefa39efp-1"),
        (9.0, "0x1.26bb1bbb55516p+1"),
        (0.25, "0x1.c8ff7c79a9a22p-3"),
        (1e-10, "0x1.b7cdfd9d1d693p-34"),
        (1e300, "0x1.5963447f87fb5p+9"),
        (math.nextafter(-1.0, 0), "-0x1.25e4f7b2737fap+5"),
        (5e-324, "0x0.0000000000001p-1022"),
        (-0.0, "0x0.0p+0"),
    ],
)
def test_log1p_bits(x: float, bits: str) -> None:
    """log1p returns these bits on every platform."""
    assert (log1p(x) or 0.0).hex() == bits


@pytest.mark.parametrize(
    ("x", "bits"),
    [
        (0.0, "0x1.0000000000000p+0"),
        (-1.0, "0x1.0000000000000p-1"),
        (-0.1, "0x1.ddb680117ab12p-1"),
        (0.5, "0x1.6a09e667f3bcdp+0"),
        (-1074.0, "0x0.0000000000001p-1022"),
        (-1076.0, "0x0.0p+0"),
        (-1e308, "0x0.0p+0"),
        (1e308, "inf"),
    ],
)
def test_exp2_bits(x: float, bits: str) -> None:
    """exp2 returns these bits on every platform, 0 and infinity beyond the doubles."""
    assert exp2(x).hex() == bits


def test_log1p_has_no_value_from_minus_one_down() -> None:
    """log1p is null where the logarithm is not defined."""
    assert [log1p(x) for x in (-1.0, math.nextafter(-1.0, -2), -LARGEST)] == [None, None, None]


def test_exp2_of_whole_numbers_is_exact() -> None:
    """An event one half-life old has weight 1/2, to the last bit."""
    assert all(exp2(float(n)) == math.ldexp(1.0, n) for n in range(-1074, 1024))


def test_only_exact_functions_of_the_platform_are_used() -> None:
    """The kernels use frexp and ldexp alone: no function of a libm can change their bits."""
    tree = ast.parse(Path(transcendental.__file__).read_text(encoding="utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}
    assert names <= {"annotations", "frexp", "ldexp", "Any", "Final"}
    steps = [n for f in tree.body if isinstance(f, ast.FunctionDef) for n in ast.walk(f)]
    assert not [n for n in steps if isinstance(n, (ast.For, ast.While, ast.Pow))]
