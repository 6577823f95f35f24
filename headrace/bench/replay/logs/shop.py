"""A gift shop's invoice lines, repeated: most times are shared by several events, and users are skewed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headrace.bench.replay.logs.log import DAY, TWENTIETH, Written, has_internal, internal, write

_WINDOWS = {"1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY}  # who buys there comes back in weeks


def shop(folder: Path, events: int, seed: int) -> Written:
    """Write the Online Retail log until there are EVENTS, each time as other users, on other days.

    The whole log where HEADRACE_DATA names the internal logs, the packaged slice elsewhere.
    """
    import numpy as np

    whole = has_internal()
    columns, names = _whole() if whole else _slice()
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
    write(folder, many, names, asked, _WINDOWS)
    log = "online_retail" if whole else "its public slice"
    what = f"{log} x {times}: {len(order):,} events, {users * times:,} users, {len(asked):,} queries"
    return Written(what, len(order), len(asked))


def _whole() -> tuple[dict[str, Any], list[str]]:
    import numpy as np
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = internal("online_retail") / "events_canonical.parquet"
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
