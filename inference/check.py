"""Does this model fit this graph? Every difference as one line; an empty list means yes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from inference.backend import Port
from inference.contract import CANDIDATES, ModelSpec, OutputSpec, TensorSpec
from inference.sources import Column, GraphLike, column, misfit


def graph_differences(spec: ModelSpec, graph: GraphLike) -> list[str]:
    """Return where the contract asks for something that the graph does not give."""
    found = []
    if spec.graph_id != graph.id:
        found.append(
            f"graph: expected id {spec.graph_id[:12]}, found {graph.id[:12]}; package the model with "
            "its graph"
        )
    return found + [
        f"input {t.name!r}: {text}" for t in spec.inputs for text in _tensor_differences(t, graph)
    ]


def _tensor_differences(spec: TensorSpec, graph: GraphLike) -> Iterator[str]:
    for source in spec.sources:
        got = column(graph, source.feature, source.item)
        if isinstance(got, str):
            yield got
            continue
        for text in _source_differences(spec, got):
            yield f"feature {str(source)!r}: {text}"
        if got.source.id != source.id:
            yield (
                f"feature {str(source)!r}: expected the meaning {source.id[:12]}, found "
                f"{got.source.id[:12]}; "
                "train again or restore the feature"
            )


def _source_differences(spec: TensorSpec, got: Column) -> Iterator[str]:
    """Yield what keeps one source out of its tensor."""
    role = "candidate" if got.per_candidate else "sequence" if got.listed is not None else "user or dense"
    if spec.role not in role:
        yield f"expected the role {role}, found {spec.role}; bind it as what it is"
        return
    if spec.part != "value":
        return
    if got.source.width != next(s.width for s in spec.sources if str(s) == str(got.source)):
        yield f"expected the width of {got.type}, found another; derive the contract from the graph"
    if (text := misfit(got, spec.datatype)) is not None:
        yield text
    if got.nullable:
        yield "expected a value that is never null, found a nullable one; give it fill(...) in the graph"
    if spec.hash != got.hash and (spec.hash is not None or len(spec.sources) == 1):
        yield (
            f"expected {_hash(spec)}, found {got.hash or 'no hash'} in the graph; train with the graph's hash"
        )
    bound = got.ids_below
    if spec.vocab is not None and bound is not None and bound > spec.vocab:
        yield (
            f"expected ids below the vocabulary {spec.vocab}, found ids up to {bound - 1}; enlarge the "
            "table or hash into fewer buckets"
        )
    if got.ranked and got.listed is not None and spec.max_len is not None and spec.max_len < got.listed:
        yield (
            f"expected max_len >= k = {got.listed} (the best come first), found {spec.max_len}; ask for a "
            "smaller k"
        )


def _hash(spec: TensorSpec) -> str:
    return str(spec.hash) if spec.hash else "no hash"


def port_differences(spec: ModelSpec, inputs: Sequence[Port], outputs: Sequence[Port]) -> list[str]:
    """Return where the contract and the model file's real inputs and outputs differ."""
    tied = {
        p.shape[0] for p in inputs if p.name in _candidates(spec) and p.shape and isinstance(p.shape[0], str)
    }
    found = list(_pairs("input", {s.name: s for s in spec.inputs}, inputs, tied))
    given = {p.name for p in outputs}
    wanted = {s.name: s for s in spec.outputs}
    found += list(_pairs("output", wanted, [p for p in outputs if p.name in wanted], set()))
    return found + (
        [] if given else ["output: expected at least one, found none; export the model with an output"]
    )


def _candidates(spec: ModelSpec) -> set[str]:
    return {s.name for s in spec.inputs if s.role == "candidate"}


def _pairs(
    what: str,
    specs: Mapping[str, TensorSpec | OutputSpec],
    ports: Iterable[Port],
    tied: Collection[int | str],
) -> Iterator[str]:
    by_name = {port.name: port for port in ports}
    for name in by_name.keys() - specs.keys():
        yield (
            f"{what} {name!r}: the model asks for it ({by_name[name]}), no graph output is bound to it; "
            "bind a feature"
        )
    for name in sorted(specs.keys() - by_name.keys()):
        yield f"{what} {name!r}: the contract has it, the model has not; drop it or export the model again"
    for name in sorted(specs.keys() & by_name.keys()):
        spec, port = specs[name], by_name[name]
        if spec.datatype != port.datatype:
            yield (
                f"{what} {name!r}: expected {port.datatype} as in the model, found {spec.datatype}; bind it "
                "with that datatype"
            )
        yield from (f"{what} {name!r}: {text}" for text in _dim_differences(spec.shape, port, tied))


def _dim_differences(shape: Sequence[int | str], port: Port, tied: Collection[int | str]) -> Iterator[str]:
    """Yield where a shape and the model's differ; a name or -1 in the model stands for any size."""
    if len(shape) != len(port.shape):
        yield (
            f"expected rank {len(port.shape)} {list(port.shape)}, found rank {len(shape)} {list(shape)}; "
            "export the model with that rank"
        )
        return
    for axis, (have, want) in enumerate(zip(shape, port.shape, strict=True)):
        free = isinstance(want, str) or want < 0
        if have == CANDIDATES and not free:
            yield (
                f"expected {want} on axis {axis}, found any number of candidates; export that axis as dynamic"
            )
        elif isinstance(have, int) and not free and have != want:
            yield f"expected {want} on axis {axis}, found {have}; change max_len or the sources"
        elif isinstance(have, int) and want in tied:
            yield (
                f"expected the candidate axis {want!r} on axis {axis}, found the query's {have}; "
                "export the user side with batch 1 and broadcast inside the model"
            )


def unused_differences(spec: ModelSpec, graph: GraphLike, unused: Iterable[str]) -> list[str]:
    """Return the features that fill no input and are not excused by UNUSED."""
    bound = {source.feature for tensor in spec.inputs for source in tensor.sources}
    return [
        f"feature {name!r}: it fills no input; bind it, drop it from the graph, or name it in unused="
        for name in sorted(set(graph.features) - bound - set(unused))
    ]
