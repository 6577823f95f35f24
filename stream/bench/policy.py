"""Which events' columns stay in memory under a budget: pure, on what each is worth and weighs.

1. Worth: the rows that the next request needs again, times what it costs to retrieve and decode one.
2. Greedy takes the most worth per byte first, skips what no longer fits and goes on. By density alone it may
   be arbitrarily bad; the better of its choice and the best single offer is at least half of the best.
3. Random takes offers in a fixed random order, as long as they fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple


class Offer(NamedTuple):
    """What keeping one event's columns saves, in any unit, and what it costs in bytes."""

    worth: float
    bytes: int


Policy = Callable[[Mapping[str, Offer], int], frozenset[str]]


def greedy(offers: Mapping[str, Offer], budget: int) -> frozenset[str]:
    """Return the events to keep, by worth per byte."""
    ranked = sorted(offers, key=lambda name: offers[name].worth / max(offers[name].bytes, 1), reverse=True)
    chosen = _fitting(ranked, offers, budget)
    single = max(
        (name for name in offers if offers[name].bytes <= budget),
        key=lambda name: offers[name].worth,
        default=None,
    )
    if single is not None and offers[single].worth > sum(offers[name].worth for name in chosen):
        return frozenset((single,))
    return chosen


def shuffled(seed: int) -> Policy:
    """Return the policy that keeps events in an order that SEED decides."""

    def policy(offers: Mapping[str, Offer], budget: int) -> frozenset[str]:
        ranked = sorted(offers)
        Random(seed).shuffle(ranked)
        return _fitting(ranked, offers, budget)

    return policy


def _fitting(ranked: list[str], offers: Mapping[str, Offer], budget: int) -> frozenset[str]:
    chosen, left = [], budget
    for name in ranked:
        if offers[name].bytes <= left:
            chosen.append(name)
            left -= offers[name].bytes
    return frozenset(chosen)
