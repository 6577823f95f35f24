"""`rollout.choose` for many devices: what the ruleset alone decides is done once. Pure; equal to `choose`.

1. Halted releases and tasks leave.
2. Each task's releases stand from the highest rank down: the first that takes the device is the choice.
3. A condition is a function of one fact, its version parsed.
4. A salt is hashed up to the device's id, and a share is the least bucket beyond it.
5. For devices that tell the same facts (`narrowed`) conditions are asked once: who fails them is in by the
   allow list alone, and what stands below a release that takes everyone is never reached.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from copy import copy
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from deploy.bucket import MILLION, edge, seed
from deploy.cohort import OPS, Condition
from deploy.profile import Fact, Profile, version_key
from deploy.rollout import Assignment, Release, Ruleset

Test = Callable[[Fact], bool]

_NOBODY = seed("")  # of a release that only its list lets in
_version_key = lru_cache(4_096)(version_key)  # a fleet has few versions of an app


class _Ready(NamedTuple):
    """A release, as far as it can be decided without a device."""

    name: str
    deny: frozenset[str]
    allow: frozenset[str]
    tests: tuple[tuple[str, Test], ...]
    seed: blake2b | None  # None: a share of all
    edge: int


class Chooser:
    """A ruleset made ready for many devices; any number of threads may ask it."""

    def __init__(self, ruleset: Ruleset, graphs: Collection[str] | None = None) -> None:
        self._halted = tuple(sorted(ruleset.halted_tasks))
        offered: dict[str, list[tuple[int, str, Release]]] = {}
        for name, release in ruleset.releases.items():
            if not release.halted and (graphs is None or release.graph_id in graphs):
                offered.setdefault(release.task, []).append((release.priority, name, release))
        self._tasks = tuple(
            (task, _from_the_top(offered[task])) for task in sorted(set(offered) - ruleset.halted_tasks)
        )

    def choose(self, device: str, profile: Profile) -> Assignment:
        """Return what DEVICE with PROFILE should run."""
        found = {}
        text = device.encode("utf-8", "surrogatepass")
        for task, releases in self._tasks:
            for release in releases:
                if device not in release.deny and (device in release.allow or _fits(release, text, profile)):
                    found[task] = release.name
                    break
        return Assignment(found, self._halted)

    def narrowed(self, profile: Profile) -> Chooser:
        """Return what chooses alike for devices with PROFILE, whatever profile it is given then."""
        found = copy(self)
        found._tasks = tuple((task, _for_facts(releases, profile)) for task, releases in self._tasks)  # noqa: SLF001
        return found


def _for_facts(releases: tuple[_Ready, ...], profile: Profile) -> tuple[_Ready, ...]:
    """Return those of RELEASES that can be chosen for PROFILE, without their conditions."""
    kept = []
    for release in releases:
        holds = _holds(release, profile)
        if holds and release.edge:
            kept.append(release._replace(tests=()))
        elif release.allow:
            kept.append(release._replace(tests=(), seed=_NOBODY, edge=0))
        if holds and release.seed is None and not release.deny:
            break
    return tuple(kept)


def _holds(release: _Ready, profile: Profile) -> bool:
    for fact, test in release.tests:
        value = profile.get(fact)
        if value is None or not test(value):
            return False
    return True


def _fits(release: _Ready, device: bytes, profile: Profile) -> bool:
    if release.tests and not _holds(release, profile):
        return False
    if release.seed is None:
        return True
    hashed = release.seed.copy()
    hashed.update(device)
    return int.from_bytes(hashed.digest()[:8], "big") < release.edge


def _from_the_top(releases: list[tuple[int, str, Release]]) -> tuple[_Ready, ...]:
    """Return RELEASES made ready, from the highest rank down."""
    ready = []
    for _, name, release in sorted(releases, key=lambda each: each[:2], reverse=True):
        cohort = release.cohort
        salted = None if cohort.millionths == MILLION else seed(cohort.salt)
        tests = tuple((condition.fact, _test(condition)) for condition in cohort.where)
        ready.append(_Ready(name, cohort.deny, cohort.allow, tests, salted, edge(cohort.millionths)))
    return tuple(ready)


def _test(condition: Condition) -> Test:
    """Return CONDITION as a function of its fact."""
    values, op = condition.values, condition.op
    if op in ("version_at_least", "version_below"):
        return _version_test(version_key(str(values[0])), at_least=op == "version_at_least")
    if op in ("in", "not_in") and all(isinstance(value, str) for value in values):
        return _text_test(frozenset(values), among=op == "in")
    compare = OPS[op]
    return lambda fact: compare(fact, values)


def _version_test(bound: tuple[int, ...] | None, *, at_least: bool) -> Test:
    def test(fact: Fact) -> bool:
        key = _version_key(fact) if isinstance(fact, str) else None
        return key is not None and (key >= bound) == at_least  # type: ignore[operator]

    return test


def _text_test(texts: frozenset[object], *, among: bool) -> Test:
    if among:
        return lambda fact: isinstance(fact, str) and fact in texts
    return lambda fact: (
        not isinstance(fact, tuple | list) and (not isinstance(fact, str) or fact not in texts)
    )
