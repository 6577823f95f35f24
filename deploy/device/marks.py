"""What a process is in the middle of, told to the next one: a byte per release, in mapped memory.

A process that is killed, or that a model brings down, leaves its bytes set, and the system keeps them.
Setting one costs no call. If the power fails they may be lost or left: at worst a release is tried once more,
or once less.
"""

from __future__ import annotations

import mmap
import os
import threading
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from deploy.device import files

_SLOTS: Final = 64
_SLOT: Final = 64  # bytes: one that is set while something runs, and its mark
_BLANK: Final = bytes(_SLOTS * _SLOT)


class Marks:
    """The runs that are under way; `died` are those of the process before."""

    def __init__(self, path: Path) -> None:
        """Read what PATH says and begin anew; where it can not be mapped the next process is told nothing."""
        self.died: frozenset[str] = frozenset()
        self._map: mmap.mmap | bytearray = bytearray(_BLANK)
        self._lock = threading.Lock()
        self._next = 0
        with suppress(OSError, ValueError), files.opened(path) as handle:
            found = os.pread(handle, len(_BLANK), 0)
            self.died = frozenset(_died(found))
            files.write(handle, _BLANK)
            self._map = mmap.mmap(handle, len(_BLANK))

    def of(self, mark: str) -> AbstractContextManager[None]:
        """Return what says, while it is entered, that MARK runs; any number of threads may enter it."""
        with self._lock:
            at = self._next % _SLOTS * _SLOT
            self._next += 1
            self._map[at : at + _SLOT] = b"\0" + mark.encode("ascii").ljust(_SLOT - 1, b"\0")
        return _Mark(self._map, at)

    def close(self) -> None:
        """Let go of the file."""
        if isinstance(self._map, mmap.mmap):
            self._map.close()


class _Mark:
    """One slot, and how many are in it."""

    def __init__(self, room: mmap.mmap | bytearray, at: int) -> None:
        self._room = room
        self._at = at
        self._inside = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            self._room[self._at] = 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            self._room[self._at] = self._inside > 0


def _died(found: bytes) -> list[str]:
    slots = (found[at : at + _SLOT] for at in range(0, len(found), _SLOT))
    return [slot[1:].rstrip(b"\0").decode("ascii", "replace") for slot in slots if slot[0]]
