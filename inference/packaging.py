"""Join a model with its graph into a directory that a device can believe, or refuse with every difference.

The happy path: model file -> ports -> contract -> differences -> int8 rows -> stamp -> examples -> write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from featuregraph.graph import Graph
from featuregraph.vector import FeatureVector
from inference.backend import Backend, Port, Runtime, backend
from inference.check import graph_differences, port_differences, unused_differences
from inference.contract import CANDIDATES, DATATYPES, ModelSpec, OutputSpec, TensorSpec, encode
from inference.derive import Input, derive
from inference.errors import ContractError, PackagingError
from inference.examples import Example, Values, prove
from inference.limits import DEFAULT
from inference.manifest import (
    CONTRACT,
    GOLDEN,
    GRAPH,
    GRAPH_KEY,
    MANIFEST,
    MODEL,
    SCHEMA_KEY,
    Manifest,
    entry,
    write_package,
)
from inference.modelfile import ModelFile
from inference.session import Model


@dataclass(frozen=True, slots=True)
class Options:
    """What is rarely changed about a package."""

    unused: tuple[str, ...] = ()  # features that fill no input, on purpose
    meta: Mapping[str, str] = field(default_factory=dict)  # for people: {"license": ..., "notes": ...}
    absolute: float = 1e-5  # tolerance of the golden examples: absolute + relative x |expected|
    relative: float = 1e-4
    quantize_limit: float = 0.05  # largest absolute change of an output that int8 rows may cause
    overwrite: bool = False
    backend: str | Backend = "auto"


def package(
    model: str | Path | bytes,
    graph: Graph,
    inputs: Iterable[Input | TensorSpec],
    out_dir: str | Path,
    *,
    golden: Sequence[Values | FeatureVector | Example],
    outputs: Sequence[str | OutputSpec] = (),
    quantize: Literal["rowwise_int8"] | None = None,
    options: Options | None = None,
) -> Manifest:
    """Write the package of MODEL for GRAPH into OUT_DIR and return its manifest, if all fits.

    Args:
        model: an ONNX file or its bytes.
        graph: its features fill the inputs; a serving graph, without labels.
        inputs: for each model input the features that fill it; what is left out comes from graph and model.
        out_dir: the package directory; it appears whole or not at all.
        golden: at least three examples of feature values, such as no history, some, a full one.
        outputs: the outputs to give, the score of the candidates first; default all.
        quantize: "rowwise_int8" stores embedding tables as int8 rows with a scale each.
        options: unused features, licence and notes, tolerances, overwrite, backend.

    Raises:
        PackagingError: the model does not fit the graph (.differences has the list), or an example fails.
        BackendError: the model is no ONNX file, or the extra `build` is missing.
    """
    chosen = options or Options()
    if labels := graph.labels:
        raise PackagingError(
            f"graph {graph.name!r}: expected features that a device can know, found the labels "
            f"{', '.join(labels)}, which look ahead; package graph.serving(), of the same id"
        )
    content = model if isinstance(model, bytes) else _read(Path(model))
    file = ModelFile(content)
    file.forget_origin()
    runtime = backend(chosen.backend).open(content)
    spec = _contract(graph, runtime, file, inputs, outputs, chosen)
    original = Model(spec, graph, runtime, "")
    stamped = _stamped(file, spec, quantize)
    final = replace(original, runtime=backend(chosen.backend).open(stamped), sha256=entry(stamped).sha256)
    proof, drift = prove(original, final, golden, absolute=chosen.absolute, relative=chosen.relative)
    loss = None if quantize is None else _bounded(drift, chosen.quantize_limit)
    files = {
        CONTRACT: spec.to_json(),
        GOLDEN: encode(proof),
        GRAPH: graph.to_json().encode(),
        MODEL: stamped,
    }
    manifest = Manifest(
        files={name: entry(text) for name, text in files.items()},
        graph_id=spec.graph_id,
        schema_sha256=spec.schema_sha256,
        operators=file.operators,
        opset=file.opset,
        quantize=quantize,
        quantize_error=loss,
        meta=dict(chosen.meta),
    )
    write_package(Path(out_dir), {**files, MANIFEST: encode(manifest)}, overwrite=chosen.overwrite)
    return manifest


def _stamped(file: ModelFile, spec: ModelSpec, quantize: Literal["rowwise_int8"] | None) -> bytes:
    """Return the bytes of FILE, its tables as QUANTIZE says, with the names of its contract and graph."""
    if quantize is not None and not file.quantize_rows():
        raise PackagingError(
            "quantize: expected a float table that is only looked up, found none; leave quantize out"
        )
    file.set_metadata({SCHEMA_KEY: spec.schema_sha256, GRAPH_KEY: spec.graph_id})
    return file.to_bytes()


def _bounded(drift: float, limit: float) -> float:
    if drift > limit:
        raise PackagingError(
            f"quantize: expected outputs within {limit:g}, found a change of "
            f"{drift:.3g}; leave quantize out or raise the limit"
        )
    return drift


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > DEFAULT.model:
            raise PackagingError(
                f"{path.name}: expected at most {DEFAULT.model} bytes, found more; quantise the model"
            )
        return path.read_bytes()
    except OSError as error:
        raise PackagingError(
            f"{path}: expected a model file, found {error.strerror or error}; give its path"
        ) from error


def _contract(
    graph: Graph,
    runtime: Runtime,
    file: ModelFile,
    inputs: Iterable[Input | TensorSpec],
    outputs: Sequence[str | OutputSpec],
    chosen: Options,
) -> ModelSpec:
    """Return the contract of model and graph; raise PackagingError with all differences."""
    ports = {port.name: port for port in runtime.inputs}
    words = tuple(inputs)
    specs, wrong = derive(graph, words, ports)
    failed = {w.name for w in words} - {s.name for s in specs}
    wrong += _foreign(runtime)
    given, odd = _outputs(runtime, outputs, ranks=any(s.role == "candidate" for s in specs))
    wrong += odd
    try:
        spec = ModelSpec(graph_id=graph.id, inputs=specs, outputs=given, meta=dict(chosen.meta))
        if specs and given:
            spec = ModelSpec.from_json(spec.to_json())  # the bounds hold for hand-made descriptions too
    except ContractError as error:
        raise PackagingError("expected a contract that holds together", [*wrong, str(error)]) from error
    wrong += graph_differences(spec, graph)
    wrong += port_differences(spec, [p for p in runtime.inputs if p.name not in failed], runtime.outputs)
    wrong += _table_differences(spec, file)
    wrong += unused_differences(spec, graph, chosen.unused) if not failed else []
    stamped = file.metadata.get(SCHEMA_KEY)
    if not wrong and stamped not in (None, spec.schema_sha256):
        wrong.append(
            f"schema: expected {spec.schema_sha256[:12]}, the model file already says "
            f"{str(stamped)[:12]}; export it again"
        )
    if wrong:
        raise PackagingError("expected a model that fits the graph, found differences", wrong)
    return spec


def _foreign(runtime: Runtime) -> list[str]:
    return [
        f"input {p.name!r}: expected a datatype of {', '.join(DATATYPES)}, found {p.datatype}; export "
        "the model with one of them"
        for p in runtime.inputs
        if p.datatype not in DATATYPES
    ]


def _outputs(
    runtime: Runtime, wanted: Sequence[str | OutputSpec], *, ranks: bool
) -> tuple[tuple[OutputSpec, ...], list[str]]:
    ports = {port.name: port for port in runtime.outputs}
    specs: list[OutputSpec] = []
    wrong: list[str] = []
    for at, each in enumerate(wanted or list(ports)):
        if isinstance(each, OutputSpec):
            specs.append(each)
        elif each not in ports:
            wrong.append(
                f"output {each!r}: expected an output of the model, found none; it has {', '.join(ports)}"
            )
        else:
            try:
                specs.append(_output(ports[each], ranks=ranks, first=at == 0))
            except ContractError as error:
                wrong.append(str(error))
    return tuple(specs), wrong


def _output(port: Port, *, ranks: bool, first: bool) -> OutputSpec:
    """Return the description of one output: a free first axis counts candidates, or is 1 without any."""
    if port.datatype not in DATATYPES:
        raise ContractError(
            f"output {port.name!r}: expected a datatype of {', '.join(DATATYPES)}, found "
            f"{port.datatype}; export it so"
        )
    free = [isinstance(dim, str) or dim < 0 for dim in port.shape]
    head = CANDIDATES if ranks else 1
    shape = tuple(
        head if is_free and not axis else dim
        for axis, (dim, is_free) in enumerate(zip(port.shape, free, strict=True))
    )
    return OutputSpec(port.name, port.datatype, shape, "score" if ranks and first else "value")


def _table_differences(spec: ModelSpec, file: ModelFile) -> list[str]:
    rows = file.table_rows()
    found = []
    for tensor in spec.inputs:
        have = rows.get(tensor.name)
        if have is None:
            continue
        if tensor.vocab is None:
            found.append(
                f"input {tensor.name!r}: expected a vocabulary for ids into a table of {have} rows, "
                "found none; hash the feature or give vocab"
            )
        elif tensor.vocab > have:
            found.append(
                f"input {tensor.name!r}: expected ids below the table's {have} rows, found the "
                f"vocabulary {tensor.vocab}; enlarge the table"
            )
    return found
