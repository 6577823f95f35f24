"""Where events come from: files, folders, logs, tables and rows, opened once and read as flat batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from stream import tables
from stream.backfill.intake import flat, pruning
from stream.backfill.intake.flat import Flat
from stream.backfill.intake.groups import read_groups
from stream.backfill.intake.raw import Columns, label_of
from stream.backfill.needs import Needs, Seqs

BATCH_ROWS = 65_536  # of columns: large enough that a call per column costs nothing
_GROUP_ROWS = 1 << 20  # where memory is no matter: each batch has words of its own, to be made one at last


@dataclass(frozen=True, slots=True)
class Source:
    """Recorded events in the order of arrival.

    Args:
        name: as messages call it.
        rows: how many events there are, as far as anything tells.
        read: gives them flat.
    """

    name: str
    rows: int | None
    read: Callable[[Needs], Iterator[Flat]]


def opened(events: Any, *, whole: bool = False, threads: int = 1) -> Source:
    """Return the source of a path, an Arrow table (or what gives one) or rows.

    whole: chunks of a table are read as they are, however large, so that nothing of them is copied, and many
    rows of Parquet at a time. threads: how many row groups of Parquet may be read at a time.

    Raises:
        EventFileError, LogError: there is no file, or one of no known form.
    """
    if isinstance(events, str | Path):
        return _of_path(Path(events), _GROUP_ROWS if whole else BATCH_ROWS, threads)
    if hasattr(events, "__arrow_c_stream__"):
        table = events if isinstance(events, pa.Table) else pa.table(events)
        return _of_table(table, None if whole else BATCH_ROWS)
    return _of_rows(list(events))


def lasting(events: Any) -> Any:
    """Return EVENTS as what can be read more than once: an iterator, or a stream of Arrow, is taken in."""
    if isinstance(events, str | Path | list | pa.Table):
        return events
    return pa.table(events) if hasattr(events, "__arrow_c_stream__") else list(events)


def _of_path(path: Path, most: int, threads: int) -> Source:
    rows = tables.count_rows(path)
    if tables.is_log(path) or tables.format_of(path) == "jsonl":
        return Source(str(path), rows, lambda needs: _read_rows(tables.read_events(path), needs, str(path)))
    if tables.format_of(path) == "parquet":
        return Source(str(path), rows, lambda needs: read_groups(path, needs, most, threads))
    return Source(str(path), rows, lambda needs: _read_file(path, needs))


def _of_table(table: pa.Table, most: int | None) -> Source:
    def read(needs: Needs) -> Iterator[Flat]:
        wanted = _wanted(needs)
        chosen = table.select([place for place, name in enumerate(table.column_names) if name in wanted])
        batches = chosen.to_batches(max_chunksize=most)
        yield from _read_batches(batches or [_no_row(chosen)], needs, "events")

    return Source("events", table.num_rows, read)


def _no_row(table: pa.Table) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({name: [] for name in table.column_names}, schema=table.schema)


def _of_rows(events: Sequence[Mapping[str, Any]]) -> Source:
    size = tables.BATCH_ROWS
    batches = [events[start : start + size] for start in range(0, len(events), size)]
    return Source("events", len(events), lambda needs: _read_rows(batches, needs, "events"))


# ---------------------------------------------------------------- reading


def _read_rows(batches: Iterable[Sequence[Mapping[str, Any]]], needs: Needs, name: str) -> Iterator[Flat]:
    columns, first = Columns(needs.texts), 0
    for batch in batches:
        yield flat.of_rows(batch, needs, label_of(name, first), columns)
        first += len(batch)


def _read_batches(batches: Iterable[pa.RecordBatch], needs: Needs, name: str) -> Iterator[Flat]:
    columns, first = Columns(needs.texts), 0
    for batch in batches:
        seqs = Seqs.MIXED if "seq" in batch.schema.names else Seqs.NONE
        yield flat.of_batch(batch, needs, label_of(name, first), columns, seqs=seqs)
        first += batch.num_rows


def _read_file(path: Path, needs: Needs) -> Iterator[Flat]:
    yield from _read_batches(_batches(path, _wanted(needs)), needs, str(path))


def _batches(path: Path, columns: Collection[str]) -> Iterator[pa.RecordBatch]:
    with tables.translating(path, "reading it"):
        yield from tables.arrow_batches(path, BATCH_ROWS, columns)


def _wanted(needs: Needs) -> Collection[str]:
    return {*needs.columns, pruning.ATTRS}
