"""The files of a TUF repository: what is there, and new ones in an order in which a cut does no harm.

    FOLDER/metadata/N.root.json  N.targets.json  N.TASK.json  N.snapshot.json  timestamp.json
    FOLDER/targets/TASK/SHA256.BUNDLE.json      targets/SHA256.assignment-keys.json
    FOLDER/lock

A client begins at the root and the timestamp, and comes to nothing that these do not lead to. So they are
written last, and all else is new files: what a cut leaves without a timestamp is not seen.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.trust import files
from deploy.trust.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, file_of, max_bytes, role_in
from stream.atomic import naming


@dataclass(frozen=True, slots=True)
class Written:
    """New files of a repository: contents by their names, metadata by role and version."""

    targets: Mapping[str, bytes] = field(default_factory=dict)
    metadata: Mapping[tuple[str, int], bytes] = field(default_factory=dict)


class Shelf:
    """The folder of a repository."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.metadata, self.targets = folder / "metadata", folder / "targets"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else write here."""
        files.make(self._folder)
        with (self._folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def versions(self) -> dict[str, list[int]]:
        """Return the versions of each role that are there, the newest first; 0 stands for the timestamp."""
        found: dict[str, list[int]] = {}
        if self.metadata.is_dir():
            for path in self.metadata.iterdir():
                if (known := role_in(path.name)) is not None:
                    found.setdefault(known[0], []).append(known[1])
        return {role: sorted(numbers, reverse=True) for role, numbers in found.items()}

    def read(self, role: str, version: int) -> bytes:
        """Return what is said by a VERSION of ROLE; more than it may be long is not read."""
        with (self.metadata / file_of(role, version)).open("rb") as file:
            return file.read(max_bytes(role) + 1)

    def has_target(self, place: str) -> bool:
        """Tell whether a file lies at PLACE."""
        return (self.targets / place).is_file()

    def prune(self, least: Mapping[str, int], before_s: float) -> list[str]:
        """Remove the versions of a role below its LEAST, if written before BEFORE_S; return their names."""
        gone = []
        for role, numbers in self.versions().items():
            for path in (self.metadata / file_of(role, n) for n in numbers if n < least.get(role, 0)):
                if path.stat().st_mtime < before_s:
                    path.unlink()
                    gone.append(path.name)
        return gone

    def write(self, new: Written) -> None:
        """Bring NEW to the disk, what others lead to before what leads to it."""
        with naming(self._folder):
            for place, content in new.targets.items():
                files.put(self.targets / place, content)
            for role, version in sorted(new.metadata, key=lambda one: _order(one[0])):
                files.put(self.metadata / file_of(role, version), new.metadata[role, version])


_LAST = (TARGETS, SNAPSHOT, ROOT, TIMESTAMP)


def _order(role: str) -> tuple[int, str]:
    """Return when ROLE is written: tasks first.

    A cut before the root leaves the repository as it was. One between root and timestamp leaves the timestamp
    of before: it is still good, or its keys changed and the signer, who is told so, gives it anew.
    """
    return (_LAST.index(role) + 1 if role in _LAST else 0, role)
