"""Golden examples: feature values with the outputs that a model must give; run at packaging and at load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta, Struct

from featuregraph.graph import Graph
from featuregraph.types import AnyType, ListType, RecordType, Type
from featuregraph.vector import FeatureVector
from inference.backend import Array
from inference.contract import ModelSpec, Name
from inference.errors import InferenceError, PackageError
from inference.limits import DEFAULT
from inference.session import Model, Session

LEAST_CASES = 3  # such as: no history, some, a full one


class GoldenCase(Struct, frozen=True, forbid_unknown_fields=True):
    """One vector's bound features (decimals as text, as in GRAPH_JSON) and the expected outputs."""

    features: dict[Name, Any]
    outputs: dict[Name, Any]


class Golden(Struct, frozen=True, forbid_unknown_fields=True):
    """The cases of a package; a value passes within absolute + relative x |expected|."""

    cases: Annotated[tuple[GoldenCase, ...], Meta(min_length=LEAST_CASES, max_length=DEFAULT.golden_cases)]
    absolute: Annotated[float, Meta(ge=0)] = 1e-5
    relative: Annotated[float, Meta(ge=0)] = 1e-4
    format: Literal[1] = 1


def features_of(spec: ModelSpec, values: Mapping[str, object]) -> dict[str, Any]:
    """Return the JSON form of the values that SPEC binds; KeyError if one is missing."""
    names = sorted({source.feature for tensor in spec.inputs for source in tensor.sources})
    return {name: _written(values[name]) for name in names}


def check(model: Model, golden: Golden) -> None:
    """Run every case; raise PackageError for the first output that differs."""
    session = Session(model)
    for at, case in enumerate(golden.cases):
        try:
            found = session.run(vector_of(model.graph, case.features)).outputs
        except InferenceError as error:
            raise PackageError(f"golden example {at}: expected outputs, found an error: {error}") from error
        if missing := sorted(set(found) ^ set(case.outputs)):
            raise PackageError(
                f"golden example {at}: expected the outputs {sorted(case.outputs)}, {missing[0]!r} is "
                "odd; package again"
            )
        for name, expected in case.outputs.items():
            _compare(f"golden example {at}, output {name!r}", found[name], expected, golden)


def vector_of(graph: Graph, features: Mapping[str, Any]) -> FeatureVector:
    """Return the vector that a case's JSON values stand for."""
    values = {
        name: _read(graph.features[name].type, value)
        for name, value in features.items()
        if name in graph.features
    }
    return FeatureVector(values=values, graph_id=graph.id, at_ms=0)


def worst_difference(left: Mapping[str, Array], right: Mapping[str, Array]) -> float:
    """Return the largest absolute difference between two sets of outputs of the same shapes."""
    return max((float(np.max(np.abs(left[n] - right[n]), initial=0.0)) for n in left), default=0.0)


def _compare(where: str, found: Array, expected: object, golden: Golden) -> None:
    try:
        wanted = np.asarray(expected, np.float64)
    except (TypeError, ValueError) as error:
        raise PackageError(f"{where}: expected numbers, found {expected!r:.60}; package again") from error
    if wanted.size == 0 and found.size == 0:
        return
    if wanted.shape != found.shape:
        raise PackageError(
            f"{where}: expected the shape {list(wanted.shape)}, found {list(found.shape)}; package again"
        )
    off = np.abs(found.astype(np.float64) - wanted)
    bad = ~(off <= golden.absolute + golden.relative * np.abs(wanted))
    if bad.any():
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
        raise PackageError(
            f"{where}{list(at)}: expected {wanted[at]:.9g} within {golden.absolute:g} + "
            f"{golden.relative:g} of it, found "
            f"{found[at]:.9g}; the runtime or the file differs from the one that was packaged"
        )


def _written(value: object) -> Any:
    """Return VALUE as JSON can hold it."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return {name: _written(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_written(inner) for inner in value]
    return value


def _read(kind: AnyType, value: Any) -> object:
    """Return the public value that JSON VALUE stands for; only decimals look different in JSON."""
    if isinstance(kind, RecordType) and isinstance(value, dict):
        types = dict(kind.items)
        return {name: _read(types[name], inner) for name, inner in value.items() if name in types}
    item = kind.item if isinstance(kind, ListType) else kind
    if isinstance(item, Type) and item.kind == "decimal":
        return _decimals(value)
    return value


def _decimals(value: Any) -> object:
    if isinstance(value, list):
        return [_decimals(inner) for inner in value]
    if not isinstance(value, str):
        return value
    try:
        return Decimal(value)
    except InvalidOperation as error:
        raise PackageError(
            f"golden example: expected a decimal as text, found {value!r:.40}; package again"
        ) from error


def outputs_json(outputs: Mapping[str, Array]) -> dict[str, Any]:
    """Return outputs as JSON can hold them."""
    return {name: array.tolist() for name, array in outputs.items()}


def cases_of(
    spec: ModelSpec, vectors: Iterable[Mapping[str, object]], outputs: Iterable[Mapping[str, Array]]
) -> tuple[GoldenCase, ...]:
    """Return the cases that VECTORS and their OUTPUTS make."""
    return tuple(
        GoldenCase(features_of(spec, values), outputs_json(found))
        for values, found in zip(vectors, outputs, strict=True)
    )
