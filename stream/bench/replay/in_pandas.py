"""Pandas: rolling windows by user over events and queries in one frame, and merge_asof for what is last.

Distinct values and the list of the latest items have no function there: they are left out, in its favour.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stream.bench.replay.task import SINCE, Task, given, read_task


def rolling(folder: Path, share: int) -> Callable[[], Any]:
    """Return a call from frames to a table in memory."""
    import pandas as pd
    import pyarrow as pa

    task = read_task(folder)
    tables = given(folder, share)
    events = tables[0].drop_columns("event").to_pandas()
    queries = tables[1].to_pandas()

    def run() -> Any:
        answers = _last(queries, events, pd)
        _windows(task, queries, events, answers, pd)
        for window in task.windows:
            answers[f"last_{window}"] = answers["last"].where(answers[f"count_{window}"] > 0)
        return pa.Table.from_pandas(answers.drop(columns="last"), preserve_index=False)

    return run


def _last(queries: Any, events: Any, pd: Any) -> Any:
    """Return the queries by n with the last item before them, and how long ago it was."""
    latest = events[["user_id", "ts_ms", "item_id"]].assign(at=events["ts_ms"])
    found = pd.merge_asof(
        queries.sort_values("ts_ms", kind="stable"),
        latest,
        on="ts_ms",
        by="user_id",
        allow_exact_matches=False,
    ).sort_values("n", ignore_index=True)
    return pd.DataFrame({"n": found["n"], SINCE: found["ts_ms"] - found["at"], "last": found["item_id"]})


def _windows(task: Task, queries: Any, events: Any, answers: Any, pd: Any) -> None:
    # Queries stand before events of their ms, so that no window that is open at its end holds these.
    both = pd.concat([queries, events]).sort_values(["user_id", "ts_ms"], kind="stable", ignore_index=True)
    both["at"] = both["ts_ms"].astype("datetime64[ms]")
    asks = both["n"].notna().to_numpy()
    numbers = both["n"].to_numpy()[asks].argsort()
    for window, ms in task.windows.items():
        rolled = both.groupby("user_id", sort=False).rolling(
            pd.Timedelta(ms, "ms"), on="at", closed="left", min_periods=1
        )
        for name, values in (
            ("count", rolled["price"].count()),
            ("sum", rolled["price"].sum()),
            ("max", rolled["price"].max()),
            ("mean", rolled["quantity"].mean()),
        ):
            answers[f"{name}_{window}"] = values.to_numpy()[asks][numbers]
        for name, kind in (("count", "int64"), ("sum", "float64")):
            answers[f"{name}_{window}"] = answers[f"{name}_{window}"].fillna(0).astype(kind)
