"""From numbers to places on a drawing, and where its labels stand. Pure."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import Final, NamedTuple

MINUTE_MS: Final = 60_000
STEPS: Final = 4  # of an axis of values
_TIMES: Final = tuple(
    m * MINUTE_MS for m in (5, 10, 15, 30, 60, 120, 240, 360, 720, 1_440, 2_880, 10_080, 43_200)
)


class Scale(NamedTuple):
    """A straight line from values to places."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the place of VALUE; one beyond the ends stands at the end."""
        part = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1)
        return round(self.start + part * (self.end - self.start), 1)


def ceiling(most: float) -> tuple[float, float]:
    """Return a round number of at least MOST, and the step of `STEPS` up to it.

    >>> ceiling(9.2), ceiling(0)
    ((10, 2.5), (1, 0.25))
    """
    if most < 1e-9:
        return 1, 1 / STEPS
    size = 10 ** floor(log10(most))
    top = next(t * size for t in (1, 2, 4, 8, 10) if most <= t * size * (1 + 1e-9))
    return _plain(top), _plain(top / STEPS)


def moments(begin_ms: int, end_ms: int, most: int = 5) -> tuple[list[int], int]:
    """Return round moments between BEGIN_MS and END_MS, at most MOST, and the step between them."""
    length = max(end_ms - begin_ms, 1)
    step = next((t for t in _TIMES if length / t <= most), ceil(length / most / _TIMES[-1]) * _TIMES[-1])
    first = -(-begin_ms // step) * step
    return list(range(first, end_ms + 1, step)), step


def _plain(number: float) -> float:
    whole = round(number)
    return whole if abs(number - whole) < 1e-9 else round(number, 12)
