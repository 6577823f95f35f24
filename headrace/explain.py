"""What a graph does, shown: as text, as JSON or as a page, with costs assumed or counted on events."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from featuregraph import Graph
from featuregraph.explain import Load, change, change_text, counted, describe, page
from featuregraph.explain import explain as explain_text
from featuregraph.sources import load_graph
from headrace import console
from headrace.errors import UsageError
from stream.tables import read_events

GRAPH_HELP = "package.module:name, file.py:name or a JSON file."


def command(
    graph: Annotated[str, typer.Argument(help=GRAPH_HELP)],
    diff: Annotated[
        str | None, typer.Option(metavar="GRAPH2", help="Show what changes when it takes GRAPH's place.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with the graph drawn to this file.")
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(help="Count costs on a recording or a device log; else they are assumed."),
    ] = None,
    key: Annotated[str | None, typer.Option("--key", "-k", help="Whose; else who has most.")] = None,
    json: console.JsonOption = False,
) -> None:
    """Show what a graph shares, scans and keeps."""
    if diff is not None:
        if html is not None or events is not None:
            raise UsageError("expected --diff alone, found --html or --events too; leave one out")
        _show_change(load_graph(graph), load_graph(diff), json=json)
        return
    if key is not None and events is None:
        raise UsageError("expected --events with --key, found none; give events or leave the key out")
    found = load_graph(graph)
    plan = found.compile()
    load = Load() if events is None else counted(found, chain.from_iterable(read_events(events)), key)
    if html is not None:
        html.write_text(page(plan, load), encoding="utf-8")
        console.note(f"written to {html}")
    if json:
        console.emit_json(describe(plan, load))
    elif html is None:
        console.say(explain_text(plan, load))


def _show_change(old: Graph, new: Graph, *, json: bool) -> None:
    found = change(old, new)
    if json:
        console.emit_json(found)
    else:
        console.say(change_text(found))
