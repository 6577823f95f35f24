"""Replay: the exact features of recorded queries over recorded events, point in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from featuregraph import CompileError, Plan
from stream.backfill import output
from stream.backfill.asked import asked_of
from stream.backfill.executors import executor
from stream.backfill.part import Counts, Executor
from stream.backfill.reading import Read
from stream.errors import BackfillError
from stream.sizes import parse_size

if TYPE_CHECKING:
    import pyarrow as pa

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
    duplicate: int | None  # events dropped, SEMANTICS 1.3; None: this engine sees the queried keys only
    quarantined: int | None  # 1.5
    keyless: int  # 1.1
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
    resume: bool = False,
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
    resume: bool = False,
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
    resume: bool = False,
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
        workers: how many processes compute; 1: this one.
        memory: how much they may take together, such as "1GiB"; what does not fit is spilled to disk,
            beside OUT. None: as much as it takes.
        resume: go on where a run that was cut left off, and keep what is done if this one is; with OUT only.
        engine: "device", or "reference" for the brute-force evaluator.
        mode: of the device engine.

    Raises:
        FeatureGraphError, StreamError: an event, query or file is refused, or a value overflows.
    """
    refuse_later(tables=tables, end=end)
    path = None if out is None else Path(out)
    if path is not None:
        output.check_path(path)
    plans = [plan_or_plans] if isinstance(plan_or_plans, Plan) else list(plan_or_plans)
    options = Options(as_known, workers, None if memory is None else parse_size(memory), resume)
    table, report = run(plans, events, queries, executor(engine, mode), out=path, options=options)
    return report if table is None else table


def refuse_later(**given: object) -> None:
    """Refuse the options that this version does not build yet."""
    for name, value in given.items():
        if value is not None:
            raise BackfillError(
                f"expected {name} to be left out, found {value!r:.60}; it comes with columnar replay"
            )


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is done; none of it changes a value but AS_KNOWN."""

    as_known: bool = False
    workers: int = 1
    memory: int | None = None  # bytes that all processes together may take
    resume: bool = False


def run(
    plans: Sequence[Plan],
    events: Any,
    queries: Any,
    by: Executor,
    *,
    out: Path | None = None,
    options: Options = Options(),
    progress: Progress = lambda what, n, total: None,
) -> tuple[pa.Table | None, Report]:
    """Return the table that replay gives, None if it was written to OUT, and what it took; BY computes."""
    from stream.backfill.run import Run

    began = time.monotonic()
    check_plans(plans)
    asked = asked_of(plans, queries, as_known=options.as_known)
    found = Run(plans, events, queries, asked, by, options, progress)
    if out is None:
        table = found.table()
    else:
        found.write(out)
        table = None
    return table, _report(plans, by, found.read, found.counts, asked.table, began)


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


def _report(
    plans: Sequence[Plan], by: Executor, read: Read, counts: Counts, queries: pa.Table, began: float
) -> Report:
    asked = {name for plan in plans for name in (*plan.graph.requests, *plan.graph.candidates)}
    return Report(
        plans={plan.graph.name: plan.id for plan in plans},
        engine=by.name,
        events=read.events,
        unread=read.unread,
        rows=queries.num_rows,
        features=sum(len(plan.features) for plan in plans),
        seconds=round(time.monotonic() - began, 3),
        duplicate=counts.duplicate,
        quarantined=counts.quarantined,
        keyless=read.keyless,
        unparsable=dict(sorted(counts.unparsable.items())),
        absent=tuple(sorted(asked - set(queries.column_names))),
    )
