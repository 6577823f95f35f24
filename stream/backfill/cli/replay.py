"""`headrace replay`: the exact features of recorded queries over recorded events."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from featuregraph.sources import load_graph
from featuregraph.times import format_time
from headrace import console
from stream.backfill import given, job, output
from stream.backfill.cli.options import (
    AsKnown,
    EndOption,
    Events,
    GraphsOption,
    Memory,
    Queries,
    Resume,
    TableOption,
    Workers,
    steps,
)
from stream.backfill.executors import executor
from stream.engine import MODES


def replay(
    events: Events,
    queries: Queries,
    *,
    graph: GraphsOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The Parquet file to write.")],
    engine: Annotated[str, typer.Option(help="local, device or reference.")] = "local",
    mode: Annotated[str, typer.Option(help=f"Of the device engine: {', '.join(MODES)}.")] = "auto",
    table: TableOption = None,
    as_known: AsKnown = False,
    end: EndOption = None,
    workers: Workers = 1,
    memory: Memory = None,
    resume: Resume = False,
    json: console.JsonOption = False,
) -> None:
    """Compute features for recorded events and queries."""
    began = time.monotonic()
    by, tables = executor(engine, mode), given.named(table)
    output.check_path(out)
    plans = [load_graph(one).compile() for one in graph]
    options = job.Options.of(
        tables, as_known=as_known, end=end, workers=workers, memory=memory, resume=resume
    )
    with steps() as progress:
        _, report = job.run(
            plans, events, queries, by, out=out, options=options, progress=progress, said=console.note
        )
    if json:
        console.emit_json({**asdict(report), "out": str(out)})
        return
    console.say(f"{out}: {report.rows:,} rows of {report.features:,} features from {report.events:,} events")
    for name, plan_id in report.plans.items():
        console.say(f"  graph {name}  {plan_id}")
    counts = [
        ("duplicate", report.duplicate),
        ("quarantined", report.quarantined),
        ("keyless", report.keyless),
        ("unread, since no query can see them", report.unread),
    ]
    counts += [(f"unparsable {field}", n) for field, n in report.unparsable.items()]
    counts += [(f"rows of table {name} without a key or a time", n) for name, n in report.dropped.items()]
    for what, n in counts:
        if n:
            console.say(f"  {what}  {n:,}")
    for label, n in report.unknown.items():
        console.say(
            f"  label {label}  null in {n:,} of {report.rows:,} rows, which look past the end{_until(report)}"
        )
    if report.absent:
        console.say(f"  null or empty for want of a column in the queries  {', '.join(report.absent)}")
    console.say(f"done in {time.monotonic() - began:,.1f} s, {report.seconds:,.1f} s of it computing")


def _until(report: job.Report) -> str:
    return "" if report.end is None else f" at {report.end} ({format_time(report.end)})"
