"""The plans of one key over its own partitioning of the events (SEMANTICS 11.2): in memory, or by buckets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featuregraph import Plan
from stream.backfill import bucketed, output
from stream.backfill.asked import Asked
from stream.backfill.budget import MIB, Budget
from stream.backfill.intake import Source
from stream.backfill.needs import needs_of
from stream.backfill.part import Answers, Counts, Executor, Given, Part
from stream.backfill.pieces import merged, write_piece
from stream.backfill.reading import Read, held, tables_of
from stream.backfill.workplace import Corner

Done = Callable[[int], object]


class Keyed:
    """Answers by the plans of one key; `read`, `counts` and `end` say what became of the events.

    alone: whether there are no other keys, whose answers are computed next.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        source: Source,
        asked: Asked,
        by: Executor,
        given: Given,
        budget: Budget,
        *,
        alone: bool,
    ) -> None:
        self.plans = plans
        self.read, self.counts = Read(), Counts()
        self._source, self._asked, self._by, self._given = source, asked, by, given
        self._budget = budget
        self._keeps = alone or budget.is_free  # its answers, in memory
        self._needs = needs_of(plans, asked.times, as_known=asked.known)

    @property
    def end(self) -> int | None:
        """Return the last ms that counts as known (9.3)."""
        return self.read.last_ms if self._given.end is None else self._given.end

    def features(
        self, corner: Callable[[], Corner], has_read: Done, has_answered: Done, said: Callable[[str], object]
    ) -> Iterator[Sequence[pa.Table]]:
        """Give the features of all queries in their order, ROWS_PER_GROUP at a time, a table per plan.

        corner: gives a place on disk, if one is needed. said: hears what people should know first.
        """
        batches = self.read.counted(self._source.read(self._needs), has_read)
        first: list[pa.RecordBatch] = []
        if (most := self._budget.whole) != 0:
            first, whole = held(batches, most)
            if whole:
                answers = self._at_once(first, has_answered)
                if self._keeps:
                    return _sliced(answers.features, self._asked.table.num_rows)
                return self._put_down(corner(), answers)
        buckets, left_out = self._buckets(corner(), first, batches)
        if (beyond := self._budget.beyond(buckets.spilled.sizes)) is not None:
            said(
                f"{self._source.name}: expected parts that fit the memory, found keys that may take"
                f" {-(-beyond // MIB):,}MiB: a key is never split; give as much, or fewer events"
            )
        pieces, self.counts = self._pieces(buckets, has_answered)
        self.counts.add(left_out)
        return self._merged(pieces)

    def _at_once(self, batches: list[pa.RecordBatch], done: Done) -> Answers:
        part = Part(self._source.name, tables_of(batches), self._asked.table, self._places, self._known)
        answers = self._by.answer(self.plans, part, done, threads=self._budget.workers)
        self.counts = answers.counts
        return answers

    def _put_down(self, corner: Corner, answers: Answers) -> Iterator[Sequence[pa.Table]]:
        """Bring ANSWERS to disk until those of the other keys are there."""
        path = corner.folder / "answers.arrow"
        write_piece(path, self._places, answers, 1)
        return self._merged([path])

    def _merged(self, pieces: Sequence[Path]) -> Iterator[Sequence[pa.Table]]:
        schemas = [output.feature_table(plan.graph, []).schema for plan in self.plans]
        return merged(pieces, self._asked.table.num_rows, output.ROWS_PER_GROUP, schemas)

    @property
    def _places(self) -> npt.NDArray[np.int64]:
        return np.arange(self._asked.table.num_rows)

    @property
    def _known(self) -> Given:
        return replace(self._given, end=self.end)

    def _buckets(
        self, corner: Corner, first: list[pa.RecordBatch], rest: Iterator[pa.RecordBatch]
    ) -> tuple[bucketed.Buckets, Counts]:
        """Return the events by bucket, and what became of those left out: as a cut run left it, or anew."""
        if corner.started is not None:
            self.read = Read(**corner.started["read"])
            buckets = bucketed.Buckets.from_json(corner.folder, corner.started["buckets"])
            return buckets, Counts.from_json(corner.started["left_out"])
        plans, budget = self.plans, self._budget
        buckets, left_out = bucketed.spill(first, rest, corner.folder, plans, budget, self._share)
        done_so_far = {"read": asdict(self.read), "left_out": left_out.to_json()}
        corner.note({"buckets": buckets.to_json(), **done_so_far})
        return buckets, left_out

    def _pieces(self, buckets: bucketed.Buckets, done: Done) -> tuple[list[Path], Counts]:
        job = bucketed.Job(self._source.name, self.plans, self._by, self._known)
        return bucketed.answer(job, self._asked, self._needs.key, buckets, self._budget.workers, done)

    def _share(self) -> float | None:
        rows = self._source.rows
        return self.read.events / rows if rows else None


def _sliced(features: Sequence[pa.Table], queries: int) -> Iterator[Sequence[pa.Table]]:
    for start in range(0, queries, output.ROWS_PER_GROUP):
        yield [table.slice(start, output.ROWS_PER_GROUP) for table in features]
