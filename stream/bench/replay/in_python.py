"""What one writes first: for each query and each feature, the user's events looked through in Python."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from stream.bench.replay.task import ITEMS, SEQUENCE, SINCE, Task, given, read_task


class _User(NamedTuple):
    ts: list[int]
    item: list[int]
    price: list[float]
    quantity: list[int]


def naive(folder: Path, share: int) -> Callable[[], Any]:
    """Return a call from lists in memory to a table in memory."""
    import pyarrow as pa

    task = read_task(folder)
    events, queries = given(folder, share)
    columns = [
        events.column(name).to_pylist() for name in ("user_id", "ts_ms", "item_id", "price", "quantity")
    ]
    asked = list(zip(*(queries.column(name).to_pylist() for name in ("user_id", "ts_ms")), strict=True))

    def run() -> Any:
        users: dict[int, _User] = {}
        for user, *row in zip(*columns, strict=True):
            mine: tuple[list[Any], ...] = users.setdefault(user, _User([], [], [], []))
            for values, value in zip(mine, row, strict=True):
                values.append(value)
        found: dict[str, list[Any]] = {name: [] for name in task.features}
        for user, t in asked:
            for name, value in _values(task, users.get(user, _User([], [], [], [])), t):
                found[name].append(value)
        return pa.table({"n": queries.column("n"), **found})

    return run


def _values(task: Task, user: _User, t: int) -> Iterator[tuple[str, Any]]:
    for window, ms in task.windows.items():
        rows = slice(bisect_left(user.ts, t - ms), bisect_left(user.ts, t))
        yield f"count_{window}", len(user.ts[rows])
        yield f"sum_{window}", sum(user.price[rows], 0.0)
        yield f"max_{window}", max(user.price[rows], default=None)
        yield f"distinct_{window}", len(set(user.item[rows]))
        quantities = user.quantity[rows]
        yield f"mean_{window}", sum(quantities) / len(quantities) if quantities else None
        yield f"last_{window}", user.item[rows][-1] if user.item[rows] else None
    end = bisect_left(user.ts, t)
    yield SINCE, t - user.ts[end - 1] if end else None
    yield ITEMS, user.item[max(0, end - SEQUENCE) : end]
