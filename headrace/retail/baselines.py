"""What a model has to beat: four rankings without any learning, each a score per item.

They know what the model knows: the log before the held-out days, and the customer's own invoices before the
query.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.retail.catalogue import popularity
from headrace.retail.slice import Slice
from headrace.retail.task import DAY, Basket

Scores = NDArray[Any]  # one per item of the slice
Scorer = Callable[[Basket], Scores]
HALF_LIFE = 60 * DAY


class Histories:
    """Each customer's purchases in order of time."""

    def __init__(self, log: Slice) -> None:
        self._log = log
        lines = np.flatnonzero(~log.cancel)
        lines = lines[np.argsort(log.customer[lines], kind="stable")]
        edges = np.searchsorted(log.customer[lines], np.arange(1, len(log.customers)))
        self._lines = np.split(lines, edges)
        self._ts_ms = log.ts_ms

    def before(self, query: Basket) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return item, invoice and age (ms) of the customer's lines strictly before the query."""
        lines = self._lines[query.customer]
        lines = lines[self._ts_ms[lines] < query.ts_ms]
        item, invoice = self._log.item[lines].astype(np.int64), self._log.invoice[lines].astype(np.int64)
        return item, invoice, query.ts_ms - self._ts_ms[lines]


def baselines(log: Slice, cut_ms: int) -> dict[str, Scorer]:
    """Return the rankings by name; what is common to all customers is learnt before CUT_MS."""
    histories = Histories(log)
    popular = popularity(log, cut_ms, 30).astype(np.float64)
    fallback = popular / (popular.max() + 1)  # below 1: orders what the customer's own invoices leave equal
    similar = similarity(log, cut_ms)
    count = len(log.items)

    def recency(query: Basket) -> Scores:
        item, _, age = histories.before(query)
        latest = np.full(count, np.iinfo(np.int64).max)
        np.minimum.at(latest, item, age)
        oldest_first = np.unique(-latest)
        return np.asarray(np.searchsorted(oldest_first, -latest) + fallback)

    def frequency(query: Basket) -> Scores:
        item, invoice, _ = histories.before(query)
        pairs = np.unique(invoice << 16 | item)
        return np.asarray(np.bincount(pairs & 0xFFFF, minlength=count) + fallback)

    def item_knn(query: Basket) -> Scores:
        item, _, age = histories.before(query)
        weight = np.zeros(count, np.float32)
        np.maximum.at(weight, item, np.exp2(-age / HALF_LIFE).astype(np.float32))
        return np.asarray(weight @ similar + fallback * 1e-6)

    return {
        "popularity": lambda query: popular,
        "recency (buy again)": recency,
        "frequency (most bought)": frequency,
        "item-kNN": item_knn,
    }


def similarity(log: Slice, cut_ms: int) -> NDArray[np.float32]:
    """Return the cosine between items over the invoices before CUT_MS: items x items, 1 on the diagonal."""
    lines = log.between(0, cut_ms)
    bought = ~log.cancel[lines]
    invoices, rows = np.unique(log.invoice[lines][bought], return_inverse=True)
    has = np.zeros((len(invoices), len(log.items)), np.float32)
    has[rows, log.item[lines][bought]] = 1
    together = has.T @ has
    norm = np.sqrt(np.maximum(np.diag(together), 1))
    return np.asarray(together / np.outer(norm, norm), np.float32)
