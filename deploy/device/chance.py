"""Chance that can be told again: the Nth draw of a seed (SplitMix64; Steele, Lea, Flood 2014). Pure."""

from __future__ import annotations

from typing import Final

_MASK: Final = (1 << 64) - 1
_GAMMA: Final = 0x9E3779B97F4A7C15


def fraction(seed: int, number: int) -> float:
    """Return the draw NUMBER of SEED, evenly from [0, 1)."""
    z = (seed + number * _GAMMA) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) / (1 << 53)
