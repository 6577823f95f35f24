"""`headrace verify`: every executor, or what a device served, against the reference."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from featuregraph.sources import load_graph
from headrace import console
from stream.backfill import check, given, proof
from stream.backfill.cli.options import CHECK_FAILED, FORMATS, GRAPH, AsKnown, TableOption, steps
from stream.backfill.executors import EXECUTORS
from stream.backfill.served import prove
from stream.errors import BackfillError
from stream.verify import Verification


def verify(
    events: Annotated[
        Path | None,
        typer.Argument(help=f"Recorded events: a device log, {FORMATS}; with --served, those of its log."),
    ] = None,
    queries: Annotated[
        Path | None, typer.Argument(help="What is asked, and when; if left out, each event asks for its key.")
    ] = None,
    *,
    graph: Annotated[
        str | None,
        typer.Option("--graph", "-g", metavar="GRAPH", help=f"{GRAPH}; with --served, only its records."),
    ] = None,
    served: Annotated[
        Path | None,
        typer.Option(metavar="LOG", help="Compare what this device log recorded as served instead."),
    ] = None,
    sample: Annotated[int | None, typer.Option(help="Compare this many of the queries.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Chooses the sample.")] = 0,
    table: TableOption = None,
    as_known: AsKnown = False,
    json: console.JsonOption = False,
) -> None:
    """Compare every executor with the reference, cell by cell."""
    began = time.monotonic()
    if served is not None:
        _verify_served(
            served, events, queries, graph=graph, tables=table, sample=sample, seed=seed, json=json
        )
        return
    if events is None or graph is None:
        missing = "EVENTS" if events is None else "--graph GRAPH"
        raise BackfillError(
            f"expected EVENTS and --graph GRAPH, or --served LOG, found no {missing}; add what is missing"
        )
    plan = load_graph(graph).compile()
    asked = check.sampled(plan, events, queries, sample=sample, seed=seed, as_known=as_known)
    if not asked:
        raise BackfillError(f"{queries or events}: expected at least one query, found none; give some")
    with steps() as progress:
        found, known = check.verify(
            plan, events, asked, executors=EXECUTORS, tables=given.named(table), progress=progress
        )
    seconds = round(time.monotonic() - began, 3)
    if json:
        console.emit_json(_summary(found, known.count, seconds))
    else:
        _show(found, known.count)
        console.say(f"done in {seconds:,.1f} s")
    if not found.ok:
        raise typer.Exit(CHECK_FAILED)


def _verify_served(
    path: Path,
    events: Path | None,
    queries: Path | None,
    *,
    graph: str | None,
    tables: list[str] | None,
    sample: int | None,
    seed: int,
    json: bool,
) -> None:
    """Compare what a device served with the reference."""
    began = time.monotonic()
    if queries is not None:
        raise BackfillError(f"expected EVENTS alone beside --served, found {queries} too; leave it out")
    only = None if graph is None else load_graph(graph)
    with steps() as progress:
        found = prove(
            path,
            events,
            graph=only,
            tables=given.named(tables),
            sample=sample,
            seed=seed,
            progress=progress,
        )
    seconds = round(time.monotonic() - began, 3)
    if json:
        console.emit_json(proof.summary(found, seconds))
    else:
        titles = ("graph", "id", "records", "features", "cells", "equal")
        console.print_table("", titles, proof.rows(found))
        for line in proof.lines(found):
            console.say(line)
        console.say(f"done in {seconds:,.1f} s")
    if not found.ok:
        raise typer.Exit(CHECK_FAILED)


def _summary(found: Verification, events: int, seconds: float) -> dict[str, object]:
    return {
        "ok": found.ok,
        "graph": found.plan.id,
        "events": events,
        "queries": len(found.queries),
        "cells": found.cells,
        "equal": found.equal,
        "within_tolerance": found.within,
        "expected": found.expected,
        "not_empty_or_default": found.telling,
        "without_candidates": found.uncompared,
        "executors": list(found.executors.values()),
        "features": list(found.features.values()),
        "seconds": seconds,
    }


def _show(found: Verification, events: int) -> None:
    rows = [(t.feature, t.type, t.expected, t.telling, t.cells, t.equal) for t in found.features.values()]
    console.print_table(
        "", ("feature", "type", "queries", "not default", "cells", "equal"), rows, prose=("type",)
    )
    timed = [
        (t.executor, t.cells or None, t.equal if t.cells else None, t.seconds)
        for t in found.executors.values()
    ]
    console.print_table("", ("executor", "cells", "equal", "seconds"), timed)
    for line in (*_differences(found), *_counts(found, events), *_candidates(found)):
        console.say(line)


def _differences(found: Verification) -> Iterator[str]:
    """Give the first difference of each feature that has one."""
    for tally in found.features.values():
        if (d := tally.first) is not None:
            yield (
                f"{tally.feature} differs first by {d.executor} in query {d.query} (key {d.key} at {d.t}):"
                f" expected {d.expected:.200}, found {d.found:.200}"
            )


def _counts(found: Verification, events: int) -> Iterator[str]:
    # Cut, not rounded: one cell in a million that differs must not read as 100 %.
    share = 1_000_000 * found.equal // found.cells / 10_000
    yield (
        f"{found.equal:,} of {found.cells:,} cells equal ({share:g} %): {len(found.queries):,} queries,"
        f" {len(found.features)} features, {len(found.executors) - 1} executors, {events:,} events"
    )
    if found.within:
        yield f"{found.within:,} of the equal ones within the tolerance of decayed_sum (SEMANTICS 4.2)"
    yield (
        f"{found.telling:,} of the reference's {found.expected:,} cells are not empty or default"
        f" ({100 * found.telling / found.expected:.3g} %)"
    )


def _candidates(found: Verification) -> Iterator[str]:
    """Say whose cells were empty lists in all queries, so that they are equal whatever an executor does."""
    if found.uncompared:
        yield (
            f"nothing was compared of {', '.join(found.uncompared)}: no query gives candidates; add a column"
            f" of lists to the queries for {', '.join(found.plan.graph.candidates)}"
        )
