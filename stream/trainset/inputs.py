"""The inputs of a model in the words of a training set, pure data: who knows a contract makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

QUERY, SEQUENCE, CANDIDATE = "query", "sequence", "candidate"


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a model.

    Args:
        name: what its column is called.
        dtype: its numbers', as NumPy calls it.
        kind: query, sequence or candidate.
        sources: columns of features that fill it, "feature" or "feature.item", and how many numbers each
            has: None for a scalar.
        part: of a sequence, "value", "mask" or "length".
        length, side: of a sequence, how many positions, and where it is padded.
        pad: what stands there, and for a null in a list.
        vocab: ids are below it; None: these are no ids.
    """

    name: str
    dtype: str
    kind: str
    sources: Sequence[tuple[str, int | None]]
    part: str = "value"
    length: int = 1
    side: str = "left"
    pad: float = 0
    vocab: int | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """All inputs of a model in their order, which was made for the graph of GRAPH_ID."""

    graph_id: str
    inputs: Sequence[Input]

    def to_json(self) -> dict[str, Any]:
        """Return what a card says of them."""
        return {"graph_id": self.graph_id, "inputs": [asdict(one) for one in self.inputs]}
