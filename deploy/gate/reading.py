"""What the gate reads off two arms: each test with its counts, its evidence and what it needs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from deploy.bucket import MILLION
from deploy.gate.arm import Arm, Tosses
from deploy.gate.drift import noise, psi
from deploy.gate.policy import Criterion, Effect, Policy
from deploy.gate.sequential import against, beyond

Bins = Mapping[str, tuple[int, ...]]


class Reading(Struct, frozen=True):
    """One test at one look. `value` at or above `need` has the effect."""

    test: str  # such as "broken: more than 1 %", "slow: against control", "drift of price"
    effect: Effect
    devices: int
    hits: int
    control: int
    control_hits: int
    value: float  # nats of evidence, or PSI
    need: float
    shared: bool = False  # the control arm fails the same test: whatever it is, it is not the release

    @property
    def fires(self) -> bool:
        """Tell whether the effect is due."""
        return self.value >= self.need


def readings(policy: Policy, treated: Arm, control: Arm | None, trained: Bins, minute: int) -> list[Reading]:
    """Return every test of POLICY at MINUTE; CONTROL is None where no device is left for it."""
    return [
        *(
            reading
            for criterion in policy.criteria
            for reading in _read(policy, criterion, treated, control, minute)
        ),
        *_drifts(policy, treated, control, trained),
    ]


def _read(
    policy: Policy, criterion: Criterion, treated: Arm, control: Arm | None, minute: int
) -> Iterator[Reading]:
    event, need = criterion.event, policy.need(criterion.effect)
    ours = treated.tosses(event, minute, policy.watch)
    theirs = control.tosses(event, minute, policy.watch) if control else Tosses(0, 0, 0, 0)
    if criterion.most is not None:
        value = beyond(ours.entered, ours.hits, criterion.most)
        shared = beyond(theirs.entered, theirs.hits, criterion.most) >= need
        test = f"{event}: more than {criterion.most * 100 / MILLION:g} %"
        yield Reading(
            test, criterion.effect, ours.entered, ours.hits, theirs.entered, theirs.hits, value, need, shared
        )
    if criterion.control and control is not None:
        yield _compared(criterion, ours, theirs, need)


def _compared(criterion: Criterion, ours: Tosses, theirs: Tosses, need: float) -> Reading:
    """Return the reading against control: who has not had its time is counted in favour of the release."""
    test = f"{criterion.event}: {criterion.worse} than control"
    if criterion.worse == "more":
        n, x, m, y = ours.entered, ours.hits, theirs.settled, theirs.settled_hits
        value = against(n, x, m, y)
    else:
        n, x, m, y = ours.settled, ours.settled_hits, theirs.entered, theirs.hits
        value = against(n, n - x, m, m - y)
    return Reading(test, criterion.effect, n, x, m, y, value, need)


def _drifts(policy: Policy, treated: Arm, control: Arm | None, trained: Bins) -> Iterator[Reading]:
    most = policy.drift_thousandths / 1_000
    alpha = policy.alpha_pause / MILLION / max(len(trained), 1)
    for feature, bins in trained.items():
        found = treated.totals.drift.get(feature)
        if not found:
            continue
        need = most + noise(len(bins), treated.entered, alpha)
        beside = control.totals.drift.get(feature) if control else None
        shared = beside is not None and psi(beside, bins) >= most
        others = control.entered if control else 0
        yield Reading(
            f"drift of {feature}",
            "pause",
            treated.entered,
            sum(found),
            others,
            sum(beside or ()),
            psi(found, bins),
            need,
            shared,
        )
