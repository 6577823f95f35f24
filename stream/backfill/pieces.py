"""Answers on disk, a file per part, and all of them together again in the order of the queries.

A piece is whole under its name or not there: so a run that was cut knows what it need not compute again. Its
rows ascend by the place of their query, so that the pieces merge as streams, a slice of each at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.atomic import replacing
from stream.backfill.part import Answers, Counts

_PLACE, _COUNTS = "place", b"headrace.counts"
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")
_HELD_ROWS, _LEAST_ROWS = 1 << 17, 64  # of all pieces together while they merge; of one


def write_piece(path: Path, places: npt.NDArray[np.int64], answers: Answers, pieces: int) -> None:
    """Write ANSWERS to the queries at PLACES, ascending; PIECES is how many there will be in all."""
    columns = {_PLACE: pa.chunked_array([pa.array(places)])}
    for number, table in enumerate(answers.features):
        columns |= {f"{number}.{name}": table.column(name) for name in table.column_names}
    about = {_COUNTS: json.dumps(answers.counts.to_json()).encode()}
    table = pa.table(columns).replace_schema_metadata(about)
    rows = max(_HELD_ROWS // pieces, _LEAST_ROWS)
    with replacing(path) as part, pa.ipc.new_file(str(part), table.schema, options=_OPTIONS) as writer:
        writer.write_table(table, max_chunksize=rows)


def counts_in(path: Path) -> Counts:
    """Return what became of the events of the piece at PATH."""
    with pa.OSFile(str(path)) as source:
        return Counts.from_json(json.loads(pa.ipc.open_file(source).schema.metadata[_COUNTS]))


def merged(paths: Sequence[Path], queries: int, rows: int, features: Sequence[pa.Schema]) -> Iterator[Any]:
    """Give the answers to all QUERIES in their order, ROWS at a time: a table per plan.

    features: the columns of each plan.
    """
    with ExitStack() as stack:
        streams = [_Stream(stack.enter_context(pa.OSFile(str(path)))) for path in paths]
        for start in range(0, queries, rows):
            end = min(start + rows, queries)
            table = pa.concat_tables([piece for stream in streams for piece in stream.upto(end)])
            places = table.column(_PLACE).to_numpy()
            assert len(places) == end - start, "each query has one answer"
            table = table.take(pa.array(np.argsort(places)))
            yield [
                pa.table([table.column(f"{number}.{name}") for name in schema.names], schema=schema)
                for number, schema in enumerate(features)
            ]


class _Stream:
    """The rows of one piece, taken from its beginning."""

    def __init__(self, source: Any) -> None:
        self._reader = pa.ipc.open_file(source)
        self._next = 0
        self._rest: pa.Table | None = None

    def upto(self, place: int) -> Iterator[pa.Table]:
        """Give the rows not given yet whose place is before PLACE."""
        while (table := self._ahead()) is not None:
            count = int(np.searchsorted(table.column(_PLACE).to_numpy(), place))
            if count:
                yield table.slice(0, count)
            if count < table.num_rows:
                self._rest = table.slice(count)
                return

    def _ahead(self) -> pa.Table | None:
        found, self._rest = self._rest, None
        if found is None and self._next < self._reader.num_record_batches:
            found = pa.Table.from_batches([self._reader.get_batch(self._next)])
            self._next += 1
        return found
