"""Which release of each task a device should run: a pure function of ruleset, device and profile.

Anyone who holds the ruleset computes the same answer: each replica of the service, and the device itself.

choose(ruleset, device, profile), per task:
1. a halted task has none, whatever its releases say: the kill switch;
2. of the releases of the task, those count that are not halted, whose cohort has the device, and whose graph
   is one that the device can run, if it says which;
3. of those the one of the highest priority, then the one with the larger id: the order in which releases
   stand in the ruleset says nothing.

A halted release lets the device fall to what it would run without it, which is how a bad one is rolled back.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from deploy import canonical
from deploy.cohort import Cohort, is_in
from deploy.errors import RulesetError
from deploy.profile import Profile
from deploy.task.manifest import TaskName
from inference.contract import Sha256

MAX_RELEASES: Final = 1_000  # that may be in force at once
MAX_RULESET: Final = 16 << 20  # bytes
FORMAT: Final = 1
_LEAST: Final = (-(1 << 53), "")  # below every priority


ReleaseId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}\Z")]


class Release(Struct, frozen=True, forbid_unknown_fields=True):
    """A bundle offered to a cohort."""

    task: TaskName
    bundle: Sha256
    graph_id: Sha256
    cohort: Cohort
    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 0
    halted: bool = False


class Ruleset(Struct, frozen=True, forbid_unknown_fields=True):
    """All releases that are in force, as one version of one document."""

    version: Annotated[int, Meta(ge=1, le=1 << 53)]  # only grows
    releases: Annotated[dict[ReleaseId, Release], Meta(max_length=MAX_RELEASES)] = {}
    halted_tasks: Annotated[frozenset[TaskName], Meta(max_length=MAX_RELEASES)] = frozenset()
    format: Literal[1] = FORMAT

    def to_json(self) -> bytes:
        """Return the canonical JSON: equal rules give equal bytes, however they were put together."""
        return canonical.encode(self)

    @staticmethod
    def from_json(content: bytes) -> Ruleset:
        """Return the ruleset in CONTENT; raise RulesetError if it is none."""
        return canonical.decode(content, Ruleset, "ruleset", MAX_RULESET, RulesetError, "fetch it again")


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one device should run: the id of a release per task, and the tasks that it must stop."""

    releases: dict[str, str]
    halted: tuple[str, ...]


def choose(
    ruleset: Ruleset, device: str, profile: Profile, graphs: Collection[str] | None = None
) -> Assignment:
    """Return what DEVICE with PROFILE should run by RULESET.

    Args:
        ruleset: the rules in force.
        device: the id that lists name and buckets are made of.
        profile: facts of the device and, where they stay on it, of its user.
        graphs: ids of the graphs that the device can run; None where any graph is installed from the bundle.
    """
    best: dict[str, tuple[int, str]] = {}
    for name, release in ruleset.releases.items():
        rank = (release.priority, name)
        if rank < best.get(release.task, _LEAST) or not _is_offered(release, ruleset, graphs):
            continue
        if is_in(release.cohort, device, profile):  # asked last, and only of what could win: it costs most
            best[release.task] = rank
    return Assignment(
        {task: name for task, (_, name) in sorted(best.items())}, tuple(sorted(ruleset.halted_tasks))
    )


def _is_offered(release: Release, ruleset: Ruleset, graphs: Collection[str] | None) -> bool:
    return (
        not release.halted
        and release.task not in ruleset.halted_tasks
        and (graphs is None or release.graph_id in graphs)
    )
