"""The roles of a TUF repository: what each is for, how long its word holds, how its files are called. Pure.

| role | signs | its key lies |
|---|---|---|
| root | which keys sign for which role | offline, of several people |
| targets | which keys sign for which task, and which keys sign assignments | offline |
| TASK | the bundles of one task, as `TASK/BUNDLE.json`, the bundle's manifest | with those who publish it |
| snapshot | which version of each list is the current one | online |
| timestamp | that this is still so | online |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from deploy.errors import TrustError
from deploy.trust.assignments import TARGET as ASSIGNMENT_KEYS

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
TOP: Final = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)
DAY_MS: Final = 86_400_000

# No client of ours reads more of one file, and the repository writes none that is longer.
MAX_BYTES: Final = {ROOT: 512_000, TIMESTAMP: 16_384, SNAPSHOT: 2_000_000, TARGETS: 5_000_000}
MAX_ROTATIONS: Final = 256  # roots that a client follows at once

_FILE: Final = re.compile(r"(?:([1-9][0-9]{0,15})\.)?([a-z0-9_-]{1,64})\.json")


@dataclass(frozen=True, slots=True)
class Life:
    """How long a role's word holds, and how long before its end it is given anew."""

    days: int
    anew_days: int


# An online word is given anew each day or each week, so that a signer may stand still for two days. An
# offline one holds long enough for people to meet.
LIVES: Final = {TIMESTAMP: Life(3, 2), SNAPSHOT: Life(21, 14), TARGETS: Life(365, 60), ROOT: Life(365, 60)}


def life(role: str) -> Life:
    """Return how long the word of ROLE holds; a task's as that of targets."""
    return LIVES.get(role, LIVES[TARGETS])


def max_bytes(role: str) -> int:
    """Return how long a file of ROLE may be."""
    return MAX_BYTES.get(role, MAX_BYTES[TARGETS])


def file_of(role: str, version: int) -> str:
    """Return the name of the file of a VERSION of ROLE: a new one each time, but for the timestamp."""
    return f"{role}.json" if role == TIMESTAMP else f"{version}.{role}.json"


def role_in(name: str) -> tuple[str, int] | None:
    """Return the role and version that the file NAME is of, None if it is no such file."""
    found = _FILE.fullmatch(name)
    if found is None or (found[1] is None) != (found[2] == TIMESTAMP):
        return None
    return found[2], int(found[1] or 0)


def target_of(task: str, bundle: str) -> str:
    """Return the path of BUNDLE's manifest among the targets."""
    return f"{task}/{bundle}.json"


def place_of(target: str, sha256: str) -> str:
    """Return where the content SHA256 of TARGET lies: under its hash, so that it never changes."""
    folder, slash, name = target.rpartition("/")
    return f"{folder}{slash}{sha256}.{name}"


def check_task(task: str) -> None:
    """Raise TrustError if a task may not be called TASK: its role would be another one."""
    if task in TOP or task == ASSIGNMENT_KEYS:
        raise TrustError(f"expected a task of another name than TUF's own roles, found {task!r}; rename it")
