"""Commands over recorded events: replay, verify, why."""

from __future__ import annotations

import json as json_text
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from featuregraph import EventError, Graph, RequestError
from featuregraph.sources import load_graph
from featuregraph.times import format_time, parse_time
from featuregraph.why import explain_rows
from headrace import console
from stream.backfill import check, given, job, output, proof, trace
from stream.backfill.executors import EXECUTORS, executor
from stream.backfill.given import read_tables
from stream.backfill.history import batches, identifier, latest_of, size
from stream.backfill.served import prove
from stream.engine import MODES
from stream.errors import BackfillError
from stream.sizes import parse_size
from stream.verify import Verification

CHECK_FAILED = 1
MOST_ROWS = 30  # of an aggregate in `why`
_FORMATS = "Parquet (a file or a folder), Arrow, CSV or JSON lines"

Events = Annotated[Path, typer.Argument(help=f"Recorded events: a device log, {_FORMATS}.")]
Queries = Annotated[Path, typer.Argument(help=f"What is asked, and when: {_FORMATS}.")]
_GRAPH = "package.module:name, file.py:name or a JSON file"
GraphOption = Annotated[str, typer.Option("--graph", "-g", metavar="GRAPH", help=f"{_GRAPH}.")]
TableOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=PATH", help=f"Rows of a table of the graph: {_FORMATS}; once for each."),
]
EndOption = Annotated[
    int | None, typer.Option(metavar="MS", help="The last ms that counts as known, for labels.")
]
AsKnown = Annotated[
    bool, typer.Option("--as-known", help="Count only what a device knew at the time asked for.")
]


@contextmanager
def _steps() -> Iterator[Callable[[str, int, int | None], None]]:
    """Give a function that advances what is shown of a step; it ends when the next step begins."""
    began = time.monotonic()
    with ExitStack() as stack:
        current: list[Any] = [None, None]

        def advance(what: str, n: int, total: int | None) -> None:
            if current[0] != what:
                stack.close()
                current[:] = what, stack.enter_context(console.progress(what, total, since=began))
            current[1](n)

        yield advance


