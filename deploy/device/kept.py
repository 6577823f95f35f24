"""What a device still knows after a restart: of each task what runs, what ran before, what is tried. Pure.

1. `ruleset` never goes back. 2. `active` was proved here, and so was `fallback`, which was confirmed besides.
3. What is in `bad` failed here, on bytes that were verified: it is not tried again.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from deploy import canonical
from deploy.errors import InstallError
from deploy.rollout import MAX_RELEASES
from deploy.task.manifest import TaskName
from deploy.wire.assignment import Assigned

FORMAT: Final = 1
MAX_BAD: Final = 16  # that are remembered of one task
MAX_KEPT: Final = 16 << 20  # bytes

Mark = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Tries = Annotated[int, Meta(ge=0, le=1_000)]


class Task(Struct, frozen=True, forbid_unknown_fields=True):
    """One task on one device."""

    active: Assigned | None = None  # what runs; None: what the app has built in
    confirmed: bool = True  # False: `active` is in its trial
    tries: Tries = 0  # ends of the process in a run of `active`, of its trial
    fallback: Assigned | None = None  # the one before
    next: Assigned | None = None  # on the disk, verified
    proved: bool = False  # the golden examples of `next` passed
    next_tries: Tries = 0  # ends of the process in them
    bad: Annotated[tuple[Mark, ...], Meta(max_length=MAX_BAD)] = ()
    halted: bool = False  # by the service: nothing runs


class Kept(Struct, frozen=True, forbid_unknown_fields=True):
    """All tasks of one device."""

    ruleset: Annotated[int, Meta(ge=0, le=1 << 53)] = 0  # the latest that was believed
    tasks: Annotated[dict[TaskName, Task], Meta(max_length=2 * MAX_RELEASES)] = {}
    format: Literal[1] = FORMAT

    def to_json(self) -> bytes:
        """Return the canonical JSON."""
        return canonical.encode(self)

    @staticmethod
    def from_json(content: bytes) -> Kept:
        """Return what CONTENT says; raise InstallError if it says nothing."""
        return canonical.decode(content, Kept, "state", MAX_KEPT, InstallError, "the other copy is read")


def mark(assigned: Assigned) -> str:
    """Return a short name of the bytes that ASSIGNED runs, whatever its release is called."""
    return canonical.digest(canonical.encode((assigned.bundle, assigned.exclusive)))[:32]


def is_alike(one: Assigned | None, other: Assigned | None) -> bool:
    """Tell whether both run the same bytes, whatever their releases are called."""
    if one is None or other is None:
        return one is other
    return one.bundle == other.bundle and one.exclusive == other.exclusive
