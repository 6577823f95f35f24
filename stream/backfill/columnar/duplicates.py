"""Events whose event_id is known for their key already (SEMANTICS 1.3)."""

from __future__ import annotations

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask
from stream.backfill.columnar.order import group_starts, sorted_order


def duplicates(owner: Array, ids: Column, rows: Array) -> Mask | None:
    """Return which of ROWS have an event_id that an earlier one of their key has; None if none has.

    Args:
        owner: the number of each event's key.
        ids: the event_id of each event.
        rows: the numbers of events, in the order of arrival.
    """
    if ids.known is not None and not ids.known.any():
        return None
    with_id = np.arange(len(rows)) if ids.known is None else np.flatnonzero(ids.known[rows])
    carried = len(ids) if ids.known is None else int(ids.known.sum())
    if not len(with_id) or len(ids.words or ()) == carried:
        return None  # as many ids as events that have one
    chosen = rows[with_id]
    columns = [owner[chosen], ids.values[chosen]]
    order = sorted_order(columns, len(chosen))
    first = np.zeros(len(chosen), np.bool_)
    first[group_starts([column[order] for column in columns])] = True
    if first.all():
        return None
    found = np.zeros(len(rows), np.bool_)
    found[with_id[order[~first]]] = True
    return found
