"""The bounds on what a log takes from outside, and on what it keeps as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from featuregraph.shown import shown
from stream.blocks.sealing import SEALING, Sealing
from stream.errors import ArgumentError

KIB = 1024
MIB = 1024 * KIB
# The least values of bounds below which no event can be taken; that of the others is 0.
_LEAST: Final[Mapping[str, int]] = {
    "max_event_bytes": 1,
    "max_text": 1,
    "max_line_bytes": 1,
    "cached_texts": 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one log; an event beyond one of them is refused with EventError.

    Raises:
        ArgumentError: a bound is no int, or below its least value.
    """

    max_event_bytes: int = MIB  # of an event's fields, as JSON in UTF-8
    max_attrs: int = 4_096  # fields of one event
    max_text: int = 4 * KIB  # characters of an event's name, key, ids and field names
    max_line_bytes: int = 16 * MIB  # of one line of a JSON lines or CSV file
    max_quarantined: int = 1_000  # events kept apart (SEMANTICS 1.5): the oldest go first
    max_quarantined_bytes: int = 8 * MIB  # and their size together
    max_served: int = 10_000  # answers kept with record=True: the oldest go first
    max_served_bytes: int = 16 * MIB  # and their size together, with that of their plans
    max_served_each: int = MIB  # of one answer: a larger one is given, and not kept
    max_handed_over: int = 100_000  # events of other processes that wait for the writer
    max_counted: int = 256  # names, of unparsable or undeclared fields, that are counted one by one
    max_snapshot_bytes: int = 8 * MIB  # of the states of one key; larger ones are not kept in the file
    cached_texts: int = 65_536  # keys and names held in memory
    cache_bytes: int = 4 * MIB  # pages of the file held in memory; more makes scans of long histories faster
    max_log_bytes: int | None = None  # of the file: the oldest events go when blocks make it larger
    free_bytes: int = 128 * KIB  # of the file, kept for the next rows when others were sealed
    busy_ms: int = 5_000  # to wait for another process that holds the file for a moment
    sealing: Sealing = SEALING  # when rows become blocks

    def __post_init__(self) -> None:
        """Refuse a bound that is none."""
        for name in (field.name for field in fields(self)):
            bound, least = getattr(self, name), _LEAST.get(name, 0)
            if name == "sealing" or (bound is None and name == "max_log_bytes"):
                continue
            if type(bound) is not int or bound < least:
                raise ArgumentError(
                    f"Limits: expected {name} as an int of at least {least}, found {shown(bound)}; correct it"
                )
