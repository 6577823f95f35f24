"""The columnar executor in the conformance suite: handed all that is known whenever somebody asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featuregraph import Graph
from featuregraph.answer import Answered
from featuregraph.errors import FeatureOverflowError
from featuregraph.reference import Answer, Log
from featuregraph.reference.events import Row
from featuregraph.reference.several import part_of
from featuregraph.testing.conformance import NO_TABLES, Tables
from stream.backfill.columnar.rowwise import local_outcomes
from stream.backfill.history import latest_of
from stream.backfill.job import check_plans

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ColumnarExecutor:
    """Answers golden cases with replay over columns.

    Replay takes events; where clocks and forgetting arrive too, the reference's log says what is known.
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
        """Return one answer per query, each asked when its events and rows have arrived."""
        if len(graphs) == 1:
            return _answers(graphs[0], arrivals, queries, strict=strict, tables=tables, end=end)
        check_plans([graph.compile() for graph in graphs])
        found: list[Answered] = [Answer({}) for _ in queries]
        for graph in graphs:
            asked = [part_of(graph, graphs, query) for query in queries]
            mine = _answers(graph, arrivals, asked, strict=strict, tables=tables, end=end)
            found = [_joined(graph, one, other) for one, other in zip(found, mine, strict=True)]
        return found


def _joined(graph: Graph, sofar: Answered, mine: Answered) -> Answer:
    values = {f"{graph.name}.{name}": value for name, value in mine.values.items()}
    partial = [f"{graph.name}.{name}" for name in mine.partial]
    return Answer({**sofar.values, **values}, (*sofar.partial, *partial))


def _answers(
    graph: Graph,
    arrivals: Sequence[Entry],
    queries: Sequence[Entry],
    *,
    strict: bool,
    tables: Tables,
    end: int | None,
) -> list[Answered]:
    plan, count = graph.compile(), len(arrivals)
    found: dict[int, Answered] = {}
    afters = [min(query.get("after", count), count) for query in queries]
    # Before and after rows of a table, too: what is refused first is told.
    cuts = {place + n for place, entry in enumerate(arrivals) if _is_of_table(entry) for n in (0, 1)}
    for after in sorted({0, *cuts, *afters, count}):
        places = [place for place, due in enumerate(afters) if due == after]
        events, latest = _known(graph, arrivals[:after], strict=strict)
        answers = local_outcomes(
            plan,
            events,
            [queries[place] for place in places],
            strict=strict,
            tables=_rows(tables, arrivals[:after]),
            end=latest if end is None else end,
        )
        for place, outcome in zip(places, answers, strict=True):
            if isinstance(outcome, FeatureOverflowError):
                raise outcome
            found[place] = outcome
    return [found[place] for place in range(len(queries))]


def _is_of_table(entry: Entry) -> bool:
    return "rows" in entry and "event" not in entry


def _rows(tables: Tables, arrivals: Sequence[Entry]) -> Tables:
    """Return the rows of TABLES, and those that arrived."""
    found = {name: [*rows] for name, rows in tables.items()}
    for entry in filter(_is_of_table, arrivals):
        found.get(entry["table"], []).extend(entry["rows"])
    return found


def _known(graph: Graph, arrivals: Sequence[Entry], *, strict: bool) -> tuple[Sequence[Entry], int | None]:
    """Return the events of ARRIVALS, of those that are known where they are not all, and the end (9.3)."""
    entries = [entry for entry in arrivals if not _is_of_table(entry)]
    if all("event" in entry for entry in entries):
        return entries, latest_of(entries, None)
    log = Log(graph.key, graph.events, strict=strict)
    raws: list[tuple[Row, Entry]] = []
    for entry in entries:
        before = {id(row) for rows in log.rows.values() for row in rows}
        log.arrive(entry)
        raws += [(row, entry) for rows in log.rows.values() for row in rows if id(row) not in before]
    kept = {id(row) for rows in log.rows.values() for row in rows}
    known = [{**entry, "seq": row.seq} for row, entry in raws if id(row) in kept]
    return known, log.end
