"""How far the values of features moved from those of training: the population stability index. Pure.

PSI(found, trained) is the sum over bins of (p - q) ln(p / q), which is the divergence of Jeffreys (1946). By
the rule of thumb of credit scoring (Lewis 1994, Siddiqi 2006) 0.1 is a small move and 0.25 a large one. Empty
bins are met by half a count in each.

Where nothing moved, PSI times n is about a chi-square of bins - 1 degrees (Yurdakul 2018), n the values that
are independent. Values of one device are not: n is the number of devices, which is the worst case. What a
chi-square exceeds is bounded by Laurent and Massart (2000, lemma 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt
from typing import Final

_HALF: Final = 0.5


def psi(found: Sequence[int], trained: Sequence[int]) -> float:
    """Return the index of counts FOUND by bin against those of training; raise ValueError if bins differ."""
    if len(found) != len(trained):
        raise ValueError(f"expected {len(trained)} bins, found {len(found)}; count by the bundle's bins")
    bins = len(trained)
    all_found, all_trained = sum(found) + _HALF * bins, sum(trained) + _HALF * bins
    index = 0.0
    for one, other in zip(found, trained, strict=True):
        p, q = (one + _HALF) / all_found, (other + _HALF) / all_trained
        index += (p - q) * log(p / q)
    return index


def noise(bins: int, devices: int, alpha: float) -> float:
    """Return what PSI exceeds by chance alone in at most a share ALPHA of looks, with values of DEVICES."""
    degrees, nats = bins - 1, -log(alpha)
    return (degrees + 2 * sqrt(degrees * nats) + 2 * nats) / max(devices, 1)
