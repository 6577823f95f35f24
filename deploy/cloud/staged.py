"""What gates make of the ruleset in force, as functions of it. Pure.

A release that gates lead has a control arm: a second release of the bundle before, of the same salt and
conditions, with a larger share and a priority that is one lower (`deploy.gate.stage.Shares`).
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from deploy.bucket import MILLION
from deploy.cloud.rehearsed import Recording
from deploy.cloud.rulesets import following
from deploy.errors import ServiceError
from deploy.gate.policy import Policy
from deploy.gate.stage import Shares, shares
from deploy.rollout import Release, Ruleset

BASE: Final = "base"  # the control arm runs what devices ran before
NONE: Final = "none"  # there is no control arm: bounds, silence and drift are all that is looked at
Beside = Annotated[str, Meta(pattern=r"^(base|none|[0-9a-f]{64})\Z")]
CONTROL: Final = ".control"  # how the id of a control arm ends
MAX_ID: Final = 128


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """A release as somebody wants gates to lead it."""

    release: Release  # its share and, where it is too low, its priority are the gates'
    policy: Policy = Policy()
    fleet: int | None = None  # devices that its conditions let in; None: the service's setting
    recording: Recording = ""  # events that its bundle runs on before any device does
    control: Beside = BASE  # bundle of the control arm: what devices ran before, none, or one by its id


class Overtaken(Exception):  # noqa: N818 - no error: another was first
    """Say that what was decided by has changed: look again."""


def control_of(name: str) -> str:
    """Return the id of the control arm of the release NAME."""
    if len(name) + len(CONTROL) > MAX_ID or name.endswith(CONTROL):
        most = MAX_ID - len(CONTROL)
        raise ServiceError(
            f"release {name!r:.80}: expected at most {most} signs and not {CONTROL!r} at the end; rename it"
        )
    return name + CONTROL


def first_shares(name: str, policy: Policy, fleet: int) -> Shares:
    """Return the shares of the first stage of NAME; raise ServiceError if it is all of FLEET."""
    if fleet < 1:
        raise ServiceError(
            f"release {name!r:.80}: expected how many devices there are, found none; give --fleet or set"
            " fleet in service.toml"
        )
    first = shares(policy, 0, fleet)
    if first.treated == MILLION and len(policy.stages) > 1:
        raise ServiceError(
            f"release {name!r:.80}: expected a first stage below the {fleet} devices that there are, found"
            " all of them; give --stages such as 10%,50%,100%"
        )
    return first


def begun(rules: Ruleset, name: str, release: Release, beside: Release | str, first: Shares) -> Ruleset:
    """Return RULES with RELEASE under NAME, of its first share, and its control arm.

    Args:
        rules: in force.
        name: a new id.
        release: with conditions and lists; its share is taken from FIRST, its priority is the highest.
        beside: what the control arm runs: a release whose task, bundle and graph it has, BASE or NONE.
        first: the shares of the first stage.
    """
    if name in rules.releases:
        raise ServiceError(
            f"release {name!r:.80}: expected a new id, found one in force; choose another", 409
        )
    others = {n: r for n, r in rules.releases.items() if r.task == release.task and not r.halted}
    if beside == BASE:
        beside = _base(name, release, others) or NONE
    top = max((other.priority for other in others.values()), default=-2)
    priority = max(release.priority, top + 2)
    cohort = msgspec.structs.replace(release.cohort, millionths=first.treated)
    added = {name: msgspec.structs.replace(release, cohort=cohort, priority=priority)}
    if isinstance(beside, Release):
        cohort = msgspec.structs.replace(cohort, millionths=first.control, allow=frozenset())
        added[control_of(name)] = Release(
            release.task, beside.bundle, beside.graph_id, cohort, priority=priority - 1
        )
    return following(rules, releases={**rules.releases, **added})


def grown(rules: Ruleset, name: str, control: str | None, wanted: Shares) -> Ruleset:
    """Return RULES with the arms of NAME grown to WANTED; raise Overtaken if a person halted or ended it."""
    release = rules.releases.get(name)
    if release is None or release.halted or release.task in rules.halted_tasks:
        raise Overtaken
    sizes = {name: wanted.treated} | ({} if control is None else {control: wanted.control})
    sized = {n: _sized(rules.releases[n], share) for n, share in sizes.items() if n in rules.releases}
    return following(rules, releases={**rules.releases, **sized})


def stopped(rules: Ruleset, name: str, control: str | None) -> Ruleset:
    """Return RULES with NAME halted and its control arm gone: all its devices run what was before."""
    release = rules.releases.get(name)
    if release is None:
        return finished(rules, control)
    kept = {n: r for n, r in rules.releases.items() if n != control}
    releases = {**kept, name: msgspec.structs.replace(release, halted=True)}
    return rules if releases == rules.releases else following(rules, releases=releases)


def finished(rules: Ruleset, control: str | None) -> Ruleset:
    """Return RULES without the control arm; what its devices run is the same bundle by another name."""
    kept = {n: r for n, r in rules.releases.items() if n != control}
    return rules if len(kept) == len(rules.releases) else following(rules, releases=kept)


def _base(name: str, release: Release, others: dict[str, Release]) -> Release | None:
    """Return what all devices of RELEASE run of its task, None where they run nothing."""
    if not others:
        return None
    top = max(others, key=lambda other: (others[other].priority, other))
    base, cohort = others[top], others[top].cohort
    takes_all = cohort.millionths == MILLION and set(cohort.where) <= set(release.cohort.where)
    if not (takes_all and cohort.deny <= release.cohort.deny):
        raise ServiceError(
            f"release {name!r:.80}: expected one release of {release.task!r} that all its devices run, found"
            f" {top!r}, which some run; end or halt it, or name the bundle of the control arm",
            409,
        )
    return base


def _sized(release: Release, share: int) -> Release:
    cohort = release.cohort
    return msgspec.structs.replace(
        release, cohort=msgspec.structs.replace(cohort, millionths=max(cohort.millionths, share))
    )
