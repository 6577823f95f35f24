"""`headrace task bins`: how a task's features were spread in training, for its bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.bundle.streams import read_small
from deploy.errors import TaskError
from deploy.limits import MAX_GRAPH
from deploy.task.manifest import BINS, GRAPH_FILE
from featuregraph.graph import Graph
from headrace import console
from stream.atomic import replacing


def bins(
    folder: Annotated[Path, typer.Argument(help="The task's folder, with its model.")],
    training: Annotated[list[Path], typer.Argument(help="Parquet files with a column per feature.")],
) -> None:
    """Cut the features of a task by their values in training.

    A gate compares what devices compute with it. It becomes bins.json, which headrace pack takes.
    """
    from deploy.bundle.trained import trained

    graph = Graph.from_json(read_small(folder / GRAPH_FILE, GRAPH_FILE, MAX_GRAPH))
    found = trained(graph, training)
    if not found.features:
        raise TaskError(f"{training[0]}: expected a column of a feature that is a number, found none")
    with replacing(folder / BINS) as beside:
        beside.write_bytes(found.to_json())
    console.say(f"{folder / BINS}: {len(found.features)} features")
