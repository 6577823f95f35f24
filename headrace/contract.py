"""A model's contract in the words of a training set: what each input is filled from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import UsageError

if TYPE_CHECKING:
    from inference.contract import TensorSpec
    from stream.trainset.inputs import Input, Inputs


def inputs_of(path: Path) -> Inputs:
    """Return the inputs of the contract in the file at PATH, or in the package in that folder.

    Raises:
        UsageError: there is none. ContractError: it is none.
    """
    from inference import ModelSpec
    from inference.manifest import CONTRACT
    from stream.trainset.inputs import Inputs

    file = path / CONTRACT if path.is_dir() else path
    try:
        text = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"--contract: expected a contract or a package, found nothing to read at {file}; check the path"
        ) from error
    spec = ModelSpec.from_json(text)
    return Inputs(spec.graph_id, [_input(tensor) for tensor in spec.inputs])


def _input(tensor: TensorSpec) -> Input:
    from stream.trainset.inputs import CANDIDATE, QUERY, SEQUENCE, Input

    return Input(
        name=tensor.name,
        dtype=tensor.dtype,
        kind={"sequence": SEQUENCE, "candidate": CANDIDATE}.get(tensor.role, QUERY),
        sources=[(str(source), source.width) for source in tensor.sources],
        part=tensor.part,
        length=tensor.max_len or 1,
        side=tensor.side,
        pad=tensor.pad,
        vocab=tensor.vocab,
    )
