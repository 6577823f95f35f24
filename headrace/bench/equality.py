"""Which cells were compared with which: a figure of values that differ means nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_TOLD = 5  # differences that are told one by one
CLOSE = 1e-12  # of the larger of 1 and the value: what summing doubles one by one may lose of a mean


class Compared(NamedTuple):
    """One system's answer at one request, beside the expected one."""

    at_ms: int
    found: Mapping[str, Any]
    expected: Mapping[str, Any]


@dataclass(slots=True)
class Tally:
    """How many cells were compared, by the system that gave them."""

    cells: dict[str, int] = field(default_factory=dict)
    unequal: dict[str, int] = field(default_factory=dict)
    close: dict[str, int] = field(default_factory=dict)  # that agree nearly, where that is allowed
    filled: int = 0  # expected cells that are not null, zero or empty
    differences: list[str] = field(default_factory=list)  # the first few, one line each

    @property
    def holds(self) -> bool:
        """Tell whether no cell differs."""
        return not any(self.unequal.values())

    def count(self, name: str, cells: int, unequal: int, close: int) -> None:
        """Count CELLS of the system NAME."""
        for counter, count in ((self.cells, cells), (self.unequal, unequal), (self.close, close)):
            counter[name] = counter.get(name, 0) + count

    def tell(self, cell: str, name: str, found: object, ours: object) -> None:
        """Keep one line of a CELL that differs, if it is among the first few."""
        if len(self.differences) < _TOLD:
            self.differences.append(f"{cell}: {name} gives {found!r:.80}, ours {ours!r:.80}")


class Equality(Tally):
    """Answers compared request by request, each a mapping."""

    __slots__ = ()

    def compare(self, name: str, where: str, rows: Iterable[Compared], *, means_close: bool = False) -> None:
        """Compare what the system NAME gave; MEANS_CLOSE: it sums doubles one by one."""
        from featuregraph.values import same

        cells = unequal = close = 0
        for row in rows:
            for feature in sorted(row.found.keys() | row.expected.keys()):
                cells += 1
                found, expected = row.found.get(feature), row.expected.get(feature)
                if same(found, expected):
                    continue
                if means_close and _is_close(found, expected):
                    close += 1
                    continue
                unequal += 1
                self.tell(f"{where}, t {row.at_ms}, {feature}", name, found, expected)
        self.count(name, cells, unequal, close)

    def fill(self, values: Iterable[Mapping[str, Any]]) -> None:
        """Count the cells of VALUES that are not null, zero or empty: equal nothings prove nothing."""
        self.filled += sum(_is_filled(value) for row in values for value in row.values())


def _is_close(found: object, expected: object) -> bool:
    if not isinstance(found, float) or not isinstance(expected, float):
        return False
    return abs(found - expected) <= CLOSE * max(1.0, abs(expected))


def _is_filled(value: object) -> bool:
    return any(map(_is_filled, value.values())) if isinstance(value, dict) else bool(value)
