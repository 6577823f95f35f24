"""One device's folder: what it knows, and contents by their hash; one process at a time.

    FOLDER/lock               held by the process that uses the folder
    FOLDER/state.a, state.b   what it knows (`copies`)
    FOLDER/<sha256>           a content: whole, checked and on the disk before it has this name
    FOLDER/<sha256>.part      what there is of one so far

All is in one folder, so that one sync brings every name to the disk. The state is saved after what it names
is there, and a content is removed after no saved state names it.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from deploy import limits
from deploy.bundle.bundle import Bundle
from deploy.bundle.streams import copy, opened
from deploy.device import files
from deploy.device.copies import Copies
from deploy.device.kept import Kept
from deploy.errors import BundleError, DeployError, InstallError
from deploy.task.manifest import Manifest
from deploy.wire.assignment import Assigned
from stream.atomic import naming

PART: Final = ".part"
_CONTENT: Final = re.compile(r"([0-9a-f]{64})(?:\.part|\.delta)?")


class Disk:
    """The folder, open and held until `close`."""

    def __init__(self, folder: Path, *, quota_bytes: int | None = None) -> None:
        """Open FOLDER, which is made where there is none.

        quota_bytes: of all contents, parts of them included; None: as much as the disk has.

        Raises:
            InstallError: another process holds it, it can not be used, or both copies of its state are bad.
        """
        self.folder = folder
        self.quota_bytes = quota_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _hold(folder / "lock")
        except OSError as error:
            raise InstallError(
                f"{folder}: expected a folder to write in, found: {error.strerror}; choose another"
            ) from error
        try:
            self._copies = Copies(folder)
        except OSError as error:
            self.close()
            raise InstallError(
                f"{folder}: expected room for what a device knows, found: {error.strerror}; free some"
            ) from error
        except InstallError:
            self.close()
            raise

    @property
    def kept(self) -> Kept:
        """Return what was known when the folder was opened."""
        return self._copies.found

    @property
    def damage(self) -> str | None:
        """Return what was wrong with one of the copies, in one line."""
        return self._copies.damage

    def save(self, kept: Kept) -> None:
        """Have KEPT on the disk; raise OSError if it can not be."""
        self._copies.save(kept)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._lock)

    # ------------------------------------------------------------ contents

    @contextmanager
    def open(self, sha256: str) -> Iterator[BinaryIO]:
        """Give the content SHA256, unchecked; raise BundleError if there is none."""
        path = self._path(sha256)
        if not path.is_file():
            raise BundleError(f"blob {sha256[:12]}: expected it on this device, found none; fetch it")
        with opened(path, f"blob {sha256[:12]}") as file:
            yield file

    def holds(self, sha256: str, size: int | None = None) -> bool:
        """Tell whether the content SHA256 is here, of that SIZE; its bytes were checked as it came."""
        try:
            found = self._path(sha256).stat().st_size
        except FileNotFoundError:
            return False
        return size is None or found == size

    def is_whole(self, sha256: str, size: int) -> bool:
        """Tell whether the content SHA256 is here and still what it was, by all of its bytes."""
        try:
            with self.open(sha256) as file:
                copy(file, size, sha256, len)
                return not file.read(1)
        except DeployError:
            return False

    def read(self, sha256: str, most: int) -> bytes:
        """Return the content SHA256, checked; raise BundleError if it is not here or damaged."""
        content = bytearray()
        with self.open(sha256) as file:
            copy(file, min(os.fstat(file.fileno()).st_size, most), sha256, content.extend)
        return bytes(content)

    def bundle(self, sha256: str) -> Bundle:
        """Return the bundle SHA256; raise BundleError unless its manifest is here."""
        return Bundle(Manifest.from_json(self.read(sha256, limits.MAX_MANIFEST)), self)

    def put(self, sha256: str, content: bytes) -> None:
        """Keep CONTENT, which has that hash."""
        path = self.part(sha256)
        with files.opened(path, os.O_TRUNC) as handle:
            files.write(handle, content)
        self.adopt(sha256, len(content))

    def part(self, sha256: str) -> Path:
        """Return where the content SHA256 grows."""
        return self._path(sha256 + PART)

    def adopt(self, sha256: str, size: int) -> None:
        """Take what has grown as the content SHA256.

        Raises:
            BundleError: it is not that: it is thrown away.
            OSError: the disk refuses.
        """
        part = self.part(sha256)
        with naming(part), part.open("rb+") as file:
            try:
                copy(file, size, sha256, len)
                if file.read(1):
                    raise BundleError(
                        f"blob {sha256[:12]}: expected {size} bytes, found more; fetch it again"
                    )
            except BundleError:
                part.unlink()
                raise
            os.fsync(file.fileno())
        files.move(part, self._path(sha256))

    # ------------------------------------------------------------ room

    @property
    def used(self) -> int:
        """Return the bytes of all contents and parts."""
        with os.scandir(self.folder) as entries:
            return sum(entry.stat().st_size for entry in entries if _CONTENT.fullmatch(entry.name))

    def require(self, more: int) -> None:
        """Raise InstallError if MORE bytes are beyond the quota."""
        if self.quota_bytes is not None and (used := self.used) + more > self.quota_bytes:
            raise InstallError(
                f"{self.folder}: expected room for {more} bytes in a quota of {self.quota_bytes},"
                f" found {used} in use; raise the quota or release something smaller"
            )

    def collect(self, releases: Iterable[Assigned], wanted: Iterable[str] = ()) -> int:
        """Remove what none of RELEASES needs and is not among the WANTED contents; return how many files."""
        keep = set(wanted)
        for one in releases:
            keep |= {one.bundle, *(entry.sha256 for entry in one.exclusive.values())}
            with suppress(BundleError):
                keep |= self.bundle(one.bundle).manifest.blobs.keys()
        removed = 0
        for name in os.listdir(self.folder):  # noqa: PTH208 - names, and many of them
            found = _CONTENT.fullmatch(name)
            if found and found[1] not in keep:
                (self.folder / name).unlink()
                removed += 1
        return removed

    def _path(self, name: str) -> Path:
        return self.folder / name


def is_runnable(disk: Disk, assigned: Assigned) -> bool:
    """Tell whether all of ASSIGNED is here and whole, by its bytes."""
    try:
        bundle = disk.bundle(assigned.bundle)
        bundle.verify()
    except DeployError:
        return False
    return all(disk.is_whole(entry.sha256, entry.bytes) for entry in assigned.exclusive.values())


def _hold(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise InstallError(
            f"{path.parent}: expected no other agent, found one that holds it; stop it or name another folder"
        ) from error
    return handle
