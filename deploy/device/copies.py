r"""What a device knows, in two files that are written in place, one after the other.

    b"headrace state 1\n" | serial, 8 bytes | length, 8 bytes | SHA-256 of the rest, 32 bytes | canonical JSON

1. `state.a` is on the disk before `state.b` is touched, so that at any moment one of the two is whole, and a
   cut loses at most a call that had not returned.
2. The higher serial counts; after a call both say the same, so that damage to one loses nothing.
3. The room of both is taken when they are made, so that a full disk keeps nobody from going back.
4. `state.b` is made when `state.a` is on the disk: without a `state.b` nothing was ever kept.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from deploy.device import files
from deploy.device.kept import MAX_KEPT, Kept
from deploy.errors import InstallError

_MAGIC: Final = b"headrace state 1\n"
_HEAD: Final = len(_MAGIC) + 8 + 8 + 32
_ROOM: Final = 64 << 10  # bytes of each file, taken at once
NAMES: Final = ("state.a", "state.b")


class Copies:
    """The two files of one folder; `found` is what they said, `damage` what was wrong with one of them."""

    def __init__(self, folder: Path) -> None:
        """Read what FOLDER keeps; raise InstallError where both files are damaged."""
        self._paths = [folder / name for name in NAMES]
        self._serial = 0
        self.damage: str | None = None
        self.found = self._read()
        self.save(self.found)  # makes what is missing, mends what is damaged

    def save(self, kept: Kept) -> None:
        """Have KEPT on the disk; raise OSError if it can not be, and then either may be read next."""
        self._serial += 1
        record = _record(self._serial, kept.to_json())
        for path in self._paths:
            made = not path.exists()
            with files.opened(path) as handle:
                files.write(handle, record.ljust(_ROOM, b"\0") if made else record)
                os.fsync(handle)
            if made:
                files.sync(path.parent)

    def _read(self) -> Kept:
        if not self._paths[1].exists():
            return Kept()
        self._serial, kept, wrong = _found(self._paths[0].parent)
        self.damage = wrong and f"{wrong}; it was written anew from the other copy"
        return kept


def look(folder: Path) -> tuple[Kept, str | None]:
    """Return what FOLDER keeps, and what is wrong with one of its copies; nothing is written.

    Raises:
        InstallError: FOLDER keeps nothing, or both copies are damaged.
    """
    if not (folder / NAMES[1]).exists():
        raise InstallError(f"{folder}: expected a device's folder, found none; name the one of its agent")
    return _found(folder)[1:]


def _found(folder: Path) -> tuple[int, Kept, str | None]:
    """Return the serial and content of the better copy, and what is wrong with the other."""
    read = {folder / name: _read(folder / name) for name in NAMES}
    whole = [one for one in read.values() if not isinstance(one, str)]
    wrong = [f"{path}: {one}" for path, one in read.items() if isinstance(one, str)]
    if not whole:
        raise InstallError(f"{' and '.join(wrong)}; remove both files to begin anew")
    serial, kept = max(whole, key=lambda one: one[0])
    return serial, kept, wrong[0] if wrong else None


def _record(serial: int, content: bytes) -> bytes:
    rest = serial.to_bytes(8, "big") + len(content).to_bytes(8, "big")
    digest = hashlib.sha256(rest + content).digest()
    return _MAGIC + rest + digest + content


def _read(path: Path) -> tuple[int, Kept] | str:
    """Return serial and content of PATH, or what is wrong with it."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            rest, digest = head[len(_MAGIC) : -32], head[-32:]
            serial, length = int.from_bytes(rest[:8], "big"), int.from_bytes(rest[8:], "big")
            content = file.read(min(length, MAX_KEPT))
    except OSError as error:
        return f"expected a state, found that it can not be read ({error.strerror})"
    if not head.startswith(_MAGIC) or hashlib.sha256(rest + content).digest() != digest:
        return "expected a whole state, found a damaged one"
    try:
        return serial, Kept.from_json(content)
    except InstallError as error:
        return f"found that {error}"
