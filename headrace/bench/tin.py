"""The model that ranks a service's candidates: a TIN of the paper's size, its weights made up.

benchmarks/make_tin.py writes tin.onnx beside this file; the same file serves every seed's graph.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featuregraph import Graph
    from featuregraph.testing.workload import ServiceWork
    from inference import Model

CANDIDATES = 50


def model(work: ServiceWork, graph: Graph) -> Model:
    """Return the model on GRAPH, the ranking graph of WORK."""
    from featuregraph.testing.workload import dense
    from inference import Input, Model, ModelSpec, OutputSpec, tensors
    from inference.backend import backend

    inputs = [
        Input("history_item", "history.item", mask="history_mask"),
        Input("history_category", "history.category"),
        Input("history_age", "history.age", datatype="INT64"),
        Input("dense", dense(work), datatype="FP32"),
        Input("item", "item"),
        Input("category", "category"),
        Input("affinity", "affinity", datatype="FP32"),
    ]
    content = (files("headrace.bench") / "tin.onnx").read_bytes()
    runtime = backend().open(content)
    spec = ModelSpec(graph.id, tensors(graph, inputs), (OutputSpec("score", "FP32", ("C",), "score"),))
    return Model(spec, graph, runtime, hashlib.sha256(content).hexdigest())
