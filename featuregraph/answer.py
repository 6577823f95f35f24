"""What an executor says at one query: an answer, or that a value lies outside its type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from featuregraph.errors import FeatureOverflowError


class Answered(Protocol):
    """An answer; those of the reference and feature vectors are such."""

    @property
    def values(self) -> Mapping[str, object]:
        """Return the public value of each feature."""
        ...

    @property
    def partial(self) -> Sequence[str]:
        """Return the names of the partial features (SEMANTICS 3.5)."""
        ...


Outcome = Answered | FeatureOverflowError
