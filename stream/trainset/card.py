"""What a training set says of itself: where it comes from, what is in it, and what was left out and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

FILE = "card.json"
FORMAT = 1


@dataclass(slots=True)
class Tally:
    """Values of one label in one part.

    Args:
        values: how many are known.
        unknown: how many are null since they look past the end of the events.
        empty: how many are null for any other reason: nothing to compute them from.
        mean: of the known ones; of booleans the share of those that are true; None where they are no numbers.
    """

    values: int = 0
    unknown: int = 0
    empty: int = 0
    mean: float | None = None
    _sum: float = field(default=0, repr=False)

    def add(self, column: pa.Array, unknown: int) -> None:
        """Count the values of COLUMN; UNKNOWN of its rows look past the end."""
        nulls = column.null_count
        self.values += len(column) - nulls
        self.unknown += unknown
        self.empty += nulls - unknown
        type = column.type
        if pa.types.is_boolean(type) or pa.types.is_integer(type) or pa.types.is_floating(type):
            self._sum += float(
                pc.sum(
                    column.cast(pa.float64()) if pa.types.is_integer(type) else column, min_count=0
                ).as_py()
            )
            self.mean = self._sum / self.values if self.values else None

    def to_json(self) -> dict[str, Any]:
        """Return it as a card has it."""
        return {"values": self.values, "unknown": self.unknown, "empty": self.empty, "mean": self.mean}


@dataclass(slots=True)
class Part:
    """One part of a set.

    Args:
        file: its name in the folder.
        rows: how many queries.
        from_ms, to_ms: the first and the last of them; None: there is none.
        candidates: how many they have together.
        labels: what their labels are like, by column.
    """

    file: str
    rows: int = 0
    from_ms: int | None = None
    to_ms: int | None = None
    candidates: int = 0
    labels: dict[str, Tally] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as a card has it."""
        return {
            "file": self.file,
            "rows": self.rows,
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "candidates": self.candidates,
            "labels": {name: tally.to_json() for name, tally in self.labels.items()},
        }


@dataclass(frozen=True, slots=True)
class Card:
    """A training set in words and numbers; `to_json` is the file card.json.

    Args:
        plans: the id of each graph: of what serves, without labels.
        engine: who computed it.
        events: how many there are, and what became of them.
        recipe: how its queries were taken.
        parts: train, validation and test, in the order of time.
        cuts: from when on (ms) each part but the first is.
        end: the last ms that counts as known, for labels.
        left_out: rows and queries that are in no part, by reason.
        notes: what else is to be known, in numbers.
        columns: name, type and role of each, and of lists length, side and mask.
        versions: of what computed it.
    """

    plans: Mapping[str, str]
    engine: str
    events: Mapping[str, Any]
    recipe: Mapping[str, Any]
    parts: Mapping[str, Part]
    cuts: Sequence[int]
    end: int | None
    left_out: Mapping[str, int]
    notes: Mapping[str, int]
    columns: Sequence[Mapping[str, object]]
    versions: Mapping[str, str | None]

    @property
    def rows(self) -> int:
        """Return how many queries there are in all parts."""
        return sum(part.rows for part in self.parts.values())

    def to_json(self) -> dict[str, Any]:
        """Return the card as JSON has it: no clock, no machine, so that the same input gives it again."""
        parts = {name: part.to_json() for name, part in self.parts.items()}
        return {"format": FORMAT, **_shallow(self), "rows": self.rows, "parts": parts}

    def text(self) -> str:
        """Return the file's content."""
        return json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"


def _shallow(card: Card) -> dict[str, Any]:
    return {name: value for name, value in asdict(card).items() if name != "parts"}
