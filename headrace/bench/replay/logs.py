"""The logs that replay is measured on, as files of typed columns: a made one, a gift shop's repeated.

Queries are every TWENTIETH event: its user, its time; what counts is strictly before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from headrace.bench.replay.systems import (
    DUCKDB,
    JOIN_WHERE,
    NAIVE,
    ONE,
    OURS,
    PANDAS,
    POSITIONS,
    ROLLING,
    SCAN,
    TWO,
    WIDE,
)
from headrace.errors import UsageError

TWENTIETH = 20
DAY = 86_400_000  # ms
_START = 1_700_000_000_000  # ms UTC, of the made log
_DAYS = 30
_EVENTS_A_USER = 200
_NAMES, _SHARES = ("view", "buy", "cart", "search"), (0.6, 0.1, 0.1, 0.2)
_ITEMS = 20_000
_WINDOWS = {"1h": DAY // 24, "1d": DAY, "7d": 7 * DAY}
_SHOP_WINDOWS = {"1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY}  # who buys there comes back in weeks


class Written(NamedTuple):
    """What was written: in a line, and in numbers."""

    what: str
    events: int
    queries: int


@dataclass(frozen=True, slots=True)
class Log:
    """What a run is over.

    Args:
        name: as `--logs` calls it.
        write: writes about so many events and their queries into a folder, by seed.
        systems: who answers, ours first.
    """

    name: str
    write: Callable[[Path, int, int], Written]
    systems: Sequence[str]


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


def shop(folder: Path, events: int, seed: int) -> Written:
    """Write the Online Retail log until there are EVENTS, each time as other users, on other days.

    The whole log where HEADRACE_DATA names the internal logs, the packaged slice elsewhere.
    """
    import numpy as np

    found = os.environ.get("HEADRACE_DATA")
    columns, names = _whole(Path(found)) if found else _slice()
    once = len(columns["ts_ms"])
    times = max(1, round(events / once))
    users = int(columns["user_id"].max()) + 1
    again = np.repeat(np.arange(times, dtype=np.int32), once)
    many = {name: np.tile(values, times) for name, values in columns.items()}
    many["user_id"] = many["user_id"] + again * np.int32(users)
    many["ts_ms"] = many["ts_ms"] + again * DAY
    order = np.argsort(many["ts_ms"], kind="stable")
    many = {name: values[order] for name, values in many.items()}
    asked = np.sort(np.random.default_rng(seed).choice(len(order), len(order) // TWENTIETH, replace=False))
    write(folder, many, names, asked, _SHOP_WINDOWS)
    log = "online_retail" if found else "its public slice"
    what = f"{log} x {times}: {len(order):,} events, {users * times:,} users, {len(asked):,} queries"
    return Written(what, len(order), len(asked))


def _whole(folder: Path) -> tuple[dict[str, Any], list[str]]:
    import numpy as np
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = folder / "online_retail" / "events_canonical.parquet"
    if not path.is_file():
        raise UsageError(f"expected a log, found none: {path}; correct or unset HEADRACE_DATA")
    table = pq.read_table(path, columns=["user_id", "ts_ms", "event", "item_id", "attrs"])
    codes, words = {}, {}
    for name in ("user_id", "event", "item_id"):
        coded = pc.dictionary_encode(table.column(name).combine_chunks())
        codes[name], words[name] = coded.indices.to_numpy(), coded.dictionary.to_pylist()
    numbers = {
        name: pc.map_lookup(table.column("attrs"), attr, "first").cast(kind).combine_chunks().to_numpy()
        for name, attr, kind in (("price", "unit_price", "float64"), ("quantity", "quantity", "int32"))
    }
    return {
        "user_id": codes["user_id"],
        "ts_ms": table.column("ts_ms").to_numpy(),
        "event": codes["event"].astype(np.int8),
        "item_id": codes["item_id"],
        **numbers,
    }, words["event"]


def _slice() -> tuple[dict[str, Any], list[str]]:
    import numpy as np

    from headrace.retail.slice import CANCEL, PURCHASE, load

    log = load()
    return {
        "user_id": log.customer.astype(np.int32),
        "ts_ms": log.ts_ms,
        "event": log.cancel.astype(np.int8),
        "item_id": log.item.astype(np.int32),
        "price": log.price / 100,
        "quantity": log.quantity.astype(np.int32),
    }, [PURCHASE, CANCEL]


def write(
    folder: Path, columns: Mapping[str, Any], names: Sequence[str], asked: Any, windows: Mapping[str, int]
) -> None:
    """Write events of COLUMNS, event being a place in NAMES, and queries at the events ASKED, into FOLDER."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from stream.bench.replay import task as tasks

    codes = pa.array(columns["event"], pa.int8())
    events = pa.table(
        {**columns, "event": pa.DictionaryArray.from_arrays(codes, pa.array(list(names), pa.string()))}
    )
    queries = pa.table({name: columns[name][asked] for name in ("user_id", "ts_ms")})
    tasks.write_table(events, folder / tasks.EVENTS)
    tasks.write_table(queries, folder / tasks.QUERIES)
    pq.write_table(events, folder / tasks.PARQUET, compression="lz4")
    pq.write_table(queries, folder / tasks.ASKED)
    tasks.Task(dict(windows), list(names)).write(folder)


_SHARED = (OURS, SCAN, POSITIONS, JOIN_WHERE, DUCKDB, PANDAS, NAIVE)
LOGS: dict[str, Log] = {
    log.name: log
    for log in (
        Log("made", made, (*_SHARED, ROLLING, WIDE, ONE, TWO)),
        Log("shop", shop, _SHARED),
    )
}
