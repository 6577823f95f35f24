"""The columnar executor in the conformance suite: handed all that is known whenever somebody asks."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featuregraph import Graph, Plan
from featuregraph.answer import Answered
from featuregraph.errors import EventError, FeatureOverflowError
from featuregraph.testing.clock import FakeClock
from featuregraph.testing.conformance import NO_TABLES, Tables
from featuregraph.testing.executors import ReferenceExecutor
from stream.backfill.columnar import is_columnar
from stream.backfill.columnar.rowwise import local_outcomes
from stream.log import EventLog

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ColumnarExecutor:
    """Answers golden cases with replay over columns.

    Where something else than events arrives, a log says what is known: clocks and forgetting are its part.
    Graphs that are not computed over columns go to the reference, as they do in replay.
    """

    name: str = "local"
    serves: bool = False

    def run(
        self,
        graphs: Sequence[Graph],
        arrivals: Sequence[Entry],
        queries: Sequence[Entry],
        *,
        strict: bool = False,
        tables: Tables = NO_TABLES,
        end: int | None = None,
    ) -> Sequence[Answered]:
        """Return one answer per query, each asked when its events have arrived."""
        if len(graphs) > 1 or not is_columnar(graphs[0]):
            return ReferenceExecutor().run(graphs, arrivals, queries, strict=strict, tables=tables, end=end)
        (graph,), count = graphs, len(arrivals)
        plan = graph.compile()
        found: dict[int, Answered] = {}
        afters = [min(query.get("after", count), count) for query in queries]
        for after in sorted({*afters, count}):
            places = [place for place, due in enumerate(afters) if due == after]
            known = _known(plan, arrivals[:after], strict=strict)
            answers = local_outcomes(plan, known, [queries[place] for place in places], strict=strict)
            for place, outcome in zip(places, answers, strict=True):
                if isinstance(outcome, FeatureOverflowError):
                    raise outcome
                found[place] = outcome
        return [found[place] for place in range(len(queries))]


def _known(plan: Plan, arrivals: Sequence[Entry], *, strict: bool) -> Sequence[Entry]:
    """Return ARRIVALS where they are events, else the events that a log holds after them."""
    if all("event" in entry for entry in arrivals):
        return arrivals
    key, clock = str(plan.graph.key), FakeClock(2**62)
    with (
        tempfile.TemporaryDirectory() as folder,
        EventLog(Path(folder) / "log.db", key=key, clock=clock, history_start_ms="all") as log,
    ):
        for entry in arrivals:
            if "clock" in entry and "event" not in entry:
                clock.set(entry["clock"])
            elif "forget" in entry:
                log.forget(**entry["forget"])
            else:
                if strict:
                    list(local_outcomes(plan, [entry], [], strict=True))  # a log keeps no unparsable value
                log.append_rows([entry], keep_known=True)
        return _held(log)


def _held(log: EventLog) -> Sequence[Entry]:
    from stream.arrivals import arrivals

    with log.reading() as connection:
        return [event for batch in arrivals(connection, _lost, 8_192) for event in batch]


def _lost(finding: object) -> None:
    raise EventError(f"expected a sound log, found {finding}; this is a fault of the test")
