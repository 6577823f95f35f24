"""The size of a run: figures are declared for one and judged at no other."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Setting:
    """The size of a run; the defaults are what figures are declared for."""

    events: int = 10_000_000  # of the made log, and about as many of the others
    logs: tuple[str, ...] = ("made", "shop", "jd")
    rounds: int = 3  # of fast systems; their median counts
    seed: int = 1
    reference: int = 40  # queries that the reference answers

    @property
    def is_declared(self) -> bool:
        """Tell whether this is the size that figures are declared for."""
        return replace(self, logs=DECLARED.logs, rounds=DECLARED.rounds) == DECLARED


DECLARED = Setting()
