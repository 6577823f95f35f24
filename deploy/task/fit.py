"""Do a task's graph, model and scripts fit each other? Every difference as one line; pure."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping

import msgspec

from deploy.task.manifest import MODEL, PACKAGE_FILE, Manifest
from featuregraph.graph import Graph
from featuregraph.shown import bounded, nearest
from inference.manifest import Manifest as Package


def differences(manifest: Manifest, graph: Graph, package: Package) -> list[str]:
    """Return where MANIFEST and the GRAPH and model PACKAGE inside of its bundle differ."""
    return list(_differences(manifest, graph, package))


def _differences(manifest: Manifest, graph: Graph, package: Package) -> Iterator[str]:
    for what, listed, found in (
        ("graph", manifest.graph_id, graph.id),
        ("model's graph", manifest.graph_id, package.graph_id),
        ("model's contract", manifest.schema_sha256, package.schema_sha256),
    ):
        if listed != found:
            yield f"{what}: expected id {listed[:12]}, found {found[:12]}; package the model with its graph"
    for name, entry in package.files.items():
        if manifest.files.get(MODEL + name) != entry:
            yield f"{MODEL}{name}: expected the file that {PACKAGE_FILE} lists, found another; package again"
    for name, script in sorted(manifest.scripts.items()):
        for feature, meaning in sorted(script.reads.items()):
            yield from _read_difference(f"{name}: feature {feature!r}", feature, meaning, graph)


def _read_difference(where: str, feature: str, meaning: str, graph: Graph) -> Iterator[str]:
    found = graph.feature_ids.get(feature)
    if found is None:
        yield f"{where}: expected it in the graph, found none; {nearest(feature, graph.features)}"
    elif found != meaning:
        yield f"{where}: expected the meaning {meaning[:12]}, found {found[:12]}; pack the task again"


def source_differences(source: Graph, graph: Graph) -> list[str]:
    """Return how the graph's SOURCE changed in meaning since the model of GRAPH was trained."""
    if source.id == graph.id:
        return []
    diff = graph.diff(source.serving())
    changes = [
        f"{what} {name!r}"
        for what, names in (("added", diff.added), ("removed", diff.removed), ("changed", diff.changed))
        for name in names
    ]
    said = ", ".join(changes[:8]) + (f" and {len(changes) - 8} more" if len(changes) > 8 else "")
    found = f"{source.id[:12]} ({said or 'key or names'})"
    wanted = f"the one that the model was trained on, {graph.id[:12]}"
    return [f"graph: expected {wanted}, found {found}; train again or restore the graph"]


def script_problem(content: bytes) -> str | None:
    """Return what keeps CONTENT from being a Python script, None if nothing does; it is read, never run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a script's own doubtful escapes are not an error of packing
            ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        said = error.msg if isinstance(error, SyntaxError) else str(error) or "nesting without an end"
        return bounded(f"expected Python, found {said}{at}; correct it")
    return None


def config_problem(content: bytes) -> str | None:
    """Return what keeps CONTENT from being a configuration, None if nothing does."""
    try:
        value: object = msgspec.json.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return bounded(f"expected JSON, found: {error}; correct it")
    return None if isinstance(value, Mapping) else "expected a JSON object, found another value; use {...}"
