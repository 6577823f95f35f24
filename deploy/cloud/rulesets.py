"""What a releaser does to the ruleset in force, as functions of it. Pure.

Each gives the next version, or the same object where nothing would change, so that who asks twice does it
once. What it would do to devices besides is refused by `growth.surprises`; only a rollback may take devices
from a release.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from deploy.errors import RulesetError, ServiceError
from deploy.growth import surprises
from deploy.rollout import Release, Ruleset

Edit = Callable[[Ruleset], Ruleset]


def released(rules: Ruleset, name: str, release: Release) -> Ruleset:
    """Return RULES with RELEASE under NAME: a new one, or one that grows or is halted."""
    if rules.releases.get(name) == release:
        return rules
    return following(rules, releases={**rules.releases, name: release})


def halted(rules: Ruleset, name: str) -> Ruleset:
    """Return RULES with the release NAME halted: its devices fall to what they would run without it."""
    release = _existing(rules, name)
    if release.halted:
        return rules
    stopped = msgspec.structs.replace(release, halted=True)
    return following(rules, releases={**rules.releases, name: stopped})


def ended(rules: Ruleset, name: str) -> Ruleset:
    """Return RULES without the release NAME."""
    _existing(rules, name)
    return following(rules, releases={n: r for n, r in rules.releases.items() if n != name})


def task_halted(rules: Ruleset, task: str) -> Ruleset:
    """Return RULES with TASK running nowhere: the kill switch."""
    return rules if task in rules.halted_tasks else following(rules, halted_tasks=rules.halted_tasks | {task})


def task_resumed(rules: Ruleset, task: str) -> Ruleset:
    """Return RULES with TASK running again where its releases say so."""
    return following(rules, halted_tasks=rules.halted_tasks - {task}) if task in rules.halted_tasks else rules


def rolled_back(rules: Ruleset, old: Ruleset, stopped: Collection[str]) -> Ruleset:
    """Return what OLD said as the version after RULES; what was halted since, release or task, stays so.

    A share may shrink by this, and an ended release come back, and by nothing else. STOPPED are the releases
    that were ever halted.
    """
    if old.version >= rules.version:
        raise ServiceError(
            f"rollback: expected a version below {rules.version}, found {old.version}; choose an older one",
            409,
        )
    releases = {
        name: msgspec.structs.replace(release, halted=release.halted or name in stopped)
        for name, release in old.releases.items()
    }
    tasks = old.halted_tasks | rules.halted_tasks
    if releases == rules.releases and tasks == rules.halted_tasks:
        return rules
    return _bounded(
        msgspec.structs.replace(rules, version=rules.version + 1, releases=releases, halted_tasks=tasks)
    )


def following(rules: Ruleset, **changes: object) -> Ruleset:
    """Return RULES with CHANGES as the next version; raise RulesetError if it moves who is not meant."""
    new = _bounded(msgspec.structs.replace(rules, version=rules.version + 1, **changes))
    if found := surprises(rules, new):
        raise RulesetError("; ".join(found[:5]))
    return new


def _bounded(rules: Ruleset) -> Ruleset:
    """Return RULES, read back: within the bounds of a ruleset."""
    return Ruleset.from_json(rules.to_json())


def _existing(rules: Ruleset, name: str) -> Release:
    release = rules.releases.get(name)
    if release is None:
        known = ", ".join(sorted(rules.releases)[:5]) or "none"
        raise ServiceError(
            f"release {name!r:.80}: expected it in force, found {known}; name one of them", 404
        )
    return release
