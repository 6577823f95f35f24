"""The contract between a graph and a model: tensors in Open Inference Protocol words, plus what they mean.

A tensor's `name`, `datatype` and `shape` are the protocol's. The rest says where its numbers come from:

role        filled from                       shape
user        one id or flag per query          [], [1] or [1, 1]
dense       numbers of the query, stacked     [W] or [1, W]
sequence    a list, padded to `max_len`       [L] or [1, L]
candidate   one value per candidate, stacked  ["C"], ["C", W]; a number for "C": a fixed chunk

W is the width: 1 for a scalar, n for a vector(n), added up. Row 0 of every table is padding / unknown.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from featuregraph.types import INT64_MAX
from inference import limits
from inference.errors import ContractError, one_line

FORMAT: Final = 1
CANDIDATES = "C"  # the name of the axis that counts candidates

T = TypeVar("T")
Datatype = Literal["BOOL", "INT32", "INT64", "FP16", "FP32", "FP64"]
Role = Literal["user", "sequence", "candidate", "dense"]
Part = Literal["value", "mask", "length"]

DATATYPES: tuple[Datatype, ...] = ("BOOL", "INT32", "INT64", "FP16", "FP32", "FP64")
NUMPY = {
    "BOOL": "bool",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}
INTEGERS = frozenset({"INT32", "INT64"})
FLOATS = frozenset({"FP16", "FP32", "FP64"})

Name = Annotated[str, Meta(min_length=1, max_length=limits.MAX_NAME)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Dim = Annotated[int, Meta(ge=-1, le=limits.MAX_ELEMENTS)] | Name
Shape = Annotated[tuple[Dim, ...], Meta(max_length=limits.MAX_RANK)]


class HashSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How ids were hashed (SEMANTICS 5.4)."""

    buckets: Annotated[int, Meta(ge=2)]
    seed: Annotated[int, Meta(ge=0)] = 0


