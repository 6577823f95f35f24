"""`headrace table`: the values of a graph, such as an item's, as a file that devices map."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from featuregraph.sources import load_graph
from featuregraph.times import parse_time
from headrace import console
from stream.backfill import given, job
from stream.backfill.cli.options import Events, GraphOption, Memory, TableOption, Workers, steps
from stream.backfill.executors import executor
from stream.backfill.tabled import When, build


def table(
    events: Events,
    *,
    graph: GraphOption,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The file for devices; rows if it ends in .parquet.")
    ],
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="TIME", help="The moment: ms or ISO 8601; else behind the last event."),
    ] = None,
    every: Annotated[
        str | None, typer.Option(metavar="TIME", help="Moments at each multiple of it, as 1d.")
    ] = None,
    changing: Annotated[
        bool, typer.Option("--changing", help="Rows have their moment, also if there is one only.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Of the table; else the graph's.")] = None,
    engine: Annotated[str, typer.Option(help="local, device or reference.")] = "local",
    table: TableOption = None,
    workers: Workers = 1,
    memory: Memory = None,
    json: console.JsonOption = False,
) -> None:
    """Build a table for devices from a graph's values."""
    began = time.monotonic()
    by = executor(engine, "auto")
    when = When(tuple(parse_time(one) for one in at or ()), every, changing)
    options = job.Options.of(given.named(table), workers=workers, memory=memory)
    plan = load_graph(graph).compile()
    with steps() as progress:
        found = build(plan, events, out, when, by, options, name=name, progress=progress)
    if json:
        console.emit_json({**asdict(found), "out": str(out)})
        return
    console.say(f"{out}: {found.rows:,} rows of {found.keys:,} keys from {found.events:,} events")
    console.say(
        f"  table {found.table}  {'changes' if found.changing else 'static'}, {found.times:,} moments"
    )
    console.say(f"  graph {plan.graph.name}  {found.plan}")
    if found.version is not None:
        console.say(f"  version  {found.version}")
    console.say(f"done in {time.monotonic() - began:,.1f} s")
