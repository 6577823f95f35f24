"""One run of replay: each key's plans over the events, all features together, to a table or to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from featuregraph import Plan
from stream.backfill import intake, output
from stream.backfill.asked import asked_of
from stream.backfill.budget import budget_of, row_bytes
from stream.backfill.given import counted, read_tables
from stream.backfill.identity import identity_of
from stream.backfill.job import ANSWERING, READING, WRITING, Options, Progress
from stream.backfill.keyed import Keyed
from stream.backfill.part import Counts, Executor, Given
from stream.backfill.reading import Read
from stream.backfill.workplace import Corner, workplace
from stream.errors import BackfillError


class Run:
    """One run; once it is done, it says what became of the events.

    dropped: rows of tables that were dropped (SEMANTICS 10.1).
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        events: Any,
        queries: Any,
        by: Executor,
        options: Options,
        progress: Progress,
        said: Callable[[str], object],
    ) -> None:
        graphs = [plan.graph for plan in plans]
        rows = read_tables(graphs, options.tables)
        self.dropped, self._unparsable = counted(graphs, rows)
        self.asked = asked_of(plans, queries, as_known=options.as_known)
        size = self.asked.table.nbytes
        budget = budget_of(
            options.memory,
            options.workers,
            by.swell,
            resumed=options.resume,
            threads=by.has_threads,
            held=size,
            answers=self.asked.table.num_rows * sum(map(row_bytes, plans)),
        )
        self._identity = identity_of(plans, events, queries, by.name, options) if options.resume else None
        # What may hold all at once may read and write a few groups at a time; what is bounded, one.
        self._threads = budget.workers if budget.is_free else 1
        self._source = intake.opened(events, whole=budget.is_free, threads=self._threads)
        given = Given(options.as_known, rows, options.end)
        groups = _by_key(plans)
        alone = len(groups) == 1
        self._keyed = [
            Keyed(group, self._source, self.asked, by, given, budget, alone=alone) for group in groups
        ]
        self._plans, self._progress, self._said = plans, progress, said

    def table(self) -> pa.Table:
        """Return queries and features."""
        if self._identity is not None:
            raise BackfillError("expected a file to write in a run that can be resumed, found none; give out")
        with self._tables(None) as tables:
            return pa.concat_tables(tables)

    def write(self, out: Path) -> None:
        """Write queries and features to OUT."""
        with self._tables(out) as tables:
            first = next(tables)
            output.write_tables(out, first.schema, self._counted(chain([first], tables)), self._threads)

    def _counted(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        for table in tables:
            yield table
            self._progress(WRITING, table.num_rows, self.asked.table.num_rows)

    @property
    def read(self) -> Read:
        """Return what was read."""
        return self._keyed[0].read

    @property
    def keyless(self) -> int | None:
        """Return how many events had no key; None: there are several keys."""
        return self.read.keyless if len(self._keyed) == 1 else None

    @property
    def end(self) -> int | None:
        """Return the last ms that counted as known."""
        return self._keyed[0].end

    @cached_property
    def counts(self) -> Counts:
        """Return what became of the events, and of the values of tables."""
        first, *others = (keyed.counts for keyed in self._keyed)
        found = Counts(first.duplicate, first.quarantined) if not others else Counts(None, None)
        for counts in (first, *others):
            found.unparsable |= counts.unparsable
        found.unparsable.update(self._unparsable)
        return found

    @contextmanager
    def _tables(self, out: Path | None) -> Iterator[Iterator[pa.Table]]:
        """Give tables that make up the answers, in the order of the queries; one at least."""
        with ExitStack() as stack:
            place: list[Any] = []

            def corner(number: int) -> Corner:
                if not place:
                    place.append(stack.enter_context(workplace(out, self._identity)))
                found: Corner = place[0].corner(f"key-{number}")
                return found

            yield self._joined(corner)

    def _joined(self, corner: Any) -> Iterator[pa.Table]:
        groups = [
            keyed.features(partial(corner, number), self._has_read, self._has_answered, self._said)
            for number, keyed in enumerate(self._keyed)
        ]
        order = [plan.graph.name for keyed in self._keyed for plan in keyed.plans]
        places = [order.index(plan.graph.name) for plan in self._plans]
        start = 0
        for pieces in zip(*groups, strict=True):
            features = [table for piece in pieces for table in piece]
            rows = features[0].num_rows
            yield self._with_queries(start, rows, [features[place] for place in places])
            start += rows
        if not start:
            yield self._with_queries(0, 0, [output.feature_table(plan.graph, []) for plan in self._plans])

    def _with_queries(self, start: int, rows: int, features: Sequence[pa.Table]) -> pa.Table:
        return output.joined(self._plans, self.asked.table.slice(start, rows), features, self.end)

    def _has_read(self, n: int) -> None:
        rows = self._source.rows
        self._progress(READING, n, None if rows is None else rows * len(self._keyed))

    def _has_answered(self, n: int) -> None:
        self._progress(ANSWERING, n, len(self._plans) * self.asked.table.num_rows)


def _by_key(plans: Sequence[Plan]) -> list[list[Plan]]:
    """Return the plans of each key together: they share one partitioning of the events (SEMANTICS 11.2)."""
    groups: dict[tuple[str, ...], list[Plan]] = {}
    for plan in plans:
        groups.setdefault(plan.graph.key_columns, []).append(plan)
    return list(groups.values())
