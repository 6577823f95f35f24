"""What came of reading the events: counts, and the flat batches as few tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from stream.backfill.intake.flat import Flat


@dataclass(slots=True)
class Read:
    """What was read so far."""

    events: int = 0
    unread: int = 0  # events in row groups that do not matter
    keyless: int = 0
    last_ms: int | None = None  # the greatest ts_ms of all events

    def counted(self, read: Iterable[Flat], done: Callable[[int], object]) -> Iterator[pa.RecordBatch]:
        """Give the events of READ, all of them counted; DONE is told how many events came."""
        for flat in read:
            self.events += flat.read
            self.keyless += flat.keyless
            if flat.last_ms is not None:
                self.last_ms = flat.last_ms if self.last_ms is None else max(self.last_ms, flat.last_ms)
            if flat.events is None:
                self.unread += flat.read
            elif flat.events.num_rows:
                yield flat.events
            done(flat.read)


def tables_of(batches: Iterable[pa.RecordBatch]) -> list[pa.Table]:
    """Return BATCHES as tables, in their order: one for all that follow one another in the same form."""
    import pyarrow as pa

    return [
        pa.Table.from_batches(list(alike)) for _, alike in groupby(batches, key=lambda batch: batch.schema)
    ]


def held(batches: Iterable[pa.RecordBatch], most: int | None) -> tuple[list[pa.RecordBatch], bool]:
    """Return the first of BATCHES, of at most MOST bytes and one more, and whether these are all."""
    found: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        found.append(batch)
        size += batch.nbytes
        if most is not None and size > most:
            return found, False
    return found, True
