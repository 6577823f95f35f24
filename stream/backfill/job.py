"""Replay: the exact features of recorded queries over recorded events, point in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from featuregraph import CompileError, FeatureOverflowError, Plan
from stream import tabular
from stream.backfill import output
from stream.backfill.executors import Executor, by_key, executor
from stream.backfill.history import Recorded, recorded, size
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
    duplicate: int | None  # events dropped, SEMANTICS 1.3; None: this engine sees the queried keys only
    quarantined: int | None  # 1.5
    keyless: int | None  # 1.1
    unparsable: dict[str, int]  # values that are not of their declared type, by EVENT.FIELD (2.2)
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
        plan_or_plans: one plan, or several of one key; names are then GRAPH.FEATURE.
        events: a file (Parquet, Arrow, CSV, JSON lines), an Arrow table or rows, in the order of arrival.
        queries: the same; a row has the key, ts_ms, and what the graph asks for.
        tables: not yet.
        out: a Parquet file to write instead; then a Report is returned.
        as_known: give what a device could know then (SEMANTICS 3.5), where a query does not say.
        end: not yet.
        workers: not more than one yet.
        memory: not yet.
        engine: "device", or "reference" for the brute-force evaluator.
        mode: of the device engine.

    Raises:
        FeatureGraphError, StreamError: an event, query or file is refused, or a value overflows.
    """
    refuse_later(tables=tables, end=end, workers=workers, memory=memory)
    if out is not None:
        output.check_path(Path(out))
    plans = [plan_or_plans] if isinstance(plan_or_plans, Plan) else list(plan_or_plans)
    table, report = run(plans, events, queries, executor(engine, mode), as_known=as_known)
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
    as_known: bool = False,
    progress: Progress = lambda what, n, total: None,
) -> tuple[pa.Table, Report]:
    """Return the table that replay gives, and what it took; BY says who computes."""
    began = time.monotonic()
    key = check_plans(plans)
    from featuregraph.arrow import read_queries

    candidates = {name for plan in plans for name in plan.graph.candidates}
    table = tabular.read_queries(queries, key, candidates)
    asked = [read_queries(plan.graph, table, as_known=as_known) for plan in plans]
    chosen = () if by.needs_log else {k for k, _ in by_key(asked[0]) if k is not None}
    graphs = [plan.graph for plan in plans]
    total = size(events)
    with recorded(
        events, graphs, log=by.needs_log, chosen=chosen, done=lambda n: progress(READING, n, total)
    ) as known:
        answers = [_answers(by, plan, known, rows, progress) for plan, rows in zip(plans, asked, strict=True)]
        report = _report(plans, by, known, table, began)
    return output.results(plans, table, answers), report


def check_plans(plans: Sequence[Plan]) -> str:
    """Return the one key of PLANS; raise CompileError if they have none, or share a name."""
    if not plans:
        raise CompileError("expected at least one plan, found none; compile a graph")
    names = [plan.graph.name for plan in plans]
    if len(set(names)) < len(names):
        raise CompileError(f"expected graphs of different names, found {', '.join(names)}; rename one")
    keys = sorted({str(plan.graph.key) for plan in plans})
    if len(keys) > 1:
        raise CompileError(
            f"expected graphs of one key, found {', '.join(keys)}; several keys come with columnar replay"
        )
    return keys[0]


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


def _report(plans: Sequence[Plan], by: Executor, known: Recorded, queries: pa.Table, began: float) -> Report:
    receipt = None if known.log is None else known.receipt
    asked = {name for plan in plans for name in (*plan.graph.requests, *plan.graph.candidates)}
    return Report(
        plans={plan.graph.name: plan.id for plan in plans},
        engine=by.name,
        events=known.count,
        rows=queries.num_rows,
        features=sum(len(plan.features) for plan in plans),
        seconds=round(time.monotonic() - began, 3),
        duplicate=receipt.duplicate if receipt else None,
        quarantined=receipt.quarantined if receipt else None,
        keyless=receipt.keyless if receipt else None,
        unparsable={f"{event}.{field}": n for (event, field), n in sorted(known.unparsable.items())},
        absent=tuple(sorted(asked - set(queries.column_names))),
    )
