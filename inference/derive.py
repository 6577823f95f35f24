"""From a few words per model input to full tensor descriptions: the graph and the model file say the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from featuregraph.types import INT64, TIMESTAMP
from inference.backend import Port
from inference.contract import (
    CANDIDATES,
    DATATYPES,
    INTEGERS,
    Datatype,
    HashSpec,
    ModelSpec,
    OutputSpec,
    Role,
    TensorSpec,
)
from inference.errors import ContractError, PackagingError
from inference.sources import Column, GraphLike, resolve

Shape = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """One model input in the user's words; what is left out comes from the graph and the model file.

    `source` is "feature", "feature.item", or several of them, stacked as columns; default the input's name.
    `mask` and `length` name the model inputs that say which positions of a list are real, and how many.
    """

    name: str
    source: str | Sequence[str] | None = None
    pad: int | float = 0
    side: Literal["left", "right"] = "left"
    max_len: int | None = None
    vocab: int | None = None
    hash: HashSpec | None = None
    mask: str | None = None
    length: str | None = None
    datatype: Datatype | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the sources as texts."""
        if self.source is None:
            return (self.name,)
        return (self.source,) if isinstance(self.source, str) else tuple(self.source)


def tensors(graph: GraphLike, inputs: Iterable[Input | TensorSpec]) -> tuple[TensorSpec, ...]:
    """Return the tensors that INPUTS describe, for a model that does not exist yet: what to train on.

    Raises:
        PackagingError: an input names no feature, or one that no tensor can hold; .differences lists them.
    """
    found, wrong = derive(graph, inputs, None)
    if wrong:
        raise PackagingError("expected inputs that the graph can fill", wrong)
    return found


def derive(
    graph: GraphLike, inputs: Iterable[Input | TensorSpec], ports: Mapping[str, Port] | None
) -> tuple[tuple[TensorSpec, ...], list[str]]:
    """Return a description per tensor, and what stands in the way of it; PORTS: the model file's inputs."""
    specs: list[TensorSpec] = []
    wrong: list[str] = []
    for each in inputs:
        if isinstance(each, TensorSpec):
            specs.append(each)
            continue
        columns = [resolve(graph, text) for text in each.sources]
        problems = [c for c in columns if isinstance(c, str)]
        good = [c for c in columns if isinstance(c, Column)]
        if not problems:
            problems = _mixed(good)
        try:
            if not problems:
                specs.extend(_specs(each, good, ports))
        except ContractError as error:
            problems = [str(error).removeprefix(f"tensor {each.name!r}: ")]
        wrong += [f"input {each.name!r}: {problem}" for problem in problems]
    return tuple(specs), wrong


def _mixed(columns: Sequence[Column]) -> list[str]:
    if not columns:
        return ["expected at least one source, found none; name a feature"]
    if len(columns) > 1 and any(c.listed is not None for c in columns):
        return ["expected one list per input, found several sources; give each list an input of its own"]
    if len({c.per_candidate for c in columns}) > 1:
        return [
            "expected values per query or per candidate, found both; give the latter an input of their own"
        ]
    return []


def _specs(words: Input, columns: Sequence[Column], ports: Mapping[str, Port] | None) -> list[TensorSpec]:
    """Return the tensor that WORDS describe, then its mask and its length if it has them."""
    port = (ports or {}).get(words.name)
    datatype = words.datatype or _datatype(columns, port)
    first = columns[0]
    single = first if len(columns) == 1 else None
    role = _role(first, datatype, single)
    max_len = None
    if first.listed is not None:
        max_len = words.max_len or _static_length(port) or first.listed
    elif words.max_len is not None:
        raise ContractError(
            f"expected max_len for a list only, found {words.max_len} for {first.type}; drop it"
        )
    vocab = words.vocab
    if vocab is None and single is not None and datatype in INTEGERS:
        vocab = single.ids_below
    spec = TensorSpec(
        name=words.name,
        datatype=datatype,
        shape=_shape(role, port, columns, max_len),
        role=role,
        sources=tuple(c.source for c in columns),
        vocab=vocab,
        hash=words.hash or (single.hash if single else None),
        pad=words.pad,
        side=words.side,
        max_len=max_len,
        mask=words.mask,
        length=words.length,
    )
    found = [spec]
    for part, name in (("mask", words.mask), ("length", words.length)):
        if name is not None:
            found.append(_part(cast("Literal['mask', 'length']", part), name, spec, (ports or {}).get(name)))
    return found


def _part(part: Literal["mask", "length"], name: str, of: TensorSpec, port: Port | None) -> TensorSpec:
    natural: Datatype = "FP32" if part == "mask" else "INT64"
    size = of.max_len or 1 if part == "mask" else 1
    rank = len(port.shape) if port else len(of.shape) if part == "mask" else 1
    shape: Shape = () if rank == 0 and part == "length" else (*(1,) * (rank - 1), size)
    return TensorSpec(
        name=name,
        datatype=_known(port) or natural,
        shape=shape,
        role="sequence",
        sources=of.sources,
        side=of.side,
        max_len=of.max_len,
        part=part,
    )


def _known(port: Port | None) -> Datatype | None:
    return next((d for d in DATATYPES if port is not None and d == port.datatype), None)


def _datatype(columns: Sequence[Column], port: Port | None) -> Datatype:
    if (known := _known(port)) is not None:
        return known
    if len(columns) == 1:
        type = columns[0].type
        if type is TIMESTAMP or (type is INT64 and columns[0].ids_below is not None):
            return "INT64"
    return "FP32"


def _role(first: Column, datatype: Datatype, single: Column | None) -> Role:
    if first.per_candidate:
        return "candidate"
    if first.listed is not None:
        return "sequence"
    return "user" if single is not None and datatype in (*INTEGERS, "BOOL") else "dense"


def _static_length(port: Port | None) -> int | None:
    last = port.shape[-1] if port is not None and port.shape else None
    return last if isinstance(last, int) and last > 0 else None


def _shape(role: Role, port: Port | None, columns: Sequence[Column], max_len: int | None) -> Shape:
    """Return the shape of the model file's rank that the sources fill."""
    width = sum(c.source.width or 1 for c in columns)
    plain = width == 1 and columns[0].source.width is None
    if role == "candidate":
        first = port.shape[0] if port is not None and port.shape else CANDIDATES
        first = first if isinstance(first, int) and first > 0 else CANDIDATES
        flat = plain and (port is None or len(port.shape) < 2)
        return (first,) if flat else (first, width)
    size = max_len if role == "sequence" and max_len is not None else width
    rank = len(port.shape) if port is not None else 2 if role == "sequence" else 1
    if rank == 0 and plain and role != "sequence":
        return ()
    return (*(1,) * (min(max(rank, 1), 4) - 1), size)


def assemble(
    graph: GraphLike, inputs: tuple[TensorSpec, ...], outputs: tuple[OutputSpec, ...], meta: Mapping[str, str]
) -> ModelSpec:
    """Return the contract; raise ContractError if the parts do not fit together."""
    return ModelSpec(graph_id=graph.id, inputs=inputs, outputs=outputs, meta=dict(meta))
