"""Answers that a device gave, computed again by the reference from the events that were known then.

The records of a log are taken in the order of serving. For each graph and key the reference is handed the
key's events in the order of arrival, up to the newest one that had arrived; then it is asked what the device
was asked. Duplicates and quarantined events are in no log, and what came later, even in the same millisecond,
stands behind the newest one: so the reference knows what the device knew.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featuregraph import FeatureOverflowError, Graph, Plan
from featuregraph.answer import Outcome
from featuregraph.reference import Answer, Log, answers
from featuregraph.reference.rows import is_known, is_partial
from featuregraph.reference.tables import Table, opened
from featuregraph.types import INT64_MIN
from stream.backfill.arrived import Arrived, Event, mark_of, of_file, of_log
from stream.backfill.given import read_tables
from stream.backfill.history import identifier
from stream.backfill.job import Progress
from stream.backfill.proof import MOST_UNEQUAL, SERVED, Proof, Unequal
from stream.backfill.slack import asked_of, magnitudes, scaled
from stream.errors import BackfillError
from stream.log import EventLog
from stream.retelling import Plans, retold
from stream.served import Served, reach_of, start_of
from stream.verify import Difference, Verification

RECOMPUTING = "computing again"


@dataclass(slots=True)
class _Known:
    """What the reference knows of one key, for one graph."""

    graph: Graph
    sizes: Graph | None  # of decayed sums, for their tolerance
    rows: Sequence[tuple[int, Event]]
    times: Sequence[tuple[int, int | None]]  # ts_ms and known_ms of the rows
    tables: Mapping[str, Table]
    fed: int = 0
    logs: list[Log] = field(default_factory=list)

    def feed(self, upto: int) -> None:
        """Let the events up to the number UPTO arrive, and no others."""
        if not self.logs or (self.fed and self.rows[self.fed - 1][0] > upto):
            self.fed = 0
            self.logs = [Log(one.key, one.events) for one in (self.graph, self.sizes) if one is not None]
        while self.fed < len(self.rows) and self.rows[self.fed][0] <= upto:
            for log in self.logs:
                log.arrive(self.rows[self.fed][1])
            self.fed += 1


def prove(
    path: str | Path,
    events: Any = None,
    *,
    graph: Graph | None = None,
    tables: Mapping[str, Any] | None = None,
    sample: int | None = None,
    seed: int = 0,
    progress: Progress = lambda what, n, total: None,
) -> Proof:
    """Compute again what the log at PATH served, from its own events or from EVENTS, and compare.

    Args:
        path: the log with the records.
        events: recorded events in the order of arrival; None: those of the log.
        graph: only its records.
        tables: the rows of the graphs' tables, as replay takes them; a graph without them is left out.
        sample: only this many records, chosen by SEED.

    Raises:
        BackfillError: there is no record to compute again.
        LogError, EventFileError: a file cannot be read, or events of the log are damaged.
    """
    found = Proof()
    with EventLog(path, read_only=True) as log, log.reading("reading what was served") as connection:
        plans = Plans(connection)
        counters = log.stats().counters
        found.dropped, found.forgotten = counters["served_dropped"], counters["served_forgotten"]
        records = [one for one in retold(connection, found.damaged.append, plans) if _is_of(one, graph)]
        if sample is not None and sample < len(records):
            chosen = sorted(random.Random(seed).sample(range(len(records)), sample))
            records = [records[place] for place in chosen]
        if not records and not found.damaged:
            raise BackfillError(_none(path, graph, found))
        known = (
            of_log(log, records, progress) if events is None else of_file(events, log.key, records, progress)
        )
        found.events = known.count
        _compute(
            found, records, known, plans.by_id, _opened(plans.by_id, tables), log.history_start_ms, progress
        )
    return found


def _is_of(record: Served, graph: Graph | None) -> bool:
    return graph is None or record.vector.graph_id == graph.id


def _none(path: object, graph: Graph | None, found: Proof) -> str:
    which = f" of graph {graph.name!r} ({graph.id[:12]})" if graph is not None else ""
    gone = (
        f" ({found.dropped:,} were dropped, {found.forgotten:,} forgotten)"
        if found.dropped or found.forgotten
        else ""
    )
    return (
        f"{path}: expected at least one record of what was served{which}, found none{gone}; serve with"
        " engine.extract(..., record=True)"
    )


def _opened(plans: Mapping[str, Plan], given: Mapping[str, Any] | None) -> dict[str, Mapping[str, Table]]:
    """Return the tables of each of PLANS, by its id; none for one that looks up what is not GIVEN."""
    there = {id: plan.graph for id, plan in plans.items() if plan.graph.tables.keys() <= (given or {}).keys()}
    rows = read_tables(list(there.values()), given)
    return {id: opened(graph.tables, rows) for id, graph in there.items()}


def _compute(
    found: Proof,
    records: Sequence[Served],
    events: Arrived,
    plans: Mapping[str, Plan],
    tables: Mapping[str, Mapping[str, Table]],
    held_from_ms: int | None,
    progress: Progress,
) -> None:
    known: dict[tuple[str, str], _Known] = {}
    sizes = {id: magnitudes(plan.graph) for id, plan in plans.items()}
    for record in records:
        progress(RECOMPUTING, 1, len(records))
        if record.vector.graph_id not in tables:
            found.tabled += 1
            continue
        upto = events.upto(record.seen)
        if upto is None:
            found.unplaced += 1
            continue
        id, key = record.vector.graph_id, record.asked.key
        one = known.get((id, key))
        if one is None:
            rows = [
                row for row in events.rows[key] if identifier(row[1].get("event")) in plans[id].graph.events
            ]
            times = [(mark[0], mark[2]) for mark in (mark_of(event) for _, event in rows)]
            one = known[id, key] = _Known(plans[id].graph, sizes[id], rows, times, tables[id])
        one.feed(upto)
        apart = _beyond(plans[id], record, held_from_ms)
        found.beyond += len(apart)
        found.otherwise += _is_otherwise(plans[id], record, one)
        found.given += bool(tables[id])
        found.records += 1
        _compare(found, plans[id], record, one, apart)


def _beyond(plan: Plan, record: Served, held_from_ms: int | None) -> Collection[str]:
    """Return the features whose windows begin before what the log holds since it let go of old events."""
    then = record.held_from_ms
    if held_from_ms is None or (then is not None and then >= held_from_ms):
        return ()
    return plan.partial(record.vector.at_ms, held_from_ms)


def _compare(found: Proof, plan: Plan, record: Served, known: _Known, apart: Collection[str]) -> None:
    one = found.graphs.setdefault(plan.id, Verification(plan, ()))
    query = _query(record)
    one.queries.append(query)
    expected = _outcome(known, plan.graph, known.logs[0], record, query)
    slack = _slack(known, record, query)
    nothing = _outcome(known, plan.graph, Log(plan.graph.key, {}), record, query)
    one.expect(expected, nothing, apart=apart)
    place = len(one.queries) - 1
    differences = one.compare(SERVED, place, expected, record.vector, slack, apart=apart)
    for feature, difference in differences.items():
        if len(found.unequal) < MOST_UNEQUAL:
            found.unequal.append(_unequal(plan, record, feature, difference))


def _query(record: Served) -> Mapping[str, Any]:
    asked = record.asked
    return {
        "key": asked.key,
        "t": record.vector.at_ms,
        "request": {**asked.request, **asked.candidates},
        "as_known": asked.as_known,
        "history_start_ms": asked.history_start_ms,
    }


def _outcome(known: _Known, graph: Graph, log: Log, record: Served, query: Mapping[str, Any]) -> Outcome:
    """Return what the reference says, with what is partial by the history that the device held then."""
    try:
        values = answers.ask(graph, log, query, tables=known.tables).values
    except FeatureOverflowError as error:
        return error
    t, start = query["t"], start_of(record)
    partial = (
        name
        for name, node in graph.features.items()
        if is_partial(node, t, start, include_now=graph.include_now)
    )
    return Answer(values, tuple(partial))


def _slack(known: _Known, record: Served, query: Mapping[str, Any]) -> dict[str, Any]:
    """Return how far off decayed sums may be, by feature."""
    if known.sizes is None:
        return {}
    sizes = _outcome(known, known.sizes, known.logs[1], record, asked_of(known.sizes, query))
    if isinstance(sizes, FeatureOverflowError):
        return {}
    return {name: scaled(value) for name, value in sizes.values.items()}


def _unequal(plan: Plan, record: Served, feature: str, difference: Difference) -> Unequal:
    return Unequal(
        plan.graph.name,
        record.id,
        record.asked.request_id,
        record.asked.key,
        record.vector.at_ms,
        feature,
        difference.expected,
        difference.found,
    )


def _is_otherwise(plan: Plan, record: Served, known: _Known) -> bool:
    """Tell whether `replay --as-known` at the record's time counts other events than the device did.

    It does so where the device was asked for a time before its clock's, where an event came to be known in
    the same millisecond, after the answer, and where events are older than the history that the log declares.
    """
    t, start, asked = record.vector.at_ms, start_of(record), record.asked
    first, end = reach_of(plan), t + (1 if plan.graph.include_now else 0)
    lo = INT64_MIN if first is None else t - first
    came = known.logs[0].rows.get(asked.key, ())
    for row in came:
        served = not asked.as_known or is_known(row, t, asked.history_start_ms)
        if lo <= row.ts_ms < end and served != is_known(row, t, start):
            return True
    return any(
        lo <= ts_ms < end and (start is None or ts_ms >= start) and (known_ms is None or known_ms <= t)
        for ts_ms, known_ms in known.times[known.fed :]
    )
