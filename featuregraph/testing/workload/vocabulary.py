"""The events of an app: 250 types by Zipf's law, with 4 to 160 attributes each, of which models use a few.

Only operations that every machine does alike are used: integers, the four operations of IEEE arithmetic, and
the package's own exp2. A library's logarithm may differ in the last bit from one machine to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from random import Random
from typing import Any

from featuregraph.scalar.transcendental import exp2

TYPES = 250
FEWEST, MOST = 4, 160  # attributes of a type
# Attribute counts are lognormal: half the types have over 25, a quarter over 85; log2(85 / 25) / 0.6745.
_MEDIAN, _SPREAD = 25, 2.6177

# The commonest types of an app of short videos, by frequency; the others have numbers for names.
_KNOWN = (
    "play_time", "video_play", "show", "page_show", "homepage_slide_up", "play_session", "live_show",
    "trending_words_show", "video_finish", "click_comment", "video_stop", "stay", "like", "live_window_show",
    "show_product", "search", "share", "post_comment", "enter_homepage", "click_product", "follow",
    "favourite", "close", "dislike",
)  # fmt: skip

# What attribute number i holds is KINDS[i % 4], in every type, so that a union of types may use it.
KINDS: tuple[str, ...] = ("int64", "float64", "identifier", "category")
VALUES: Mapping[str, Callable[[Random], int | float | str]] = {
    "int64": lambda rng: int(rng.random() * 10_000),
    "float64": lambda rng: round(rng.random(), 6),
    "identifier": lambda rng: f"{rng.getrandbits(32):08x}",
    "category": lambda rng: f"c{rng.getrandbits(3)}",
}


def attribute(number: int) -> str:
    """Return the name of attribute NUMBER."""
    return f"attribute_{number:03}"


def kind(name: str) -> str:
    """Return what the attribute NAME holds."""
    return KINDS[int(name.removeprefix("attribute_")) % len(KINDS)]


@dataclass(frozen=True)
class EventType:
    """One of the app's events: its share of all of them, and how many attributes it carries."""

    name: str
    share: float
    attributes: int

    @cached_property
    def _made(self) -> list[tuple[str, Callable[[Random], int | float | str]]]:
        return [(attribute(i), VALUES[KINDS[i % len(KINDS)]]) for i in range(self.attributes)]

    def event(self, rng: Random, ts_ms: int) -> dict[str, Any]:
        """Return an event of this type, none of its attributes missing."""
        return {"event": self.name, "ts_ms": ts_ms, "attrs": {name: make(rng) for name, make in self._made}}


def vocabulary(seed: int) -> tuple[EventType, ...]:
    """Return the app's types, commonest first: type number r has a share in proportion to 1 / r."""
    rng = Random(f"vocabulary {seed}")
    names = [*_KNOWN, *(f"type_{number:03}" for number in range(len(_KNOWN), TYPES))]
    weights = [1 / rank for rank in range(1, TYPES + 1)]
    total = list(accumulate(weights))[-1]
    return tuple(
        EventType(name, weight / total, _attributes(rng)) for name, weight in zip(names, weights, strict=True)
    )


def _attributes(rng: Random) -> int:
    # A sum of twelve uniforms is nearly normal, and made of additions alone: sum() compensates since 3.12.
    *_, total = accumulate(rng.random() for _ in range(12))
    normal = total - 6.0
    return min(max(round(_MEDIAN * exp2(_SPREAD * normal)), FEWEST), MOST)
