"""Commands on graphs alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featuregraph.errors import RequestError
from featuregraph.explain import change, change_text, describe, page
from featuregraph.explain import explain as explain_text
from featuregraph.sources import load_graph
from headrace import console

GRAPH_HELP = "package.module:name, file.py:name or a JSON file."


def explain(
    graph: Annotated[str, typer.Argument(help=GRAPH_HELP)],
    diff: Annotated[
        str | None, typer.Option(metavar="GRAPH2", help="Show what changes when it takes GRAPH's place.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with the graph drawn to this file.")
    ] = None,
    json: console.JsonOption = False,
) -> None:
    """Show what a graph shares, scans and keeps."""
    if html is not None and diff is not None:
        raise RequestError("expected --html or --diff, found both; leave one out")
    if diff is not None:
        found = change(load_graph(graph), load_graph(diff))
        if json:
            console.emit_json(found)
        else:
            console.say(change_text(found))
        return
    plan = load_graph(graph).compile()
    if html is not None:
        html.write_text(page(plan), encoding="utf-8")
        console.note(f"written to {html}")
    if json:
        console.emit_json(describe(plan))
    elif html is None:
        console.say(explain_text(plan))
