"""Where a release stands, and which share of all devices that is. Pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from deploy.bucket import MILLION
from deploy.gate.policy import Policy


class Stand(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a release stands between its first device and its last."""

    stage: Annotated[int, Meta(ge=0)]
    since_ms: int  # when it came there
    paused: bool = False  # until a person lets it go on
    waived: tuple[str, ...] = ()  # tests that a person saw fire: they pause it no more


class Shares(Struct, frozen=True):
    """Of all buckets, in millionths: below `treated` they run the release, the others below `control` do not.

    The control arm is a release of the bundle before, of the same salt, with the share `control` and a lower
    priority.
    """

    treated: int
    control: int


def size(policy: Policy, stage: int, fleet: int) -> int:
    """Return how many of FLEET devices are meant by STAGE."""
    row = policy.stages[stage]
    if row.devices is not None:
        return min(row.devices, fleet)
    assert row.millionths is not None, "a stage has one of both"
    return row.millionths * fleet // MILLION


def shares(policy: Policy, stage: int, fleet: int, now: int = 0) -> Shares:
    """Return the shares of STAGE.

    Args:
        policy: the gates.
        stage: its number.
        fleet: how many devices the release's conditions let in.
        now: the release's share now, which never shrinks: FLEET is an estimate and may grow.
    """
    row = policy.stages[stage]
    wanted = row.millionths or size(policy, stage, fleet) * MILLION // max(fleet, 1)
    treated = max(1, now, min(MILLION, wanted))
    return Shares(treated, min(MILLION, treated * (1 + policy.control)))
