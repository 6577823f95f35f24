"""Values that find faults: few, so that ties and groups occur, and many of them on an edge.

A `World` says where in time a workload plays and how wild its values are; its literals go into graphs, its
raw values into events and requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from featuregraph.types import INT64_MAX, INT64_MIN, Type

SPAN = 60  # units that a workload lasts
UNITS = (1, 1_000, 60_000)  # ms

_INTEGERS = (0, 1, -1, 2, 3, 3, 5, 10, -7)
_HUGE_INTEGERS = (INT64_MAX, INT64_MIN, 2**62, -(2**62), 2**53 + 1, 3_037_000_500)
_FLOATS = (0.0, -0.0, 0.5, -1.5, 0.1, 0.2, 0.3, 2.0, 3.0, 1e16, 1e-9)
_HUGE_FLOATS = (1.7e308, -1.7e308, 5e-324, 1e-200, 2.0**63, 2.0**-76, -(2.0**896))
# "\uffff" and the emoji sort differently by UTF-16 and by UTF-8.
_TEXTS = ("", "a", "b", "b", "A", "é", "\uffff", "\U0001f600", "1", "true", "-0.5", "a\x1fb")
_DECIMALS = ("0", "1", "0.5", "1.5", "2.5", "-0.5", "1.25", "0.005", "0.015", "-3")
_HUGE_DECIMALS = ("9.2", "-9.2", "9.223372036854775807", "1e-18")
# What no type, or hardly one, takes.
_ODD = (
    " 1",
    "1_0",
    "nan",
    "inf",
    "1e400",
    "0x1",
    "٣",
    "+3",
    "1.",
    ".5",
    "1e2",
    "-0",
    "TRUE",
    3.0,
    3.5,
    True,
    10**30,
)


@dataclass(frozen=True, slots=True)
class World:
    """Where a workload plays: BASE ms, then SPAN units of UNIT ms.

    huge: values near the ends of their types occur.
    """

    base: int
    unit: int
    huge: bool

    @staticmethod
    def any(rng: Random) -> World:
        """Return a random world."""
        base = rng.choice((0, 1_700_000_000_000, 1_700_000_000_000, -90_000_000, 1_000_000))
        return World(base, rng.choice(UNITS), rng.random() < 0.25)

    def time(self, rng: Random) -> int:
        """Return a time of this world, often a round one (ms)."""
        return self.base + rng.randrange(SPAN) * self.unit + rng.choice((0, 0, 0, 0, 1, -1))

    def duration(self, rng: Random) -> int:
        """Return the length of a window (ms)."""
        return rng.choice((1, 3, 5, 10, 20, 30, 45, 60)) * self.unit + rng.choice((0, 0, 0, 1))

    def literal(self, rng: Random, type: Type) -> Any:
        """Return a literal of TYPE as GRAPH_JSON writes it; hardly ever null."""
        if rng.random() < (0.2 if type.kind == "boolean" else 0.03):
            return None
        return self.value(rng, type)

    def value(self, rng: Random, type: Type) -> Any:
        """Return a value of TYPE, in a JSON form that every reader takes."""
        huge = self.huge and rng.random() < 0.3
        match type.kind:
            case "int64":
                return rng.choice(_HUGE_INTEGERS if huge else _INTEGERS)
            case "timestamp":
                return rng.choice(_HUGE_INTEGERS) if huge else self.time(rng)
            case "float64":
                return rng.choice(_HUGE_FLOATS if huge else _FLOATS)
            case "boolean":
                return rng.random() < 0.5
            case "decimal":
                return _decimal(rng, type.scale, huge=huge)
            case "vector":
                return [rng.choice(_FLOATS) for _ in range(type.param or 0)]
            case _:
                return rng.choice(_TEXTS)

    def raw(self, rng: Random, type: Type) -> Any:
        """Return what an event or request may bring for TYPE: the value, its text, null, or something odd."""
        chance = rng.random()
        if chance < 0.08:
            return None
        if chance < 0.16:
            return rng.choice(_ODD)
        value = self.value(rng, type)
        if chance < 0.35 and type.kind not in ("vector", "boolean"):
            return str(value)
        return value


def _decimal(rng: Random, scale: int, *, huge: bool) -> str:
    """Return decimal text that fits SCALE; near its end where HUGE."""
    if not huge:
        return rng.choice(_DECIMALS)
    if scale >= 17:
        return rng.choice(_HUGE_DECIMALS)
    return str(rng.choice((1, -1)) * rng.choice((9, 4)) * 10 ** (18 - scale))


def choose(rng: Random, weights: Mapping[Any, float]) -> Any:
    """Return one key of WEIGHTS, as often as its weight says."""
    return rng.choices(list(weights), list(weights.values()))[0]


def some(rng: Random, items: Sequence[Any], least: int = 1) -> list[Any]:
    """Return at least LEAST of ITEMS, in their order."""
    count = rng.randint(least, len(items))
    chosen = set(rng.sample(range(len(items)), count))
    return [item for place, item in enumerate(items) if place in chosen]
