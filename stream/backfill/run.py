"""One run of replay: in memory if it fits, else by buckets on disk; to a table, or to a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from featuregraph import Plan
from stream.backfill import bucketed, intake, output
from stream.backfill.asked import Asked
from stream.backfill.budget import budget_of
from stream.backfill.identity import identity_of
from stream.backfill.job import ANSWERING, READING, WRITING, Options, Progress
from stream.backfill.needs import USER, needs_of
from stream.backfill.part import Counts, Executor, Part
from stream.backfill.pieces import merged
from stream.backfill.reading import Read, tables_of
from stream.backfill.workplace import Workplace, workplace
from stream.errors import BackfillError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Run:
    """One run; `read` and `counts` say what became of the events once it is done."""

    def __init__(
        self,
        plans: Sequence[Plan],
        events: Any,
        queries: Any,
        asked: Asked,
        by: Executor,
        options: Options,
        progress: Progress,
    ) -> None:
        self._plans, self._asked, self._by = plans, asked, by
        self._options, self._progress = options, progress
        self._budget = budget_of(options.memory, options.workers, by.swell, resumed=options.resume)
        self._needs = needs_of(plans, asked.times, as_known=asked.known)
        self._identity: Mapping[str, Any] | None = None
        if options.resume:
            self._check_resumable()
            self._identity = identity_of(plans, events, queries, by.name, as_known=options.as_known)
        self._source = intake.opened(events)
        self.read, self.counts = Read(), Counts()

    def table(self) -> pa.Table:
        """Return queries and features."""
        if self._options.resume:
            raise BackfillError("expected a file to write in a run that can be resumed, found none; give out")
        with self._answers(None) as tables:
            return pa.concat_tables(tables)

    def write(self, out: Path) -> None:
        """Write queries and features to OUT."""
        with self._answers(out) as tables, output.writing(out, self._empty().schema) as put:
            for table in tables:
                put(table)
                self._progress(WRITING, table.num_rows, self._asked.table.num_rows)

    def _check_resumable(self) -> None:
        if not self._splits:
            key = ", ".join(self._needs.key)
            raise BackfillError(f"expected graphs under the key {USER} to resume, found {key}; run it whole")

    @property
    def _splits(self) -> bool:
        """Tell whether events can be split by key.

        Under another key than user_id a seq given on arrival counts a user's events of all keys, and no two
        of them may have one position (SEMANTICS 1.2).
        """
        return self._needs.key == (USER,)

    @contextmanager
    def _answers(self, out: Path | None) -> Iterator[Iterator[pa.Table]]:
        """Give tables that make up the answers, in the order of the queries."""
        batches = self.read.counted(self._source.read(self._needs), self._has_read)
        first: list[pa.RecordBatch] = []
        if not self._splits or (self._options.workers == 1 and not self._options.resume):
            first, whole = bucketed.held(batches, self._budget.part if self._splits else None)
            if whole:
                yield iter([self._at_once(first)])
                return
        with workplace(out, self._identity) as place:
            yield self._by_bucket(place, first, batches)

    def _at_once(self, batches: list[pa.RecordBatch]) -> pa.Table:
        table = self._asked.table
        part = Part(
            self._source.name,
            tables_of(batches),
            table,
            np.arange(table.num_rows),
            self._options.as_known,
        )
        answers = self._by.answer(self._plans, part, self._has_answered)
        self.counts = answers.counts
        return output.joined(self._plans, table, answers.features)

    def _by_bucket(
        self, place: Workplace, first: list[pa.RecordBatch], rest: Iterator[pa.RecordBatch]
    ) -> Iterator[pa.Table]:
        if place.started is not None:
            buckets = bucketed.Buckets.from_json(place.folder, place.started["buckets"])
            self.read = Read(**place.started["read"])
        else:
            buckets = bucketed.spill(first, rest, place.folder, self._needs.key, self._budget, self._share)
            first.clear()
            if self._identity is not None:
                place.note(self._identity, {"buckets": buckets.to_json(), "read": asdict(self.read)})
        pieces, self.counts = bucketed.answer(
            self._plans,
            self._asked,
            self._by,
            buckets,
            self._budget,
            self._has_answered,
            name=self._source.name,
            as_known=self._options.as_known,
        )
        table = self._asked.table
        if not table.num_rows:
            yield self._empty()
            return
        schemas = [output.feature_table(plan.graph, []).schema for plan in self._plans]
        start = 0
        for features in merged(pieces, table.num_rows, output.ROWS_PER_GROUP, schemas):
            rows = features[0].num_rows
            yield output.joined(self._plans, table.slice(start, rows), features)
            start += rows

    def _empty(self) -> pa.Table:
        features = [output.feature_table(plan.graph, []) for plan in self._plans]
        return output.joined(self._plans, self._asked.table.slice(0, 0), features)

    def _share(self) -> float | None:
        rows = self._source.rows
        return self.read.events / rows if rows else None

    def _has_read(self, n: int) -> None:
        self._progress(READING, n, self._source.rows)

    def _has_answered(self, n: int) -> None:
        self._progress(ANSWERING, n, len(self._plans) * self._asked.table.num_rows)
