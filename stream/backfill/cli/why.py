"""`headrace why`: the rows behind one value, each with its clause."""

from __future__ import annotations

import json as json_text
from typing import Annotated, Any

import typer

from featuregraph import EventError, Graph, RequestError
from featuregraph.sources import load_graph
from featuregraph.times import format_time, parse_time
from featuregraph.why import explain_rows
from headrace import console
from stream.backfill import given, job, trace
from stream.backfill.cli.options import EndOption, Events, GraphOption, TableOption, steps
from stream.backfill.given import read_tables
from stream.backfill.history import batches, identifier, latest_of, size

MOST_ROWS = 30  # of an aggregate


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
    with steps() as progress:
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
