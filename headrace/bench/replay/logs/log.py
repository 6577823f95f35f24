"""What a log is to a run, and how one is written: typed columns of events, and queries among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from headrace.bench.replay.systems import System
from headrace.errors import UsageError

TWENTIETH = 20  # a query at one event in so many
DAY = 86_400_000  # ms


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
        is_internal: it is there only where HEADRACE_DATA names the internal logs.
        is_task: its features are those of a Task, which the reference can be asked about as well.
    """

    name: str
    write: Callable[[Path, int, int], Written]
    systems: Mapping[str, System]
    is_internal: bool = False
    is_task: bool = True


def has_internal() -> bool:
    """Tell whether HEADRACE_DATA names the internal logs."""
    return bool(os.environ.get("HEADRACE_DATA"))


def internal(name: str) -> Path:
    """Return the folder of an internal log."""
    path = Path(os.environ["HEADRACE_DATA"]) / name
    if not path.is_dir():
        raise UsageError(f"expected a log, found none: {path}; correct or unset HEADRACE_DATA")
    return path


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
