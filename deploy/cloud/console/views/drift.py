"""How far the features of a release moved from those of its control arm. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy.cloud.console.views.mark import Mark
from deploy.gate.drift import psi

MOST: Final = 12
SMALL, LARGE = 0.1, 0.25  # by the rule of thumb that deploy.gate.drift names

Bins = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Moved:
    """One feature."""

    feature: str
    psi: float
    values: int
    mark: Mark


def moved(treated: Mapping[str, Bins], control: Mapping[str, Bins]) -> list[Moved]:
    """Return the features that moved farthest, the farthest first."""
    both = {name: (treated[name], control[name]) for name in sorted({*treated} & {*control})}
    found = [_moved(name, *bins) for name, bins in both.items()]
    return sorted(found, key=lambda one: -one.psi)[:MOST]


def mark(index: float) -> Mark:
    """Return how far an INDEX of stability is."""
    if index >= LARGE:
        return Mark("moved far", "bad")
    return Mark("moved", "wait") if index >= SMALL else Mark("steady", "good")


def _moved(feature: str, treated: Bins, control: Bins) -> Moved:
    length = max([*treated, *control]) + 1
    ours, theirs = ([bins.get(place, 0) for place in range(length)] for bins in (treated, control))
    index = psi(ours, theirs)
    return Moved(feature, index, sum(ours), mark(index))
