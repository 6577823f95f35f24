"""Training sets: queries taken from events, their features and labels, split by time, as padded arrays."""

from __future__ import annotations

from stream.trainset.recipe import Recipe
from stream.trainset.training import training_set

__all__ = ["Recipe", "training_set"]
