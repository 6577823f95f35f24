"""How good the rankings are: measures over the queries, and the model's lead over the best of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headrace.retail.task import Basket, hit, interval, ndcg

Ranked = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Measure:
    """A mean over queries with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f}  [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Quality:
    """One ranking's measures."""

    ranking: str
    ndcg: Measure
    hit: Measure


@dataclass(frozen=True, slots=True)
class Lead:
    """The mean difference per query between the model and another ranking."""

    over: str
    ndcg: Measure
    hit: Measure


def measure(baskets: Sequence[Basket], rankings: dict[str, list[Ranked]]) -> tuple[list[Quality], Lead]:
    """Return the quality of each of RANKINGS, the model's first, and its lead over the best of the others."""
    gains = {name: _each(ndcg, baskets, ranked) for name, ranked in rankings.items()}
    hits = {name: _each(hit, baskets, ranked) for name, ranked in rankings.items()}
    found = [Quality(name, _measure(gains[name]), _measure(hits[name])) for name in rankings]
    model, *others = rankings
    best = max(others, key=lambda name: gains[name].mean())
    return found, Lead(best, _measure(gains[model] - gains[best]), _measure(hits[model] - hits[best]))


def _each(
    score: Callable[[Ranked, Ranked], float], baskets: Sequence[Basket], ranked: list[Ranked]
) -> NDArray[np.float64]:
    return np.array([score(r, b.items) for r, b in zip(ranked, baskets, strict=True)])


def _measure(values: NDArray[np.float64]) -> Measure:
    return Measure(float(values.mean()), *interval(values))
