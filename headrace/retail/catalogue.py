"""The candidates of a request: every item of the slice with what was known when the catalogue was made."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from headrace.retail.slice import Slice, pounds
from headrace.retail.task import DAY

Catalogue = dict[str, list[object]]


def catalogue(log: Slice, at_ms: int) -> Catalogue:
    """Return a list per field of graph.Item, in the order of LOG's items, as of AT_MS (strictly before)."""
    return {
        "item_id": log.items.tolist(),
        "list_price": [Decimal(pounds(pence)) for pence in prices(log, at_ms).tolist()],
        "sold_7d": popularity(log, at_ms, 7).tolist(),
        "sold_30d": popularity(log, at_ms, 30).tolist(),
    }


def popularity(log: Slice, at_ms: int, days: int) -> NDArray[np.int64]:
    """Return how many invoices of the DAYS before AT_MS have each item."""
    lines = log.between(at_ms - days * DAY, at_ms)
    bought = ~log.cancel[lines]
    pairs = np.unique(log.invoice[lines][bought].astype(np.int64) << 16 | log.item[lines][bought])
    return np.bincount(pairs & 0xFFFF, minlength=len(log.items)).astype(np.int64)


def prices(log: Slice, at_ms: int) -> NDArray[np.int64]:
    """Return each item's median price before AT_MS in pence (the lower of two), 0 if never sold."""
    lines = log.between(0, at_ms)
    bought = ~log.cancel[lines]
    item, price = log.item[lines][bought], log.price[lines][bought]
    order = np.lexsort((price, item))
    everything = np.arange(len(log.items))
    first, last = (np.searchsorted(item[order], everything, side) for side in ("left", "right"))
    found = np.zeros(len(log.items), np.int64)
    sold = last > first
    found[sold] = price[order][(first + last - 1)[sold] // 2]
    return found
