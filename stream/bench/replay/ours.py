"""Replay itself, through the function that anybody calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import featuregraph as fg
from stream.backfill import replay
from stream.bench.replay import task as tasks
from stream.bench.replay.task import BUCKETS, ITEMS, KINDS, SEQUENCE, SINCE, Task, given, read_task

ENGINE = "local"
_MANY = {"1h": 1, "6h": 6, "1d": 24, "3d": 72, "7d": 168}  # hours, of the 104 features
_DEAR = ("2h", "12h", "2d", "5d")


def graph(task: Task) -> fg.Graph:
    """Return the graph of TASK."""
    event, rows = _events(task)
    features: dict[str, Any] = dict(_over(task.windows, {"": rows}, event))
    return fg.Graph("bench", features | _endless(rows, event))


def wide_graph(task: Task) -> fg.Graph:
    """Return 104 features: five windows of all events, the first, the second; filters; the endless."""
    event, rows = _events(task)
    streams = {"": rows} | {f"{name}_": fg.rows(_event(name)) for name in task.names[:2]}
    features: dict[str, Any] = dict(_over(_MANY, streams, event))
    dear = fg.rows(_event(task.names[0])).where(event.price > 20.0)
    for window in _DEAR:
        one = dear.over(window)
        features |= {f"dear_count_{window}": one.count(), f"dear_sum_{window}": one.sum(event.price)}
        features[f"dear_max_{window}"] = one.max(event.price)
    return fg.Graph("bench", features | _endless(rows, event))


def _event(name: str) -> Any:
    fields = {"item_id": fg.identifier(), "price": fg.float64(), "quantity": fg.int64()}
    return fg.Event.of(name, fields)


def _events(task: Task) -> tuple[Any, fg.Rows]:
    events = [_event(name) for name in task.names]
    return events[0], fg.rows(*events)


def _over(
    windows: Mapping[str, int], streams: Mapping[str, fg.Rows], event: Any
) -> Iterator[tuple[str, fg.Expr]]:
    for window in windows:
        for stream, rows in streams.items():
            kept = rows.over(window)
            values = (
                kept.count(), kept.sum(event.price), kept.max(event.price),
                kept.distinct(event.item_id), kept.mean(event.quantity), kept.last(event.item_id),
            )  # fmt: skip
            yield from ((f"{stream}{kind}_{window}", v) for kind, v in zip(KINDS, values, strict=True))


def _endless(rows: fg.Rows, event: Any) -> dict[str, Any]:
    items = {"item": event.item_id.hash(BUCKETS)}
    return {SINCE: rows.since_last(), ITEMS: rows.sequence(SEQUENCE, items)}


# ---------------------------------------------------------------- what is timed


def columns(folder: Path, share: int) -> Callable[[], Any]:
    """Return a call from tables in memory to a table in memory."""
    return _in_memory(graph(read_task(folder)), folder, share)


def wide(folder: Path, share: int) -> Callable[[], Any]:
    """Return the same for 104 features."""
    return _in_memory(wide_graph(read_task(folder)), folder, share)


def _in_memory(of: fg.Graph, folder: Path, share: int) -> Callable[[], Any]:
    plan = of.compile()
    events, queries = given(folder, share)
    queries = queries.drop_columns("n")
    return lambda: replay(plan, events, queries, engine=ENGINE)


def one_process(folder: Path, share: int) -> Callable[[], None]:
    """Return a call from files to a file, in this process."""
    return _workers(folder, 1)


def two_workers(folder: Path, share: int) -> Callable[[], None]:
    """Return the same with two workers."""
    return _workers(folder, 2)


def _workers(folder: Path, workers: int) -> Callable[[], None]:
    plan = graph(read_task(folder)).compile()
    events, queries, out = folder / tasks.PARQUET, folder / tasks.ASKED, folder / f"by-{workers}.parquet"

    def run() -> None:
        replay(plan, events, queries, out=out, workers=workers, engine=ENGINE)
        out.unlink()

    return run
