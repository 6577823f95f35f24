"""What it saves to keep something from query to query (AutoFeature, SenSys 2026): pure arithmetic.

Of the rows that a query reads, the next one reads all again but those that leave the window in between:

    utility = rows x max(0, range - interval) / range x what a row costs
"""

from __future__ import annotations

from typing import Final

# Of one row and one aggregate; only their size beside that of decoding a row matters.
FOLD_NS: Final = 60.0  # folded at a query
MOVE_NS: Final = 120.0  # pushed or popped
# Of one row of an event that is held: taken out of columns, filtered, put in order among others.
BUILD_NS: Final = 700.0


def overlap(reach_ms: int | None, interval_ms: float) -> float:
    """Return the share of a window's rows that the next query reads again; REACH_MS None: a lifetime."""
    if reach_ms is None:
        return 1.0
    return max(0.0, reach_ms - interval_ms) / reach_ms if reach_ms > 0 else 0.0


def rows_gain(rows: float, reach_ms: int | None, interval_ms: float, decode_ns: float) -> float:
    """Return the ns that a query saves if ROWS decoded rows are kept."""
    return rows * overlap(reach_ms, interval_ms) * max(0.0, decode_ns)


def state_gain(rows: float, aggregates: int, reach_ms: int | None, interval_ms: float) -> float:
    """Return the ns that a query saves if AGGREGATES over ROWS rows run as states."""
    moved = 2 * rows * (1 - overlap(reach_ms, interval_ms))  # as many leave as come
    return max(0.0, aggregates * (rows * FOLD_NS - moved * MOVE_NS))
