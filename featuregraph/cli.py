"""Commands on graphs alone."""

from __future__ import annotations

from typing import Annotated

import typer

from featuregraph.explain import change, change_text, describe
from featuregraph.explain import explain as explain_text
from featuregraph.sources import load_graph
from headrace import console

GRAPH_HELP = "package.module:name, file.py:name or a JSON file."


def explain(
    graph: Annotated[str, typer.Argument(help=GRAPH_HELP)],
    diff: Annotated[
        str | None, typer.Option(metavar="GRAPH2", help="Show what changes when it takes GRAPH's place.")
    ] = None,
    json: console.JsonOption = False,
) -> None:
    """Show what a graph shares, scans and keeps."""
    if diff is not None:
        found = change(load_graph(graph), load_graph(diff))
        if json:
            console.emit_json(found)
        else:
            console.say(change_text(found))
        return
    plan = load_graph(graph).compile()
    if json:
        console.emit_json(describe(plan))
    else:
        console.say(explain_text(plan))
