"""What a run measures, and at which size: figures are declared for one size and judged at no other."""

from __future__ import annotations

from dataclasses import dataclass, replace

SECOND, MINUTE = 1_000, 60_000  # ms


@dataclass(frozen=True, slots=True)
class Setting:
    """The size of a run; the defaults are the size that figures are declared for."""

    requests: int = 200  # of systems that answer within a millisecond or so; slow ones answer fewer
    seeds: tuple[int, ...] = (1, 2, 3)
    events: int = 20_000  # before the first request
    features: int = 100  # of the mixed workload
    days: int = 7  # of the mixed workload
    services: tuple[str, ...] = ("CP", "KP", "SR", "PR", "VR")
    often: tuple[str, ...] = ("VR", "PR", "CP")  # services that are asked every 5 s too
    intervals: tuple[int, ...] = (10 * SECOND, MINUTE, 10 * MINUTE, 30 * MINUTE)
    shares: tuple[float, ...] = (0.0, 0.2, 0.5, 0.8, 0.9)  # of the redundancy sweep
    budgets: tuple[int, ...] = (0, 10, 25, 50, 75, 100)  # % of what a cache of everything holds
    scale: tuple[int, int] = (20_000, 200_000)  # events in the same days
    plans: int = 20
    own: float = 0.2  # the share of a plan's features that no other plan has
    reference: int = 3  # requests a seed of the mixed workload that the reference answers
    imports: int = 5  # fresh interpreters

    @property
    def is_declared(self) -> bool:
        """Tell whether this is the size that figures are declared for, whatever the requests and seeds."""
        return replace(self, requests=DECLARED.requests, seeds=DECLARED.seeds) == DECLARED

    def share(self, of: int) -> int:
        """Return how many requests a system answers that answers one in OF."""
        return max(1, self.requests // of)


DECLARED = Setting()
# As small as a run can be that goes through everything: what tests run.
QUICK = Setting(
    requests=8,
    seeds=(1,),
    events=400,
    features=18,
    services=("SR", "VR"),
    often=("VR",),
    intervals=(10 * SECOND, 30 * MINUTE),
    shares=(0.0, 0.9),
    budgets=(0, 50, 100),
    scale=(300, 3_000),
    plans=3,
    reference=1,
    imports=1,
)
