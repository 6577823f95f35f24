"""What spilling costs, and what memory a run takes: python spilling.py EVENTS MEMORY [KEYS [KEY]].

Writes so many synthetic events of so many keys in the column KEY, replays them over columns within MEMORY,
and prints microseconds of process CPU and the largest memory that the process had, as JSON.
"""

from __future__ import annotations

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import featuregraph as fg
from stream.backfill import job
from stream.backfill.executors import executor
from stream.sizes import parse_size

GROUP_ROWS, QUERIES = 1 << 17, 20_000
VIEW = fg.Event.of("view", {"x": "float64", "n": "int64"})
ROWS = fg.rows(VIEW)
FEATURES = {
    "views": ROWS.count(),
    "spent": ROWS.over("30m").sum(VIEW["x"]),
    "kinds": ROWS.last(20).distinct(VIEW["n"]),
}


def write(path: Path, events: int, keys: int, key: str) -> None:
    """Write EVENTS of so many KEYS, in the order of time."""
    rng = np.random.default_rng(0)
    schema = pa.schema(
        [
            ("event", pa.string()),
            (key, pa.string()),
            ("ts_ms", pa.int64()),
            ("x", pa.float64()),
            ("n", pa.int64()),
        ]
    )
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, events, GROUP_ROWS):
            count = min(GROUP_ROWS, events - start)
            users = rng.integers(0, keys, count) if keys < events else np.arange(start, start + count)
            columns: dict[str, Any] = {
                "event": ["view"] * count,
                key: [f"user-{n}" for n in users.tolist()],
                "ts_ms": np.arange(start, start + count),
                "x": rng.random(count),
                "n": rng.integers(0, 1_000, count),
            }
            writer.write_table(pa.table(columns, schema=schema))


def replay(folder: Path, memory: str | None, key: str) -> dict[str, Any]:
    """Replay the events in FOLDER; return what it took."""
    started = peak()
    began = time.process_time()
    options = job.Options(memory=None if memory is None else parse_size(memory))
    by = executor("local", "auto")
    _, report = job.run(
        [fg.Graph("g", FEATURES, key=key).compile()],
        folder / "e.parquet",
        folder / "q.parquet",
        by,
        out=folder / "o.parquet",
        options=options,
    )
    seconds = time.process_time() - began
    table = parquet.read_table(folder / "o.parquet")
    return {
        "events": report.events,
        "cpu_us_per_event": round(1e6 * seconds / report.events, 3),
        "mib_before": started,
        "mib": peak(),
        "digest": hashlib.sha256(repr(table.to_pydict()).encode()).hexdigest()[:16],
    }


def peak() -> int:
    """Return the most MiB that this process ever held."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says there, a process inherits from the one that started it
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) >> 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20


def prepare(folder: Path, events: int, keys: int, key: str) -> None:
    """Write events and queries into FOLDER."""
    write(folder / "e.parquet", events, keys, key)
    rng = np.random.default_rng(1)
    users = [f"user-{n}" for n in rng.integers(0, keys, QUERIES).tolist()]
    asked = {key: users, "ts_ms": rng.integers(0, 2 * events, QUERIES)}
    parquet.write_table(pa.table(asked), folder / "q.parquet")


def measured(folder: Path, memory: str, key: str) -> dict[str, Any]:
    """Return what a fresh process takes within MEMORY, "" for no bound."""
    command = [sys.executable, __file__, "replay", str(folder), memory, key]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def main(events: int, memory: str, keys: int, key: str) -> None:
    """Write events, replay them in a fresh process within MEMORY and without a bound, and print both."""
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), events, keys, key)
        for bound in (memory, ""):
            print(json.dumps(measured(Path(name), bound, key)))  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1] == "replay":
        folder, memory, key = sys.argv[2:]
        print(json.dumps({"memory": memory, **replay(Path(folder), memory or None, key)}))  # noqa: T201
    else:
        keys, key = [*sys.argv[3:], *("50000", "user_id")[len(sys.argv) - 3 :]]
        main(int(sys.argv[1]), sys.argv[2], int(keys), key)
