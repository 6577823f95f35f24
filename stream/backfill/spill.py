"""Events by bucket on disk: a file per bucket, each of which holds whole keys in the order of arrival.

flat batches -> a chunk that fits the memory -> its rows by bucket, those of a bucket in their order
             -> one record batch per bucket, lz4, at the end of the bucket's file

Where the types of columns change, each bucket goes on in a further file, its next *generation*:
`Spilled.read` gives a table of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.backfill.bucket import Hashes, buckets_of, hash_keys

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")

Hashed = Callable[[pa.Table], Hashes]  # the hash of each row, which says in which bucket it is


def by_key(key: Sequence[str]) -> Hashed:
    """Return the function that hashes the columns of KEY."""
    return lambda table: hash_keys([table.column(name) for name in key])


@dataclass(frozen=True, slots=True)
class Spilled:
    """Spilled events.

    Args:
        folder: where the files are.
        files: by generation of types, in the order of arrival: the buckets that have a file.
        sizes: about how many bytes each bucket takes in memory.
    """

    folder: Path
    files: Sequence[Sequence[int]]
    sizes: Sequence[int]

    def read(self, buckets: range) -> list[pa.Table]:
        """Return the events of BUCKETS: a table for each generation, their keys' events in order."""
        return list(self.generations(buckets).values())

    def generations(self, buckets: range) -> Mapping[int, pa.Table]:
        """Return the events of BUCKETS by generation, in the order of arrival."""
        tables = {}
        for generation, have in enumerate(self.files):
            paths = [_path(self.folder, bucket, generation) for bucket in buckets if bucket in have]
            if paths:
                tables[generation] = pa.concat_tables([_read(path) for path in paths])
        return tables


def _path(folder: Path, bucket: int, generation: int) -> Path:
    return folder / f"events-{bucket:05}-{generation}.arrows"


def _read(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as reader:
        return reader.read_all()


@dataclass(slots=True)
class Spill:
    """Takes flat batches and brings them to disk; as a context it ends when all of them are there.

    Args:
        folder: for the files; it is there.
        hashed: what decides in which bucket an event is.
        count: how many buckets.
        chunk: how many bytes are sorted at once; several times that is held.
    """

    folder: Path
    hashed: Hashed
    count: int
    chunk: int
    _held: list[pa.RecordBatch] = field(default_factory=list)
    _bytes: int = 0
    _schema: pa.Schema | None = None
    _writers: dict[int, Any] = field(default_factory=dict)
    _files: list[list[int]] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)
    _sizes: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self._sizes = np.zeros(self.count, np.int64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        with self._stack:
            if kind is None:
                self._write()
        self._writers.clear()

    def take(self, batches: Iterable[pa.RecordBatch]) -> Spilled:
        """Bring BATCHES to disk and return what is there then."""
        with self:
            for batch in batches:
                self.put(batch)
        return self.spilled

    def put(self, batch: pa.RecordBatch) -> None:
        """Bring BATCH to disk, at once or with the next ones."""
        plain = _plain(batch)
        if plain.schema != self._schema:
            self._begin(plain.schema)
        self._held.append(plain)
        self._bytes += plain.nbytes
        if self._bytes >= self.chunk:
            self._write()

    @property
    def spilled(self) -> Spilled:
        """Return what is on disk, once all is."""
        return Spilled(self.folder, self._files, self._sizes.tolist())

    def _begin(self, schema: pa.Schema) -> None:
        self._write()
        self._stack.close()
        self._writers.clear()
        self._schema = schema
        self._files.append([])

    def _write(self) -> None:
        if not self._held:
            return
        table = pa.Table.from_batches(self._held)
        self._held, self._bytes = [], 0
        buckets = buckets_of(self.hashed(table), self.count)
        order = np.argsort(buckets, kind="stable")
        table = table.take(pa.array(order))
        ends = np.searchsorted(buckets[order], np.arange(self.count + 1))
        for bucket in np.flatnonzero(np.diff(ends)).tolist():
            piece = table.slice(ends[bucket], ends[bucket + 1] - ends[bucket])
            self._sizes[bucket] += piece.nbytes
            self._writer(bucket).write_table(piece)
        del table
        pa.default_memory_pool().release_unused()

    def _writer(self, bucket: int) -> Any:
        if bucket not in self._writers:
            path = _path(self.folder, bucket, len(self._files) - 1)
            sink = self._stack.enter_context(pa.OSFile(str(path), "wb"))
            writer = pa.ipc.new_stream(sink, self._schema, options=_OPTIONS)
            self._writers[bucket] = self._stack.enter_context(writer)
            self._files[-1].append(bucket)
        return self._writers[bucket]


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return BATCH with texts as they are: a dictionary would be written anew for each bucket."""
    columns = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)
