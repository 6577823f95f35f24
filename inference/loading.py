"""Open a package and believe it after every check only: hashes, contract, graph, model, golden examples."""

from __future__ import annotations

from pathlib import Path

from featuregraph.errors import FeatureGraphError
from featuregraph.graph import Graph
from inference import golden
from inference.backend import Backend, backend
from inference.check import graph_differences, port_differences
from inference.contract import ModelSpec, decode
from inference.errors import ContractError, InferenceError, PackageError
from inference.limits import DEFAULT, Limits
from inference.manifest import CONTRACT, GOLDEN, GRAPH, MODEL, SCHEMA_KEY, Manifest, read_package
from inference.session import Model


def load(package_dir: str | Path, backend: str | Backend = "auto", *, limits: Limits = DEFAULT) -> Model:
    """Return the model of a package directory, verified.

    Raises:
        PackageError: a file, hash, contract, graph, model or golden example is not what it should be.
        BackendError: no runtime is installed.
    """
    folder = Path(package_dir)
    try:
        manifest, contents = read_package(folder, limits)
        spec = _contract(contents[CONTRACT], manifest)
        graph = _graph(contents[GRAPH], spec)
        model = _model(contents[MODEL], spec, graph, manifest, backend)
        golden.check(model, decode(contents[GOLDEN], golden.Golden, GOLDEN, limits.golden))
    except (PackageError, ContractError) as error:
        raise PackageError(f"package {folder.name!r}: {error}") from error
    return model


def _contract(text: bytes, manifest: Manifest) -> ModelSpec:
    spec = ModelSpec.from_json(text)
    for what, have, want in (
        ("schema", spec.schema_sha256, manifest.schema_sha256),
        ("graph", spec.graph_id, manifest.graph_id),
    ):
        if have != want:
            raise PackageError(
                f"{CONTRACT}: expected {what} {want[:12]} as in the manifest, found {have[:12]}; "
                "package again"
            )
    return spec


def _graph(text: bytes, spec: ModelSpec) -> Graph:
    try:
        graph = Graph.from_json(text)
    except FeatureGraphError as error:
        raise PackageError(f"{GRAPH}: {error}") from error
    if differences := graph_differences(spec, graph):
        raise PackageError(f"{GRAPH}: {differences[0]}")
    return graph


def _model(content: bytes, spec: ModelSpec, graph: Graph, manifest: Manifest, choice: str | Backend) -> Model:
    chosen = backend(choice)
    try:
        runtime = chosen.open(content)
    except InferenceError as error:
        raise PackageError(f"{MODEL}: {error}") from error
    found = runtime.metadata.get(SCHEMA_KEY)
    if found != spec.schema_sha256:
        raise PackageError(
            f"{MODEL}: expected the schema {spec.schema_sha256[:12]} in its metadata, found "
            f"{found[:12] if found else 'none'}; "
            "the model belongs to another contract: package it again"
        )
    if differences := port_differences(spec, runtime.inputs, runtime.outputs):
        raise PackageError(f"{MODEL}: {differences[0]}")
    return Model(spec, graph, runtime, manifest.files[MODEL].sha256, dict(manifest.meta))
