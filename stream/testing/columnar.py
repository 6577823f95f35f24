"""The columnar executor in the conformance suite: it is handed what is known, and asked, as often as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featuregraph import Graph
from featuregraph.answer import Answered
from featuregraph.errors import EventError, FeatureOverflowError
from featuregraph.testing.clock import FakeClock
from stream.backfill.columnar.rowwise import local_outcomes
from stream.log import EventLog

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ColumnarExecutor:
    """Answers golden cases with replay over columns.

    Where something else than events arrives, a log says what is known: clocks and forgetting are its part.
    """

    name: str = "local"

    def run(
        self, graph: Graph, arrivals: Sequence[Entry], queries: Sequence[Entry], *, strict: bool = False
    ) -> Sequence[Answered]:
        """Return one answer per query, each asked when its events have arrived."""
        plan = graph.compile()
        count = len(arrivals)
        found: dict[int, Answered] = {}
        afters = [min(query.get("after", count), count) for query in queries]
        for after in sorted({*afters, count}):
            places = [place for place, due in enumerate(afters) if due == after]
            known = _known(graph, arrivals[:after])
            asked = [queries[place] for place in places]
            for place, outcome in zip(places, local_outcomes(plan, known, asked, strict=strict), strict=True):
                if isinstance(outcome, FeatureOverflowError):
                    raise outcome
                found[place] = outcome
        return [found[place] for place in range(len(queries))]


def _known(graph: Graph, arrivals: Sequence[Entry]) -> Sequence[Entry]:
    """Return ARRIVALS where they are events, else the events that a log holds after them."""
    if all("event" in entry for entry in arrivals):
        return arrivals
    clock = FakeClock(2**62)
    with (
        tempfile.TemporaryDirectory() as folder,
        EventLog(Path(folder) / "log.db", key=str(graph.key), clock=clock, history_start_ms="all") as log,
    ):
        for entry in arrivals:
            if "clock" in entry and "event" not in entry:
                clock.set(entry["clock"])
            elif "forget" in entry:
                log.forget(**entry["forget"])
            else:
                log.append_rows([entry], keep_known=True)
        return _held(log)


def _held(log: EventLog) -> Sequence[Entry]:
    from stream.arrivals import arrivals

    with log.reading() as connection:
        return [event for batch in arrivals(connection, _lost, 8_192) for event in batch]


def _lost(finding: object) -> None:
    raise EventError(f"expected a sound log, found {finding}; this is a fault of the test")
