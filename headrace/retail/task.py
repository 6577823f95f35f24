"""The ranking task: at each invoice of the held-out days, rank the whole catalogue; its items are relevant.

A query's time is that of the invoice's first line, and events count strictly before it: the invoice itself is
unseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.retail.slice import MINUTE, Slice

DAY = 86_400_000  # ms
HELD_OUT = int(datetime(2011, 11, 25, tzinfo=UTC).timestamp() * 1000)
END = int(datetime(2011, 12, 10, tzinfo=UTC).timestamp() * 1000)
K = 10  # places that count
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Basket:
    """One query: who (position among the customers), when (ms), what was bought (positions, ascending)."""

    customer: int
    ts_ms: int
    items: NDArray[np.int64]


def baskets(log: Slice, start_ms: int = HELD_OUT, end_ms: int = END) -> list[Basket]:
    """Return the invoices whose first line falls in [START_MS, END_MS), in order of time, then of customer.

    Invoices of one customer with the same first minute are one basket: nobody could tell which came first.
    """
    bought = np.flatnonzero(~log.cancel)
    _, first, which = np.unique(log.invoice[bought], return_index=True, return_inverse=True)
    minute = log.minute[bought][first][which]  # of the invoice's first line
    customer, item = log.customer[bought].astype(np.int64), log.item[bought].astype(np.int64)
    order = np.lexsort((item, customer, minute))
    minute, customer, item = minute[order], customer[order], item[order]
    starts = np.flatnonzero((np.diff(minute, prepend=-1) != 0) | (np.diff(customer, prepend=-1) != 0))
    found = [
        Basket(int(customer[at]), int(minute[at]) * MINUTE, np.unique(items))
        for at, items in zip(starts, np.split(item, starts[1:]), strict=True)
    ]
    return [basket for basket in found if start_ms <= basket.ts_ms < end_ms]


def ndcg(ranked: NDArray[np.int64], relevant: NDArray[np.int64], k: int = K) -> float:
    """Return the NDCG of the first K of RANKED: a relevant item gains 1, discounted by log2."""
    gains = np.isin(ranked[:k], relevant) / np.log2(np.arange(2, len(ranked[:k]) + 2))
    ideal = 1 / np.log2(np.arange(2, min(k, len(relevant)) + 2))
    return float(gains.sum() / ideal.sum())


def hit(ranked: NDArray[np.int64], relevant: NDArray[np.int64], k: int = K) -> float:
    """Return 1 if a relevant item is among the first K of RANKED, else 0."""
    return float(np.isin(ranked[:k], relevant).any())


def top(scores: NDArray[Any], k: int = K) -> NDArray[np.int64]:
    """Return the K positions with the largest scores; ties by the smaller position."""
    return np.argsort(-scores, kind="stable")[:k].astype(np.int64)


def interval(values: NDArray[np.float64], seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """Return the bootstrap interval of the mean of VALUES: percentiles of 2,000 resampled means."""
    draws = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
