"""What a chart shows: lines over time, each with a name, a unit and what is known at each moment. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy.cloud.console import words


@dataclass(frozen=True, slots=True)
class Line:
    """One series; None where nothing is known."""

    name: str
    kind: str  # names its colour and its dashes
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same moments."""

    title: str
    unit: str  # of what the numbers are
    begin_ms: int
    step_ms: int
    lines: tuple[Line, ...]
    show: Callable[[float], str] = words.decimal
    tick: Callable[[float], str] = words.brief  # the same for the labels of the axis
    stacked: bool = False  # each line stands on those before it
    top: float | None = None  # of the axis; None: a round number above all values
    limit: float | None = None  # drawn across, with its own word
    limit_word: str = ""
    marks: tuple[tuple[int, str], ...] = ()  # moments with a word each

    @property
    def moments(self) -> tuple[int, ...]:
        """Return the begin of each step."""
        return tuple(self.begin_ms + n * self.step_ms for n in range(self.length))

    @property
    def length(self) -> int:
        """Return how many steps there are."""
        return max((len(line.values) for line in self.lines), default=0)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is known at all."""
        return not any(value is not None for line in self.lines for value in line.values)

    def said(self) -> str:
        """Return the chart as a sentence: each line's last value and its largest."""
        if self.is_empty:
            return "Nothing was reported yet."
        return "; ".join(filter(None, (_said(line, self.show) for line in self.lines))) + "."

    def rows(self) -> list[tuple[int, list[str]]]:
        """Return the chart as a table: a row per moment of which something is known, the newest first."""
        found = []
        for place, at_ms in enumerate(self.moments):
            values = [line.values[place] if place < len(line.values) else None for line in self.lines]
            if any(value is not None for value in values):
                found.append((at_ms, [words.NONE if v is None else self.show(v) for v in values]))
        return found[::-1]


def _said(line: Line, show: Callable[[float], str]) -> str:
    known: Sequence[float] = [value for value in line.values if value is not None]
    if not known:
        return ""
    most = max(known)
    tail = f" (at most {show(most)})" if most > known[-1] else ""
    return f"{line.name} {show(known[-1])}{tail}"
