"""A made log: log-normally busy users, four event names, prices, quantities and popular items."""

from __future__ import annotations

from pathlib import Path

from headrace.bench.replay.logs.log import DAY, TWENTIETH, Written, write

_START = 1_700_000_000_000  # ms UTC
_DAYS = 30
_EVENTS_A_USER = 200
_NAMES, _SHARES = ("view", "buy", "cart", "search"), (0.6, 0.1, 0.1, 0.2)
_ITEMS = 20_000
_WINDOWS = {"1h": DAY // 24, "1d": DAY, "7d": 7 * DAY}


def made(folder: Path, events: int, seed: int) -> Written:
    """Write EVENTS of log-normally busy users over 30 days, with prices, quantities and popular items."""
    import numpy as np

    rng = np.random.default_rng(seed)
    users = max(1, events // _EVENTS_A_USER)
    activity = rng.lognormal(0, 1, users)
    columns = {
        "user_id": rng.choice(users, events, p=activity / activity.sum()).astype(np.int32),
        "ts_ms": np.sort(rng.integers(0, _DAYS * DAY, events)) + _START,
        "event": rng.choice(len(_NAMES), events, p=_SHARES).astype(np.int8),
        "item_id": (rng.zipf(1.3, events) % _ITEMS).astype(np.int32),
        "price": np.round(rng.lognormal(3, 1, events), 2),
        "quantity": rng.integers(1, 10, events).astype(np.int32),
    }
    asked = np.sort(rng.choice(events, max(1, events // TWENTIETH), replace=False))
    write(folder, columns, _NAMES, asked, _WINDOWS)
    what = f"{events:,} events, {users:,} users, {_DAYS} days, {len(asked):,} queries"
    return Written(what, events, len(asked))
