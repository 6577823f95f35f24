"""Row groups of Parquet files as flat events: those that matter, one after the other or some at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stream import dataset
from stream.backfill.intake import flat, pruning
from stream.backfill.intake.flat import Flat
from stream.backfill.intake.raw import Columns, label_of
from stream.backfill.needs import Needs
from stream.backfill.threads import in_order
from stream.errors import EventFileError

if TYPE_CHECKING:
    from pyarrow import parquet


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A row group, what its file's footer says, and the columns of it to read; none if it does not matter."""

    group: dataset.Group
    footer: parquet.FileMetaData
    columns: Collection[str]


def read_groups(path: Path, needs: Needs, most: int, threads: int) -> Iterator[Flat]:
    """Give the row groups that matter, MOST rows at a time, and of the others their number and greatest time.

    threads: how many are read at a time, each as a whole; their attrs know no types of those before them.
    """
    seqs = pruning.seqs_of(dataset.footers(path, EventFileError))
    coded = ["event", *needs.key]

    def wanted() -> Iterator[_Wanted]:
        for file in dataset.data_files(path, EventFileError):
            reader, groups = dataset.row_groups(file, EventFileError)
            with reader:
                for group in groups:
                    yield _Wanted(group, reader.metadata, pruning.columns_of(group, needs, seqs=seqs))

    def flats(one: _Wanted, columns: Columns) -> Iterator[Flat]:
        if not one.columns:
            yield Flat(None, one.group.about.num_rows, last_ms=pruning.last_ms(one.group))
            return
        first = 0
        with dataset.reopened(one.group, one.footer, EventFileError, coded) as reader:
            for batch in dataset.read_group(reader, one.group, one.columns, EventFileError, most):
                label = label_of(one.group.where, first)
                yield flat.of_batch(batch, needs, label, columns, seqs=seqs)
                first += batch.num_rows

    if threads == 1:
        columns = Columns(needs.texts)
        for one in wanted():
            yield from flats(one, columns)
        return
    for found in in_order(lambda one: list(flats(one, Columns(needs.texts))), wanted(), threads):
        yield from found
