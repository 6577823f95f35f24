"""Replay: the exact features of recorded queries over recorded events, point in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from featuregraph import CompileError, FeatureOverflowError, Graph, Plan
from stream import tabular
from stream.backfill import output
from stream.backfill.executors import Executor, by_key, executor
from stream.backfill.given import counted, read_tables
from stream.backfill.history import Recorded, Rows, recorded, size
from stream.backfill.unknown import unknown
from stream.errors import BackfillError

if TYPE_CHECKING:
    import pyarrow as pa

# Called with what is being done, how much of it since the last call, and how much there is (None: unknown).
Progress = Callable[[str, int, int | None], None]

READING, ANSWERING = "reading events", "answering queries"


@dataclass(frozen=True, slots=True)
class Report:
    """What a replay did, in numbers."""

    plans: dict[str, str]  # id by graph
    engine: str
    events: int
    rows: int  # queries answered
    features: int
    seconds: float
    # Events dropped, SEMANTICS 1.3; None: this engine sees the queried keys only, or there are several keys.
    duplicate: int | None
    quarantined: int | None  # 1.5
    keyless: int | None  # 1.1
    unparsable: dict[str, int]  # values that are not of their declared type, by EVENT.FIELD (2.2)
    unknown: dict[str, int]  # queries of which a label looks past the end, by label (9.3)
    end: int | None  # the last ms that counted as known
    dropped: dict[str, int]  # rows of tables without a key or a needed time (10.1)
    absent: tuple[str, ...]  # request values and candidate lists that the queries have no column for (5.1)


@overload
def replay(
    plan_or_plans: Plan | Sequence[Plan],
    events: Any,
    queries: Any,
    *,
    tables: Mapping[str, Any] | None = None,
    out: None = None,
    as_known: bool = False,
    end: int | None = None,
    workers: int = 1,
    memory: str | int | None = None,
    engine: str = "device",
    mode: str = "auto",
) -> pa.Table: ...
@overload
def replay(
    plan_or_plans: Plan | Sequence[Plan],
    events: Any,
    queries: Any,
    *,
    tables: Mapping[str, Any] | None = None,
    out: str | Path,
    as_known: bool = False,
    end: int | None = None,
    workers: int = 1,
    memory: str | int | None = None,
    engine: str = "device",
    mode: str = "auto",
) -> Report: ...
def replay(  # noqa: PLR0913 - the options of the contract
    plan_or_plans: Plan | Sequence[Plan],
    events: Any,
    queries: Any,
    *,
    tables: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    as_known: bool = False,
    end: int | None = None,
    workers: int = 1,
    memory: str | int | None = None,
    engine: str = "device",
    mode: str = "auto",
) -> pa.Table | Report:
    """Return the exact features of QUERIES over EVENTS: the query columns, then a column per feature.

    Args:
        plan_or_plans: one plan, or several, also of several keys; names are then GRAPH.FEATURE.
        events: a file (Parquet, Arrow, CSV, JSON lines), an Arrow table or rows, in the order of arrival.
        queries: the same; a row has the key columns of all plans, ts_ms, and what the graphs ask for.
        tables: the graphs' tables by name (SEMANTICS 10): files, Arrow tables or rows, with the columns key,
            ts_ms (if changing) and one per field.
        out: a Parquet file to write instead; then a Report is returned.
        as_known: give what a device could know then (SEMANTICS 3.5), where a query does not say.
        end: the last ms that counts as known, for labels (SEMANTICS 9.3); else the largest ts_ms of EVENTS.
        workers: not more than one yet.
        memory: not yet.
        engine: "device", or "reference" for the brute-force evaluator.
        mode: of the device engine.

    Raises:
        FeatureGraphError, StreamError: an event, query, table or file is refused, or a value overflows.
    """
    refuse_later(workers=workers, memory=memory)
    if out is not None:
        output.check_path(Path(out))
    plans = [plan_or_plans] if isinstance(plan_or_plans, Plan) else list(plan_or_plans)
    by = executor(engine, mode)
    table, report = run(plans, events, queries, by, tables=tables, as_known=as_known, end=end)
    if out is None:
        return table
    output.write(table, Path(out))
    return report


def refuse_later(**given: object) -> None:
    """Refuse the options that this version does not build yet."""
    for name, value in given.items():
        if value not in (None, 1 if name == "workers" else None):
            raise BackfillError(
                f"expected {name} to be left out, found {value!r:.60}; it comes with columnar replay"
            )


def run(
    plans: Sequence[Plan],
    events: Any,
    queries: Any,
    by: Executor,
    *,
    tables: Mapping[str, Any] | None = None,
    as_known: bool = False,
    end: int | None = None,
    progress: Progress = lambda what, n, total: None,
) -> tuple[pa.Table, Report]:
    """Return the table that replay gives, and what it took; BY says who computes."""
    began = time.monotonic()
    check_plans(plans)
    for plan in plans:
        by.check(plan)
    graphs = [plan.graph for plan in plans]
    rows = read_tables(graphs, tables)
    dropped, unparsable = counted(graphs, rows)
    table = tabular.read_queries(queries, key_columns(graphs), {n for g in graphs for n in g.candidates})
    job = _Job(by, _again(events), table, rows, as_known=as_known, end=end, progress=progress)
    for group in _by_key(plans):
        job.run(group)
    report = job.report(plans, began)
    report.unparsable.update(sorted(unparsable.items()))
    report.dropped.update(dropped)
    answers = [job.answers[plan.graph.name] for plan in plans]
    return output.results(plans, table, answers, report.end), report


def check_plans(plans: Sequence[Plan]) -> None:
    """Raise CompileError if there are no PLANS, or two share a name."""
    if not plans:
        raise CompileError("expected at least one plan, found none; compile a graph")
    names = [plan.graph.name for plan in plans]
    if len(set(names)) < len(names):
        raise CompileError(f"expected graphs of different names, found {', '.join(names)}; rename one")


def key_columns(graphs: Sequence[Graph]) -> tuple[str, ...]:
    """Return the columns of all keys of GRAPHS, those of the first graph first."""
    return tuple(dict.fromkeys(column for graph in graphs for column in graph.key_columns))


def _by_key(plans: Sequence[Plan]) -> Iterable[list[Plan]]:
    """Give the plans of each key together: they share one partitioning of the events (SEMANTICS 11.2)."""
    groups: dict[tuple[str, ...], list[Plan]] = {}
    for plan in plans:
        groups.setdefault(plan.graph.key_columns, []).append(plan)
    return groups.values()


def _again(events: Any) -> Any:
    """Return EVENTS so that they can be read several times."""
    is_source = isinstance(events, str | Path) or hasattr(events, "column_names")
    return events if is_source or isinstance(events, Sequence) else list(events)


class _Job:
    """One replay in the making: its answers, and what became of events and queries."""

    def __init__(
        self,
        by: Executor,
        events: Any,
        queries: pa.Table,
        tables: Rows,
        *,
        as_known: bool,
        end: int | None,
        progress: Progress,
    ) -> None:
        self.answers: dict[str, list[Mapping[str, Any]]] = {}  # by graph
        self._by = by
        self._events = events
        self._queries = queries
        self._tables = tables
        self._as_known = as_known
        self._end = end
        self._progress = progress
        self._known: list[Recorded] = []  # of each key
        self._unknown: dict[str, dict[str, int]] = {}  # by graph and label

    def run(self, plans: Sequence[Plan]) -> None:
        """Answer the queries by PLANS, which are of one key."""
        from featuregraph.arrow import read_queries

        graphs, by = [plan.graph for plan in plans], self._by
        asked = [read_queries(graph, self._queries, as_known=self._as_known) for graph in graphs]
        chosen = () if by.needs_log else {key for key, _ in by_key(asked[0]) if key is not None}
        total = size(self._events)
        with recorded(
            self._events,
            graphs,
            log=by.needs_log,
            chosen=chosen,
            tables=self._tables,
            end=self._end,
            done=lambda n: self._progress(READING, n, total),
        ) as known:
            self._known.append(known)
            for plan, queries in zip(plans, asked, strict=True):
                self.answers[plan.graph.name] = _answers(by, plan, known, queries, self._progress)
                self._unknown[plan.graph.name] = unknown(plan.graph, queries, known.end)

    def report(self, plans: Sequence[Plan], began: float) -> Report:
        """Return what PLANS took since BEGAN."""
        first, *others = self._known
        receipt = None if others or first.log is None else first.receipt
        asked = {name for plan in plans for name in (*plan.graph.requests, *plan.graph.candidates)}
        counts: dict[tuple[str, str], int] = {}
        for known in self._known:
            counts |= known.unparsable
        return Report(
            plans={plan.graph.name: plan.id for plan in plans},
            engine=self._by.name,
            events=first.count,
            rows=self._queries.num_rows,
            features=sum(len(plan.features) for plan in plans),
            seconds=round(time.monotonic() - began, 3),
            duplicate=receipt.duplicate if receipt else None,
            quarantined=receipt.quarantined if receipt else None,
            keyless=receipt.keyless if receipt else None,
            unparsable={f"{event}.{field}": n for (event, field), n in sorted(counts.items())},
            unknown={
                output.column_of(plan.graph, label, among=len(plans)): n
                for plan in plans
                for label, n in self._unknown[plan.graph.name].items()
            },
            end=first.end if any(plan.graph.labels for plan in plans) else None,
            dropped={},
            absent=tuple(sorted(asked - set(self._queries.column_names))),
        )


def _answers(
    by: Executor, plan: Plan, known: Recorded, queries: Sequence[Mapping[str, Any]], progress: Progress
) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = [{}] * len(queries)
    for place, outcome in by.outcomes(plan, known, queries):
        if isinstance(outcome, FeatureOverflowError):
            raise outcome
        found[place] = outcome.values
        progress(ANSWERING, 1, len(queries))
    return found
