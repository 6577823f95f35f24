"""Polars, in three ways: by positions found by hand, by join_where, by rolling; one thread.

by_positions  edges of windows by search_sorted on user and time in one number; counts, means and ends from
              them alone; rows of the widest window spelled out for sums, maxima and distinct values
by_join       join_where of queries and events on the streaming engine, grouped by query
by_rolling    a rolling group per window over events and queries together

What no window ends (since, items) is computed by positions in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stream.bench.replay.task import ITEMS, SEQUENCE, SINCE, Task, given, read_task

_BATCH = 2_000  # queries, each of a hundred rows or so
Way = Callable[[Task, Any, Any, Any], Any]


def by_positions(folder: Path, share: int) -> Callable[[], Any]:
    """Return a call from frames to a table in memory."""
    return _way(folder, share, _positions)


def by_join(folder: Path, share: int) -> Callable[[], Any]:
    """Return the same by join_where."""
    return _way(folder, share, _join)


def by_rolling(folder: Path, share: int) -> Callable[[], Any]:
    """Return the same by rolling."""
    return _way(folder, share, _rolling)


def _way(folder: Path, share: int, way: Way) -> Callable[[], Any]:
    import polars as pl

    task = read_task(folder)
    tables = given(folder, share)
    log, queries = (pl.DataFrame(pl.from_arrow(table)) for table in tables)
    log = log.drop("event")
    del tables

    def run() -> Any:
        # The log is in order of time, and the sort is stable.
        events = log.sort("user_id", maintain_order=True).with_row_index("pos")
        edges = _edges(task, events, queries, pl)
        found = edges.select("n").join(
            way(task, events, edges, pl), on="n", how="left", maintain_order="left"
        )
        empty = [
            pl.col(f"{kind}_{window}").fill_null(0)
            for kind in ("count", "sum", "distinct")
            for window in task.windows
        ]
        found = found.with_columns(empty).hstack([edges[SINCE], _items(events, edges, pl)])
        return found.select("n", *task.features).to_arrow()

    return run


def _edges(task: Task, events: Any, queries: Any, pl: Any) -> Any:
    """Return by query the numbers of the first event of its user, of each window, and of t or later."""
    start = events["ts_ms"].min()
    span = events["ts_ms"].max() - start + 2
    packed = events["user_id"].cast(pl.Int64) * span + (events["ts_ms"] - start)
    users = queries["user_id"].cast(pl.Int64) * span
    at = queries["ts_ms"] - start

    def found(bound: Any) -> Any:
        return packed.search_sorted(users + bound.clip(0, span - 1)).cast(pl.Int64)

    edges = queries.with_columns(
        first=found(at * 0), end=found(at), **{window: found(at - ms) for window, ms in task.windows.items()}
    )
    before = (edges["end"] - 1).clip(0)
    return edges.with_columns(
        pl.when(pl.col("end") > pl.col("first"))
        .then(pl.col("ts_ms") - events["ts_ms"].gather(before))
        .alias(SINCE),
        last=events["item_id"].gather(before),
    )


def _items(events: Any, edges: Any, pl: Any) -> Any:
    """Return the latest items of each query."""
    latest = edges.select(
        "n", at=pl.int_ranges(pl.max_horizontal(pl.col("end") - SEQUENCE, "first"), "end")
    ).filter(pl.col("at").list.len() > 0)
    rows = latest.explode("at")
    lists = (
        rows.select("n", events["item_id"].gather(rows["at"]).alias(ITEMS))
        .group_by("n", maintain_order=True)
        .agg(ITEMS)
    )
    found = edges.select("n").join(lists, on="n", how="left", maintain_order="left")
    return found[ITEMS].fill_null([])


def _positions(task: Task, events: Any, edges: Any, pl: Any) -> Any:
    total = pl.concat([pl.Series([0], dtype=pl.Int64), events["quantity"].cast(pl.Int64).cum_sum()])
    sums = total.gather(edges["end"])
    cheap = []
    for window in task.windows:
        count = edges["end"] - edges[window]
        known = pl.when(count > 0)
        cheap += [
            count.alias(f"count_{window}"),
            known.then((sums - total.gather(edges[window])) / count).alias(f"mean_{window}"),
            known.then(edges["last"]).alias(f"last_{window}"),
        ]
    # By user and some at a time, so that what is spelled out stays in the processor's cache.
    asked = (
        edges.sort("user_id").filter(pl.col(task.widest) < pl.col("end")).select("n", "end", *task.windows)
    )
    found = pl.concat(
        [_spelled_out(task, events, some, pl) for some in asked.iter_slices(_BATCH)]
        or [_spelled_out(task, events, asked, pl)]
    )
    return edges.select("n", *cheap).join(found, on="n", how="left")


def _spelled_out(task: Task, events: Any, asked: Any, pl: Any) -> Any:
    rows = asked.select("n", *task.windows, at=pl.int_ranges(task.widest, "end")).explode("at")
    rows = rows.with_columns(
        price=events["price"].gather(rows["at"]), item=events["item_id"].gather(rows["at"])
    )
    wide = []
    for window in task.windows:
        inside = pl.col("at") >= pl.col(window)
        price, item = (
            pl.col(name) if window == task.widest else pl.col(name).filter(inside)
            for name in ("price", "item")
        )
        wide += [
            price.sum().alias(f"sum_{window}"), price.max().alias(f"max_{window}"),
            item.n_unique().alias(f"distinct_{window}"),
        ]  # fmt: skip
    return rows.group_by("n").agg(wide)


def _join(task: Task, events: Any, edges: Any, pl: Any) -> Any:
    widest = task.windows[task.widest]
    asked = edges.lazy().select("n", user="user_id", t="ts_ms", begin=pl.col("ts_ms") - widest)
    rows = events.lazy().join_where(
        asked,
        pl.col("user_id") == pl.col("user"),
        pl.col("ts_ms") < pl.col("t"),
        pl.col("ts_ms") >= pl.col("begin"),
    )
    aggregates = []
    for window, ms in task.windows.items():
        inside = pl.col("ts_ms") >= pl.col("t") - ms
        column = {
            name: pl.col(name) if window == task.widest else pl.col(name).filter(inside)
            for name in ("price", "item_id", "quantity", "pos")
        }
        aggregates += _kinds(window, column, pl)
    found = rows.group_by("n").agg(aggregates).collect(engine="streaming")
    return _with_items(task, events, found, pl)


def _kinds(window: str, column: Any, pl: Any) -> list[Any]:
    return [
        column["price"].count().alias(f"count_{window}"),
        column["price"].sum().alias(f"sum_{window}"),
        column["price"].max().alias(f"max_{window}"),
        column["item_id"].drop_nulls().n_unique().alias(f"distinct_{window}"),
        column["quantity"].mean().alias(f"mean_{window}"),
        column["pos"].max().alias(f"last_{window}"),  # the place of the last row; its item is looked up then
    ]


def _with_items(task: Task, events: Any, found: Any, pl: Any) -> Any:
    items = pl.lit(events["item_id"])
    return found.with_columns(
        items.gather(pl.col(f"last_{window}")).alias(f"last_{window}") for window in task.windows
    )


def _rolling(task: Task, events: Any, edges: Any, pl: Any) -> Any:
    both = pl.concat([edges.select("n", "user_id", "ts_ms"), events], how="diagonal_relaxed")
    both = both.sort("user_id", "ts_ms", maintain_order=True)
    asks = both["n"].is_not_null()
    found = both.select("n").filter(asks)
    for window, ms in task.windows.items():
        column = {name: pl.col(name) for name in ("price", "item_id", "quantity", "pos")}
        rolled = (
            both.lazy()
            .rolling("ts_ms", period=f"{ms}i", closed="left", group_by="user_id")
            .agg(_kinds(window, column, pl))
            .collect()
        )
        found = found.hstack(rolled.filter(asks).drop("user_id", "ts_ms"))
    return _with_items(task, events, found, pl)
