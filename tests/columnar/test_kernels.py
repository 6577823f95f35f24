"""Each kernel gives over any ranges what the algebra gives of their rows: values, nulls and overflows."""

from __future__ import annotations

from contextlib import nullcontext
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph import build
from featuregraph.aggregates import aggregate
from featuregraph.arrays import Column, column
from featuregraph.ir import Node, Op
from featuregraph.scalar import OVERFLOW
from featuregraph.types import BOOLEAN, FLOAT64, INT64, STRING, Type, decimal
from featuregraph.values import same
from stream.backfill.columnar.asked import Asked
from stream.backfill.columnar.exact import Sums, as_float, quotients
from stream.backfill.columnar.kernels import KERNELS, value_of
from stream.backfill.columnar.rows import About, Ranges, Rows
from stream.backfill.columnar.values import internal
from stream.testing.wide import all_wide

pytestmark = pytest.mark.device

SEEDS = st.integers(0, 2**48)
T = 2_000
BIG = 2**63 - 1
VALUES: dict[Type, list[Any]] = {
    INT64: [0, 1, -1, 7, 2**31, -(2**40), BIG, -BIG - 1],
    decimal(3): [0, 5, -1234, 10**15, BIG],
    FLOAT64: [0.0, 0.1, -2.5, 1e16, 3.3, 1e-300, -1e300, 5e-324, 1.7e308, 2.0**-90],
    BOOLEAN: [True, False],
    STRING: ["", "a", "é", "\uffff", "😀", "ab"],
}
NUMBERS = (INT64, decimal(3), FLOAT64)
PARAMETERS: dict[str, dict[str, Any]] = {
    "topk": {"k": 2},
    "quantile": {"q": "0.3"},
    "decayed_sum": {"half_life": 500},
}
TYPES = {
    name: NUMBERS if name in ("sum", "mean", "var", "std", "quantile", "decayed_sum") else tuple(VALUES)
    for name in KERNELS
    if name not in ("sequence", "since_first", "since_last")
}


def drawn(rng: Random, type: Type) -> list[Any]:
    """Return rows of TYPE: of few values or of many, with nulls and overflows now and then."""
    values = rng.sample(VALUES[type], rng.randint(1, len(VALUES[type])))
    odd = [None] * rng.randint(0, 2) + [OVERFLOW] * (rng.random() < 0.2)
    if type is FLOAT64 and rng.random() < 0.5:
        values = [round(rng.uniform(-1000, 1000), 2) for _ in range(20)]
    return [rng.choice(odd) if odd and rng.random() < 0.2 else rng.choice(values) for _ in range(40)]


def windows(rng: Random, rows: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return ranges of ROWS, those of one key one after the other, or in any order."""
    pairs = [sorted((rng.randint(0, rows), rng.randint(0, rows))) for _ in range(15)]
    lo, hi = (np.array(ends, np.int64) for ends in zip(*pairs, strict=True))
    return (np.sort(lo), np.sort(hi)) if rng.random() < 0.5 else (lo, hi)


def node_of(name: str, type: Type) -> tuple[Node, Node]:
    """Return the aggregate NAME of a field of TYPE, and the field."""
    field = Node(Op.FIELD, type, (), name="x")
    given: dict[str, Any] = {
        key: float(value) if key == "q" else value for key, value in PARAMETERS.get(name, {}).items()
    }
    return build.aggregate(name, ("view",), x=field, **given), field


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=50)
@given(seed=SEEDS)
def test_a_kernel_gives_what_the_algebra_gives(name: str, wide: bool, seed: int) -> None:
    """Bit for bit, however WIDE its ranges are; decayed_sum within its tolerance."""
    rng = Random(seed)
    type = rng.choice(TYPES[name])
    values = drawn(rng, type)
    agg, field = node_of(name, type)
    ts = np.sort(np.array([rng.randint(0, T - 1) for _ in values], np.int64))
    lo, hi = windows(rng, len(values))
    found_column: Column = column(type, values)
    rows = Rows(ts, len(values), {field: found_column}.__getitem__, About())
    many = len(lo)
    nobody = np.zeros(many, np.int64)
    asked = Asked(nobody, np.full(many, T), np.zeros(many, np.bool_), nobody)
    with all_wide() if wide else nullcontext():
        found = internal(agg.type, value_of(agg, rows, Ranges(lo, hi, np.arange(many), asked)))
    config = aggregate(name, type, PARAMETERS.get(name))
    for start, end, value in zip(lo.tolist(), hi.tolist(), found, strict=True):
        xs = values[start:end]
        taken = list(zip(ts[start:end].tolist(), xs, strict=True)) if config.takes == "ts_x" else xs
        expected = config.of(taken, T)
        if name == "decayed_sum" and isinstance(expected, float) and isinstance(value, float):
            size = sum(abs(float(x)) / 10**type.scale for x in xs if x is not None)
            assert abs(value - expected) <= 1e-12 * min(size, 1.7e308)
        else:
            assert same(value, expected), (type, xs, value, expected)


@given(st.integers(2**53, 2**54), st.integers(1, 64), st.integers(-1, 1))
def test_quotients_in_the_middle_of_two_doubles_are_rounded_once(odd: int, by: int, off: int) -> None:
    """(2m + 1) / 2 of 54 bits lies in the middle, its neighbours just beside it."""
    over = (odd | 1) * by + off
    sums = Sums(np.array([over]), None, 0, 0)
    assert same(quotients(sums, np.array([2 * by])).values.tolist(), [over / (2 * by)])


def test_a_sum_in_two_int64_is_rounded_once() -> None:
    """A high part that no double holds is not rounded before the low part is added."""
    whole = ((2**53 + 1) << 32) + 1  # above the middle of two doubles by the low part alone
    sums = Sums(np.array([whole >> 32]), np.array([whole & (2**32 - 1)]), 32, 0)
    assert as_float(sums).values.tolist() == [float(whole)]
