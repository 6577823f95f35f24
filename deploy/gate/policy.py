"""How a release goes from a hundred devices to all, and what holds it up, as data. Pure.

alpha_stop bounds the chance that a release that is no worse is stopped, however long it lasts and however
often it is looked at: each of the tests that can stop has an even share of it. alpha_pause likewise.
"""

from __future__ import annotations

from math import log
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from deploy import canonical
from deploy.bucket import MILLION
from deploy.errors import GateError
from deploy.gate.view import ALIVE, BROKEN, COUNTER, CRASHING, FAILING, SLOW, EventName, View, limit_bin
from deploy.wire.report import FeatureName

FORMAT: Final = 1
MAX_POLICY: Final = 64 << 10  # bytes
MAX_STAGES: Final = 32
MAX_CRITERIA: Final = 32
MAX_LATENCY_US: Final = 55_000  # beyond it reports do not tell how long a run took

DAY_S: Final = 86_400
Seconds = Annotated[int, Meta(ge=60, le=90 * DAY_S)]
Millionths = Annotated[int, Meta(ge=1, lt=MILLION)]
Effect = Literal["stop", "pause"]


class Stage(Struct, frozen=True, forbid_unknown_fields=True):
    """One size of a release: so many devices, or so many millionths of all."""

    devices: Annotated[int, Meta(ge=1, le=1 << 40)] | None = None
    millionths: Annotated[int, Meta(ge=1, le=MILLION)] | None = None
    least_s: Seconds = 3 * 3_600  # it lasts so long at least
    most_s: Seconds = 3 * DAY_S  # pause if it has not gone on by then

    def __post_init__(self) -> None:
        if (self.devices is None) == (self.millionths is None):
            found = "none" if self.devices is None else "both"
            raise GateError(f"stage: expected devices or millionths, found {found}; give one")
        if self.least_s > self.most_s:
            raise GateError(
                f"stage: expected least_s up to {self.most_s}, found {self.least_s}; correct one of them"
            )


class Criterion(Struct, frozen=True, forbid_unknown_fields=True):
    """One event of devices, and which side of which bound is worse."""

    event: EventName
    worse: Literal["more", "less"] = "more"
    most: Millionths | None = None  # of devices, with no regard to the control arm
    control: bool = True  # compared with the control arm
    effect: Effect = "stop"

    def __post_init__(self) -> None:
        if self.worse == "less" and self.most is not None:
            raise GateError(
                f"criterion {self.event!r}: expected no `most` where less is worse, found one; drop it"
            )
        if self.most is None and not self.control:
            raise GateError(
                f"criterion {self.event!r}: expected a bound or the control arm, found neither; give one"
            )

    @property
    def tests(self) -> int:
        """Return how many tests it is."""
        return self.control + (self.most is not None)


_STAGES: Final = (
    *(Stage(devices=devices) for devices in (100, 250, 500, 1_000, 2_000, 10_000, 60_000)),
    *(Stage(millionths=share, least_s=DAY_S // 2, most_s=7 * DAY_S) for share in (100_000, 500_000, MILLION)),
)
_CRITERIA: Final = (
    Criterion(BROKEN, most=10_000),
    Criterion(FAILING),
    Criterion(CRASHING, most=10_000),
    Criterion(SLOW),
    Criterion(ALIVE, worse="less"),
)


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """The gates of a release."""

    stages: Annotated[tuple[Stage, ...], Meta(min_length=1, max_length=MAX_STAGES)] = _STAGES
    criteria: Annotated[tuple[Criterion, ...], Meta(min_length=1, max_length=MAX_CRITERIA)] = _CRITERIA
    control: Annotated[int, Meta(ge=1, le=100)] = 4  # devices of the control arm per device of the release
    watch_s: Seconds = 7_200  # after its entry in which a device is watched: two reports or more
    least_millionths: Annotated[int, Meta(ge=1, le=MILLION)] = (
        500_000  # of a stage's devices: watched to the end
    )
    silent_s: Seconds = 6 * 3_600  # stop if no device of the release reports for so long
    alpha_stop: Millionths = 2_000
    alpha_pause: Millionths = 5_000
    latency_us: Annotated[int, Meta(ge=1, le=MAX_LATENCY_US)] = 50_000  # a run that takes longer is slow
    drift_thousandths: Annotated[int, Meta(ge=1, le=100_000)] = 250  # pause if a feature moved so far in PSI
    format: Literal[1] = FORMAT

    def __post_init__(self) -> None:
        names = [criterion.event for criterion in self.criteria]
        if twice := [name for name in names if names.count(name) > 1]:
            raise GateError(f"policy: expected one criterion per event, found two of {twice[0]!r}; join them")
        if self.silent_s < self.watch_s:
            raise GateError(
                f"policy: expected silent_s of {self.watch_s} or more, found {self.silent_s}; "
                "watch no longer than you wait for a word"
            )

    def need(self, effect: Effect) -> float:
        """Return the evidence, in nats, at which a test has EFFECT."""
        tests = sum(each.tests for each in self.criteria if each.effect == effect)
        alpha = self.alpha_stop if effect == "stop" else self.alpha_pause
        return log(max(tests, 1) * MILLION / alpha)

    @property
    def watch(self) -> int:
        """Return the minutes in which a device is watched."""
        return -(-self.watch_s // 60)

    def view(self, bins: dict[FeatureName, tuple[int, ...]]) -> View:
        """Return what is looked at, with a bundle's BINS of training."""
        return View(
            frozenset(each.event for each in self.criteria),
            self.watch,
            limit_bin(self.latency_us),
            {feature: len(counts) for feature, counts in bins.items()},
        )

    def to_json(self) -> bytes:
        """Return the canonical JSON."""
        return canonical.encode(self)

    @staticmethod
    def from_json(content: bytes) -> Policy:
        """Return the policy in CONTENT; raise GateError if it is none."""
        return canonical.decode(content, Policy, "policy", MAX_POLICY, GateError, "correct it")


def counter(name: str, worse: Literal["more", "less"] = "less", effect: Effect = "stop") -> Criterion:
    """Return a criterion of a business counter: of how many devices it counts anything at all.

    >>> counter("clicked").event
    'counter.clicked'
    """
    return Criterion(COUNTER + name, worse=worse, effect=effect)
