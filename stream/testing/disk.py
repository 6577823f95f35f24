"""What a disk may hold after the power fails, given the file operations that a process had done.

1. A change that a sync of its file followed is there. 2. A later change is there, lost, or torn: of the
sectors that it writes some are new and some are as before, whatever became of the changes around it. 3. Names
that were made, taken away or changed are certain once their folder is synced; before, the first few of
them are there, in the order in which they were done, as file systems with a journal keep them. A sector is
written whole or not at all, and a write does not touch its neighbours: what SQLite assumes too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

SECTOR = 512
Content = dict[str, bytes]  # by the name of the file


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes written at a place of a file."""

    file: int  # a number that stands for the file, whatever it is called
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """A file made this long."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """All changes of a file brought to the disk."""

    file: int


@dataclass(frozen=True, slots=True)
class Link:
    """A name given to a file."""

    name: str
    file: int


@dataclass(frozen=True, slots=True)
class Unlink:
    """A name taken away."""

    name: str


@dataclass(frozen=True, slots=True)
class Rename:
    """A file called NEW that was called OLD."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class SyncNames:
    """All names of the folder brought to the disk."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What the process said of itself between two operations."""

    text: str


Change = Write | Cut
Naming = Link | Unlink | Rename
Operation = Change | Sync | Naming | SyncNames | Mark
# Of the sectors of a change: whether the one at PLACE of COUNT reached the disk.
Kept = Callable[[int, int], bool]


def whole(place: int, count: int) -> bool:
    """Keep the change."""
    return True


def lost(place: int, count: int) -> bool:
    """Lose the change."""
    return False


def head(place: int, count: int) -> bool:
    """Keep the first half."""
    return place < (count + 1) // 2


def tail(place: int, count: int) -> bool:
    """Keep the second half."""
    return place >= count // 2


def even(place: int, count: int) -> bool:
    """Keep every other sector."""
    return place % 2 == 0


@dataclass(slots=True)
class Disk:
    """What is certain, and the changes that no sync has followed yet, in their order."""

    files: dict[int, bytes] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    open: list[Change] = field(default_factory=list)
    open_names: list[Naming] = field(default_factory=list)

    def take(self, operation: Operation) -> bool:
        """Take what the process did; tell whether that changes what the disk may hold."""
        match operation:
            case Write() | Cut():
                self.open.append(operation)
            case Link() | Unlink() | Rename():
                self.open_names.append(operation)
            case Sync(file):
                for change in self.open:
                    if change.file == file:
                        self.files[file] = _changed(self.files.get(file, b""), change, whole)
                self.open = [change for change in self.open if change.file != file]
            case SyncNames():
                self.names = _named(self.names, self.open_names)
                self.open_names = []
            case Mark():
                return False
        return True

    def content(self, kept: Sequence[Kept], names: int) -> Content:
        """Return what is there if KEPT says what is of the open changes, NAMES how many of the open names."""
        files = dict(self.files)
        for change, part in zip(self.open, kept, strict=True):
            files[change.file] = _changed(files.get(change.file, b""), change, part)
        return {
            name: files.get(file, b"") for name, file in _named(self.names, self.open_names[:names]).items()
        }

    def outcomes(self, rng: Random, tries: int) -> Iterator[Content]:
        """Yield what may be there: nothing, all, the last change torn, another lost, and TRIES by chance."""
        count, names = len(self.open), len(self.open_names)
        yield self.content([lost] * count, 0)
        yield self.content([whole] * count, names)
        if names:
            yield self.content([whole] * count, 0)
            yield self.content([lost] * count, names)
        if count:
            for part in (head, tail, even):
                yield self.content([*[whole] * (count - 1), part], names)
        if count > 1:
            gap = rng.randrange(count - 1)
            yield self.content([*[whole] * gap, lost, *[whole] * (count - 1 - gap)], names)
            for _ in range(tries):
                parts = rng.choices((whole, lost, _some(rng)), (5, 3, 2), k=count)
                yield self.content(parts, rng.randint(0, names))


def _some(rng: Random) -> Kept:
    """Return a choice by chance of the sectors of a change, the same whenever it is asked."""
    seed = rng.random()
    return lambda place, count: Random(f"{seed} {place}").random() < 0.5


def _named(names: dict[str, int], changes: Sequence[Naming]) -> dict[str, int]:
    found = dict(names)
    for change in changes:
        match change:
            case Link(name, file):
                found[name] = file
            case Unlink(name):
                found.pop(name, None)
            case Rename(old, new):
                found[new] = found.pop(old)
    return found


def _changed(content: bytes, change: Change, kept: Kept) -> bytes:
    if isinstance(change, Cut):
        return content[: change.size].ljust(change.size, b"\0") if kept(0, 1) else content
    first, end = change.offset, change.offset + len(change.data)
    sectors = range(first // SECTOR, -(-end // SECTOR))
    found = bytearray(content)
    for place, sector in enumerate(sectors):
        if kept(place, len(sectors)):
            lo, hi = max(first, sector * SECTOR), min(end, (sector + 1) * SECTOR)
            if len(found) < hi:
                found.extend(bytes(hi - len(found)))  # what lies before it and was lost reads as zeros
            found[lo:hi] = change.data[lo - first : hi - first]
    return bytes(found)