class Source(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One feature, or one item of a sequence feature, that fills a tensor or some of its columns."""

    feature: Name
    id: Sha256  # of the feature's meaning
    item: Name | None = None
    width: Annotated[int, Meta(ge=1, le=65_536)] | None = None  # n of a vector(n); None for a scalar

    def __str__(self) -> str:
        return self.feature if self.item is None else f"{self.feature}.{self.item}"


class TensorSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One input of a model."""

    name: Name
    datatype: Datatype
    shape: Shape
    role: Role
    sources: Annotated[tuple[Source, ...], Meta(min_length=1, max_length=limits.MAX_SOURCES)]
    vocab: Annotated[int, Meta(ge=1, le=INT64_MAX)] | None = None  # ids are 0 <= id < vocab
    hash: HashSpec | None = None
    pad: int | float = 0
    side: Literal["left", "right"] = "left"  # left: the newest stands at the right end
    max_len: Annotated[int, Meta(ge=1, le=limits.MAX_LENGTH)] | None = None
    mask: Name | None = None  # the input that says which positions of this sequence are real
    length: Name | None = None  # the input that says how many are
    part: Part = "value"

    def __post_init__(self) -> None:
        if problem := _tensor_problem(self):
            raise ContractError(f"tensor {self.name!r}: {problem}")

    @property
    def width(self) -> int:
        """Return the numbers per candidate or query: the sources' widths added up."""
        return sum(source.width or 1 for source in self.sources)

    @property
    def dtype(self) -> str:
        """Return numpy's name of the datatype."""
        return NUMPY[self.datatype]


class OutputSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One output of a model; "score" ranks candidates."""

    name: Name
    datatype: Datatype
    shape: Shape
    role: Literal["score", "value"] = "value"

    def __post_init__(self) -> None:
        if any(
            dim == -1 or (isinstance(dim, str) and (axis or dim != CANDIDATES))
            for axis, dim in enumerate(self.shape)
        ):
            raise ContractError(
                f"output {self.name!r}: expected a shape of whole numbers, {CANDIDATES!r} allowed "
                f"first, found {list(self.shape)}; "
                "give the exported model fixed dimensions"
            )

    @property
    def dtype(self) -> str:
        """Return numpy's name of the datatype."""
        return NUMPY[self.datatype]


class ModelSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """All that a model expects and gives, and the graph that it was trained on."""

    graph_id: Sha256
    inputs: Annotated[tuple[TensorSpec, ...], Meta(min_length=1, max_length=limits.MAX_INPUTS)]
    outputs: Annotated[tuple[OutputSpec, ...], Meta(min_length=1, max_length=limits.MAX_OUTPUTS)]
    format: Literal[1] = FORMAT
    meta: dict[
        Name, Annotated[str, Meta(max_length=limits.MAX_TEXT)]
    ] = {}  # for people: licence, notes; no part of the schema

    def __post_init__(self) -> None:
        if problem := _model_problem(self):
            raise ContractError(f"contract: {problem}")

    @property
    def schema_sha256(self) -> str:
        """Return the SHA-256 of the contract's canonical JSON without `meta`."""
        return hashlib.sha256(encode(msgspec.structs.replace(self, meta={}))).hexdigest()

    @property
    def ranks(self) -> bool:
        """Tell whether the model takes candidates."""
        return any(spec.role == "candidate" for spec in self.inputs)

    @property
    def chunk(self) -> int | None:
        """Return the one number of candidates that a model of fixed shape takes, None if it takes any."""
        fixed = {spec.shape[0] for spec in self.inputs if spec.role == "candidate"}
        return next((dim for dim in fixed if isinstance(dim, int) and dim > 0), None)

    @property
    def score(self) -> OutputSpec | None:
        """Return the output that ranks, if one does."""
        return next((spec for spec in self.outputs if spec.role == "score"), None)

    def input(self, name: str) -> TensorSpec:
        """Return the input NAME; raise KeyError if there is none."""
        for spec in self.inputs:
            if spec.name == name:
                return spec
        raise KeyError(name)

    def to_json(self) -> bytes:
        """Return the canonical JSON: sorted keys, no spaces, UTF-8, a tensor's defaults left out."""
        return encode(self)

    @staticmethod
    def from_json(text: bytes | str) -> ModelSpec:
        """Return the contract in TEXT; raise ContractError if it is none."""
        return decode(text, ModelSpec, "contract", limits.DEFAULT.contract)

    def metadata(self) -> dict[str, Any]:
        """Return the tensors in the words of the Open Inference Protocol: -1 for a named dimension."""

        def tensor(spec: TensorSpec | OutputSpec) -> dict[str, Any]:
            shape = [-1 if isinstance(dim, str) else dim for dim in spec.shape]
            return {"name": spec.name, "datatype": spec.datatype, "shape": shape}

        return {"inputs": [tensor(s) for s in self.inputs], "outputs": [tensor(s) for s in self.outputs]}


def encode(value: object) -> bytes:
    """Return VALUE as canonical JSON."""
    return msgspec.json.encode(value, order="sorted")


def decode(text: bytes | str, kind: type[T], what: str, limit: int) -> T:
    """Return the KIND that JSON TEXT holds, within LIMIT bytes; raise ContractError otherwise."""
    if len(text) > limit:
        raise ContractError(f"{what}: expected at most {limit} bytes, found {len(text)}; package it again")
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ContractError(
            f"{what}: expected JSON of format {FORMAT}, found: {one_line(error)}; package it again"
        ) from error


def _tensor_problem(spec: TensorSpec) -> str | None:
    """Return what is wrong inside one tensor's description, None if nothing is."""
    if spec.shape != (found := _shape(spec)):
        return (
            f"expected the shape {list(found)} for its role and sources, found {list(spec.shape)}; derive "
            "it from the graph"
        )
    if math.prod(dim for dim in spec.shape if isinstance(dim, int)) > limits.MAX_ELEMENTS:
        return (
            f"expected at most {limits.MAX_ELEMENTS} elements, found the shape {list(spec.shape)}; make it "
            "smaller"
        )
    if (spec.role == "sequence") != (spec.max_len is not None):
        return (
            f"expected max_len exactly for a sequence, found {spec.max_len} for role {spec.role}; correct it"
        )
    if spec.vocab is not None and (spec.datatype not in INTEGERS or spec.part != "value"):
        return (
            f"expected a vocabulary for integer ids only, found one for {spec.datatype}; drop it or bind "
            "ids as INT64"
        )
    if spec.vocab is not None and not 0 <= spec.pad < spec.vocab:
        return f"expected 0 <= pad < {spec.vocab}, found pad {spec.pad}; row 0 is padding"
    if spec.datatype not in FLOATS and not isinstance(spec.pad, int):
        return f"expected a whole number as pad of {spec.datatype}, found {spec.pad}; correct it"
    if spec.role != "sequence" and (spec.mask or spec.length or spec.part != "value" or spec.side != "left"):
        return "expected mask, length and side for a sequence only; drop them"
    return None


def _shape(spec: TensorSpec) -> tuple[int | str, ...]:
    """Return the shape that SPEC must have, of the rank and with the candidate axis that it has."""
    rank = len(spec.shape)
    if spec.role == "candidate":
        first = spec.shape[0] if spec.shape and spec.shape[0] not in (-1, 0) else CANDIDATES
        first = first if isinstance(first, int) else CANDIDATES
        return (first,) if rank < 2 and spec.width == 1 and not _is_vector(spec) else (first, spec.width)
    size = spec.width
    if spec.role == "sequence":
        size = 1 if spec.part == "length" else spec.max_len or 1
    if size == 1 and rank == 0 and not (spec.role == "sequence" and spec.part != "length"):
        return ()
    return (*(1,) * (min(rank, limits.MAX_RANK) - 1), size)


def _is_vector(spec: TensorSpec) -> bool:
    return any(source.width is not None for source in spec.sources)


def _model_problem(spec: ModelSpec) -> str | None:
    """Return what is wrong between the tensors of a contract, None if nothing is."""
    names = Counter([s.name for s in spec.inputs])
    if twice := [name for name, count in names.items() if count > 1]:
        return f"expected one input of each name, found {twice[0]!r} twice; rename one"
    if len({s.name for s in spec.outputs}) < len(spec.outputs):
        return "expected one output of each name, found one twice; rename one"
    if sum(s.role == "score" for s in spec.outputs) > 1:
        return "expected at most one output of role score, found more; choose one"
    chunks = {s.shape[0] for s in spec.inputs if s.role == "candidate"}
    if len(chunks) > 1:
        return (
            f"expected one size of the candidate axis, found {sorted(map(str, chunks))}; export the model "
            "with one"
        )
    named = Counter(n for s in spec.inputs for n in (s.mask, s.length) if n is not None)
    parts = {s.name: s for s in spec.inputs if s.part != "value"}
    if set(named) != set(parts) or any(count > 1 for count in named.values()):
        odd = sorted(set(named) ^ set(parts)) or sorted(n for n, count in named.items() if count > 1)
        return (
            f"expected each mask and length to belong to one sequence, found {odd[0]!r}; name it in one "
            "sequence"
        )
    for owner in spec.inputs:
        for part, name in (("mask", owner.mask), ("length", owner.length)):
            if name is not None and not _belongs(parts[name], owner, part):
                return (
                    f"expected {name!r} as the {part} of {owner.name!r}, found another description; derive "
                    "it from the graph"
                )
    return None


def _belongs(part: TensorSpec, owner: TensorSpec, kind: str) -> bool:
    same = (part.sources, part.max_len, part.side) == (owner.sources, owner.max_len, owner.side)
    return part.part == kind and same