def replay(
    events: Events,
    queries: Queries,
    *,
    graph: Annotated[
        list[str],
        typer.Option("--graph", "-g", metavar="GRAPH", help=f"{_GRAPH}; once for each graph."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The Parquet file to write.")],
    engine: Annotated[str, typer.Option(help="local, device or reference.")] = "device",
    mode: Annotated[str, typer.Option(help=f"Of the device engine: {', '.join(MODES)}.")] = "auto",
    table: TableOption = None,
    as_known: AsKnown = False,
    end: EndOption = None,
    workers: Annotated[int, typer.Option(help="Processes that compute.", min=1)] = 1,
    memory: Annotated[
        str | None,
        typer.Option(help="What they may take together, such as 1GiB; the rest is spilled beside OUT."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a run with --resume was cut, in OUT.resume.")
    ] = False,
    json: console.JsonOption = False,
) -> None:
    """Compute features for recorded events and queries."""
    began = time.monotonic()
    by, tables = executor(engine, mode), given.named(table)
    output.check_path(out)
    plans = [load_graph(one).compile() for one in graph]
    options = job.Options(
        tables, as_known, end, workers, None if memory is None else parse_size(memory), resume
    )
    with _steps() as progress:
        _, report = job.run(plans, events, queries, by, out=out, options=options, progress=progress)
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


def verify(
    events: Annotated[
        Path | None,
        typer.Argument(help=f"Recorded events: a device log, {_FORMATS}; with --served, those of its log."),
    ] = None,
    queries: Annotated[
        Path | None, typer.Argument(help="What is asked, and when; if left out, each event asks for its key.")
    ] = None,
    *,
    graph: Annotated[
        str | None,
        typer.Option("--graph", "-g", metavar="GRAPH", help=f"{_GRAPH}; with --served, only its records."),
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
        _verify_served(served, events, queries, graph=graph, sample=sample, seed=seed, json=json)
        return
    if events is None or graph is None:
        missing = "EVENTS" if events is None else "--graph GRAPH"
        raise BackfillError(
            f"expected EVENTS and --graph GRAPH, or --served LOG, found no {missing}; add what is missing"
        )
    whole = load_graph(graph)
    plan = whole.serving().compile()  # labels are computed by the reference alone
    asked = check.sampled(plan, events, queries, sample=sample, seed=seed, as_known=as_known)
    if not asked:
        raise BackfillError(f"{queries or events}: expected at least one query, found none; give some")
    with _steps() as progress:
        found, known = check.verify(
            plan, events, asked, executors=EXECUTORS, tables=given.named(table), progress=progress
        )
    seconds = round(time.monotonic() - began, 3)
    if json:
        console.emit_json(_summary(found, known.count, seconds))
    else:
        _show(found, known.count)
        if whole.labels:
            console.say(f"not compared: the labels {', '.join(whole.labels)}")
        console.say(f"done in {seconds:,.1f} s")
    if not found.ok:
        raise typer.Exit(CHECK_FAILED)


def _verify_served(
    path: Path,
    events: Path | None,
    queries: Path | None,
    *,
    graph: str | None,
    sample: int | None,
    seed: int,
    json: bool,
) -> None:
    """Compare what a device served with the reference."""
    began = time.monotonic()
    if queries is not None:
        raise BackfillError(f"expected EVENTS alone beside --served, found {queries} too; leave it out")
    only = None if graph is None else load_graph(graph)
    with _steps() as progress:
        found = prove(path, events, graph=only, sample=sample, seed=seed, progress=progress)
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


def why(
    events: Events,
    *,
    graph: GraphOption,
    feature: Annotated[str, typer.Option("--feature", "-f", help="Its name.")],
    key: Annotated[str, typer.Option("--key", "-k", help="Whose events; of several columns a JSON list.")],
    at: Annotated[
        str, typer.Option("--at", help="When it is asked: ms, or ISO 8601 (UTC if it names no zone).")
    ],
    request: Annotated[
        str | None, typer.Option(help="Request values and candidate lists, as a JSON object.")
    ] = None,
    include_now: Annotated[
        str | None, typer.Option(help="yes or no: as if the graph said so.", metavar="yes|no")
    ] = None,
    table: TableOption = None,
    end: EndOption = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show every row.")] = False,
    json: console.JsonOption = False,
) -> None:
    """Show the rows behind one value, each with its clause."""
    found_graph = _with_now(load_graph(graph), include_now)
    t, asked = parse_time(at), _request(request, found_graph)
    rows = read_tables([found_graph], given.named(table))
    mine: list[Any] = []
    # Under another key than user_id a seq given on arrival counts all events of the user: keep them all.
    together = found_graph.key_columns != ("user_id",)
    total, latest = size(events), end
    with _steps() as progress:
        for batch in batches(events):
            mine += [e for e in batch if together or identifier(e.get("user_id")) == key]
            latest = latest_of(batch, latest) if end is None else end
            progress(job.READING, len(batch), total)
    try:
        found = explain_rows(
            found_graph, feature, mine, _key(key, found_graph), t, asked, tables=rows, end=latest
        )
    except EventError as error:
        raise EventError(f"{events}: {error}") from None
    if not mine:
        console.note(f"{events}: no event of the key {key}")
    if json:
        console.emit_json(trace.as_json(found_graph, found))
        return
    console.say(f"{feature} of key {key} at {t} ({format_time(t)})")
    for shown in trace.tables(found, None if show_all else MOST_ROWS):
        console.print_table(shown.title, shown.columns, shown.rows, prose=(trace.VERDICT,))
        if shown.more:
            console.say(f"... {shown.more:,} more; --all shows them")
    for line in trace.arithmetic(found_graph, found):
        console.say(line)


def _key(text: str, graph: Graph) -> Any:
    """Return the key that TEXT gives: of several columns a JSON list of their values."""
    if len(graph.key_columns) == 1:
        return text
    columns = ", ".join(graph.key_columns)
    try:
        found = json_text.loads(text)
    except ValueError:
        found = text
    if not isinstance(found, list):
        raise RequestError(
            f'--key: expected a JSON list of {columns}, found {text!r:.60}; write it like ["a", "b"]'
        )
    return found


def _with_now(graph: Graph, answer: str | None) -> Graph:
    """Return GRAPH with include_now as ANSWER says."""
    if answer is None:
        return graph
    if answer not in ("yes", "no"):
        raise RequestError(f"--include-now: expected yes or no, found {answer!r:.60}; write one of them")
    return Graph.from_json({**graph.to_dict(), "include_now": answer == "yes"})


def _request(text: str | None, graph: Graph) -> dict[str, Any]:
    """Return the request that TEXT gives; raise RequestError if it is none or gives some lists of several."""
    try:
        found = json_text.loads("{}" if text is None else text)
    except ValueError as error:
        raise RequestError(
            f"--request: expected a JSON object, found {text!r:.60}: {error}; write it as {_form(graph)}"
        ) from None
    if not isinstance(found, dict):
        raise RequestError(
            f"--request: expected a JSON object, found {text!r:.60}; write it as {_form(graph)}"
        )
    missing = [name for name in graph.candidates if found.get(name) is None]
    if missing and len(missing) < len(graph.candidates):
        raise RequestError(
            f"--request: expected a list for each of {', '.join(graph.candidates)}, all of one length,"
            f" found none for {', '.join(missing)}; write it as {_form(graph)}"
        )
    return found


def _form(graph: Graph) -> str:
    """Return what a request of GRAPH looks like."""
    values = [f'"{name}": VALUE' for name in graph.requests]
    lists = [f'"{name}": [VALUE, ...]' for name in graph.candidates]
    return f"{{{', '.join([*values, *lists])}}}"
