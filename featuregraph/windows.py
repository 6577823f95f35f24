"""Windows as integer arithmetic: durations in text, and the ts_ms that a query at t admits (SEMANTICS 3).

1. An interval is half-open: rows with lo <= ts_ms < hi. It is empty where hi <= lo, which no window is.
2. hi - lo == over: a window of W admits exactly W different ts_ms, wherever t and the offset are.
3. bounds(t + d) == bounds(t) moved by d; only the lo of a lifetime never moves.
4. include_now moves both ends by one ms: the ts_ms t - offset comes in, t - offset - over leaves.
5. An offset of D at t admits what no offset admits at t - D.
6. A duration is at most MAX_DURATION: for |t| <= 2**62 every bound is an int64.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from featuregraph.errors import CompileError
from featuregraph.types import INT64_MIN

MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_OVER = "over"  # the one duration that may be left out
MAX_DURATION = 2**61  # ms, some 73 million years

_DURATION = re.compile(r"([0-9]{1,19})(ms|[smhdw])", re.ASCII)


def parse_duration(text: object, what: str = _OVER) -> int:
    """Return the ms that a text such as "7d" stands for; WHAT is named where it stands for none."""
    return _parse(text, what, least=1)


def parse_offset(text: object, what: str = "offset") -> int:
    """Return the ms that a text such as "7d" stands for, zero allowed."""
    return _parse(text, what, least=0)


def _parse(text: object, what: str, least: int) -> int:
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        wanted = "positive" if least else "whole"
        raise CompileError(
            f"{what}: expected a duration, one {wanted} number and one of {', '.join(MS)}, "
            f'found {text!r:.60}; write it like "90m" or "7d"'
        )
    ms = int(match[1]) * MS[match[2]]
    if not least <= ms <= MAX_DURATION:
        least_or_most = f"give at most {MAX_DURATION}ms" if ms else "give at least 1ms"
        advice = "leave it out for a lifetime" if ms and what == _OVER else least_or_most
        raise CompileError(f"{what}: expected {least} to {MAX_DURATION} ms, found {text!r}; {advice}")
    return ms


def format_duration(ms: int) -> str:
    """Return the one text of a duration: in the largest of d, h, m, s, ms that divides it."""
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if ms % MS[unit] == 0)
    return f"{ms // MS[unit]}{unit}"


@dataclass(frozen=True, slots=True)
class Window:
    """The rows that a stream keeps by their time; over and offset in ms, over None for a lifetime."""

    over: int | None = None
    offset: int = 0
    include_now: bool = False
    hi: int = field(init=False, repr=False, compare=False)  # from t
    lo: int | None = field(init=False, repr=False, compare=False)  # from t

    def __post_init__(self) -> None:
        hi = (1 if self.include_now else 0) - self.offset
        object.__setattr__(self, "hi", hi)
        object.__setattr__(self, "lo", None if self.over is None else hi - self.over)

    @property
    def is_ahead(self) -> bool:
        """Tell whether its rows lie from t on: its offset takes all of it back (SEMANTICS 9.1)."""
        return self.offset < 0

    def bounds(self, t: int) -> tuple[int, int]:
        """Return (lo, hi) in ms: a query at T admits rows with lo <= ts_ms < hi."""
        lo = self.lo
        return INT64_MIN if lo is None else t + lo, t + self.hi
