"""How devices of a made fleet behave: the assumptions that stand beside every answer. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

# Of devices, within the time that each is watched; by the events of `deploy.gate.view`.
HEALTHY: Final = {
    "broken": 0.002,
    "failing": 0.01,
    "crashing": 0.002,
    "slow": 0.03,
    "alive": 0.97,
    "counter.clicked": 0.30,
}


@dataclass(frozen=True, slots=True)
class World:
    """What is assumed of devices and their reports; times in minutes."""

    fleet: int = 22_000_000
    look: int = 15  # between two looks of the gate, and between two chances that a hit is told
    poll: int = 15  # within which a device asks
    install: int = 15  # that the release takes longer than the control arm, which downloads nothing
    shares: dict[str, float] = field(default_factory=lambda: dict(HEALTHY))


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of release: what it changes of the shares."""

    name: str
    changed: dict[str, float]

    @property
    def is_harmless(self) -> bool:
        """Tell whether it changes nothing."""
        return not self.changed


SAME: Final = Kind("the same again", {})
FAILING: Final = Kind("fails on 5 %", {"broken": 0.05, "failing": 0.058})
KINDS: Final = (
    SAME,
    FAILING,
    Kind("crashes on 3 %", {"crashing": 0.03}),
    Kind("a tenth falls silent", {"alive": 0.87}),
    Kind("thrice as many slow", {"slow": 0.09}),
    Kind("a fifth fewer click", {"counter.clicked": 0.24}),
)
