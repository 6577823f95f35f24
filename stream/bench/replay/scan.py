"""The limit: the columns that the features read, out of a Parquet file, and nothing done with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stream.bench.replay.task import PARQUET


def scan(folder: Path, share: int) -> Callable[[], None]:
    """Return a call that reads every column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(1)

    def run() -> None:
        pq.read_table(folder / PARQUET, use_threads=False)

    return run
