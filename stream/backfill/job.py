"""Replay: the exact features of recorded queries over recorded events, point in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

from featuregraph import CompileError, Plan
from stream.backfill import output
from stream.backfill.executors import executor
from stream.backfill.part import Executor
from stream.backfill.unknown import unknown
from stream.sizes import parse_size

if TYPE_CHECKING:
    import pyarrow as pa

    from stream.backfill.run import Run

# Called with what is being done, how much of it since the last call, and how much there is (None: unknown).
Progress = Callable[[str, int, int | None], None]

READING, ANSWERING, WRITING = "reading events", "answering queries", "writing answers"


@dataclass(frozen=True, slots=True)
class Report:
    """What a replay did, in numbers."""

    plans: dict[str, str]  # id by graph
    engine: str
    events: int  # that the source has
    unread: int  # of them in row groups that no query can see, left out unread
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


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is given beside events and queries, and how it is done."""

    tables: Mapping[str, Any] | None = None
    as_known: bool = False
    end: int | None = None
    workers: int = 1
    memory: int | None = None  # bytes that all processes together may take
    resume: bool = False

    @classmethod
    def of(
        cls,
        tables: Mapping[str, Any] | None = None,
        *,
        as_known: bool = False,
        end: int | None = None,
        workers: int = 1,
        memory: str | int | None = None,
        resume: bool = False,
    ) -> Self:
        """Return what people say, MEMORY such as "1GiB" among it, as options."""
        size = None if memory is None else parse_size(memory)
        return cls(tables, as_known, end, workers, size, resume)


DEFAULTS = Options()


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
    resume: bool = False,
    engine: str = "local",
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
    resume: bool = False,
    engine: str = "local",
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
    resume: bool = False,
    engine: str = "local",
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
        workers: how many threads compute, or processes where events do not fit, rows are computed, or a run
            can be resumed.
        memory: how much they may take together, such as "1GiB"; what does not fit is spilled to disk,
            beside OUT. None: as much as it takes.
        resume: go on where a run that was cut left off, and keep what is done if this one is; with OUT only.
        engine: "local" over whole columns, "device", or "reference" for the brute-force evaluator.
        mode: of the device engine, "auto" for others.

    Raises:
        FeatureGraphError, StreamError: an event, query, table or file is refused, or a value overflows.
    """
    path = None if out is None else Path(out)
    if path is not None:
        output.check_path(path)
    plans = [plan_or_plans] if isinstance(plan_or_plans, Plan) else list(plan_or_plans)
    options = Options.of(tables, as_known=as_known, end=end, workers=workers, memory=memory, resume=resume)
    table, report = run(plans, events, queries, executor(engine, mode), out=path, options=options)
    return report if table is None else table


def run(
    plans: Sequence[Plan],
    events: Any,
    queries: Any,
    by: Executor,
    *,
    out: Path | None = None,
    options: Options = DEFAULTS,
    progress: Progress = lambda what, n, total: None,
    said: Callable[[str], object] = lambda line: None,
) -> tuple[pa.Table | None, Report]:
    """Return the table that replay gives, None if it was written to OUT, and what it took; BY computes.

    said: hears a line of what people should know before the work begins.
    """
    from stream.backfill.run import Run

    began = time.monotonic()
    check_plans(plans)
    for plan in plans:
        by.check(plan)
    made = Run(plans, events, queries, by, options, progress, said)
    if out is None:
        table = made.table()
    else:
        made.write(out)
        table = None
    return table, _report(made, plans, by, began)


def check_plans(plans: Sequence[Plan]) -> None:
    """Raise CompileError if there are no PLANS, or two share a name."""
    if not plans:
        raise CompileError("expected at least one plan, found none; compile a graph")
    names = [plan.graph.name for plan in plans]
    if len(set(names)) < len(names):
        raise CompileError(f"expected graphs of different names, found {', '.join(names)}; rename one")


def _report(made: Run, plans: Sequence[Plan], by: Executor, began: float) -> Report:
    read, counts = made.read, made.counts
    asked = {name for plan in plans for name in (*plan.graph.requests, *plan.graph.candidates)}
    return Report(
        plans={plan.graph.name: plan.id for plan in plans},
        engine=by.name,
        events=read.events,
        unread=read.unread,
        rows=made.asked.table.num_rows,
        features=sum(len(plan.features) for plan in plans),
        seconds=round(time.monotonic() - began, 3),
        duplicate=counts.duplicate,
        quarantined=counts.quarantined,
        keyless=made.keyless,
        unparsable=dict(sorted(counts.unparsable.items())),
        unknown={
            output.column_of(plan.graph, label, among=len(plans)): n
            for plan in plans
            for label, n in unknown(plan.graph, made.asked.ts_ms, made.end).items()
        },
        end=made.end if any(plan.graph.labels for plan in plans) else None,
        dropped=made.dropped,
        absent=tuple(sorted(asked - set(made.asked.table.column_names))),
    )
