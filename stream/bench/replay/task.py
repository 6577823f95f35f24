"""What every system is asked for: aggregates over windows of all of a user's events, and two without an end.

The kinds, by window W and over the rows with t - W <= ts_ms < t, in order of time and arrival:
count, sum and max of price, distinct item_id, mean of quantity, last item_id; then since_last (ms) and the
SEQUENCE latest item_ids, oldest first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = ("count", "sum", "max", "distinct", "mean", "last")
SINCE, ITEMS = "since", "items"
SEQUENCE = 50
BUCKETS = 50_000  # that ours hashes items into, as a model reads them; the others give them as they are

EVENTS, QUERIES, PARQUET, TASK = "events.arrow", "queries.arrow", "events.parquet", "task.json"
ASKED = "queries.parquet"


@dataclass(frozen=True, slots=True)
class Task:
    """One log's features.

    Args:
        windows: ms by name, the narrowest first.
        names: of the events.
    """

    windows: Mapping[str, int]
    names: Sequence[str]

    @property
    def features(self) -> list[str]:
        """Return their names."""
        return [*(f"{kind}_{window}" for window in self.windows for kind in KINDS), SINCE, ITEMS]

    @property
    def widest(self) -> str:
        """Return the name of the widest window."""
        return list(self.windows)[-1]

    def write(self, folder: Path) -> None:
        """Write it into FOLDER."""
        (folder / TASK).write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_task(folder: Path) -> Task:
    """Return the task of FOLDER."""
    return Task(**json.loads((folder / TASK).read_text(encoding="utf-8")))


def write_table(table: pa.Table, path: Path) -> None:
    """Write TABLE to PATH, uncompressed, to be read without a copy of it."""
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_table(path: Path) -> pa.Table:
    """Return the table of PATH in memory."""
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as source:
        return pa.ipc.open_file(source).read_all()


def given(folder: Path, share: int = 1) -> tuple[Any, Any]:
    """Return (events, queries) of FOLDER: of all users, or of one in SHARE.

    events: user_id, item_id, quantity int32, ts_ms int64, price float64, event dictionary; by ts_ms.
    queries: user_id, ts_ms, and n, their number.
    """
    import numpy as np
    import pyarrow as pa

    events, queries = read_table(folder / EVENTS), read_table(folder / QUERIES)
    queries = queries.append_column("n", pa.array(np.arange(queries.num_rows, dtype=np.int32)))
    if share > 1:
        events, queries = (
            table.filter(pa.array(table.column("user_id").to_numpy() % share == 0))
            for table in (events, queries)
        )
    return events, queries
