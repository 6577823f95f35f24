"""Blobs in a folder by their hash, and the parts of those that are on their way.

    FOLDER/blobs/ab/abcd...    whole contents, checked, never changed
    FOLDER/parts/abcd...       what came so far; goes on from its length

1. A part is written by one at a time (a lock on its file), from the length that it has.
2. When all is there its hash is taken, it is synced, and it takes its name; a wrong one is thrown away.
3. Parts have a bound together, and those that nobody goes on with are thrown away.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from deploy.errors import BundleError, ServiceError
from deploy.limits import CHUNK, MAX_FILE

MAX_PARTS: Final = 8 << 30  # bytes of all parts together
PART_LIFE_S: Final = 86_400


class Uploads:
    """The blobs of one folder; any number of threads and processes may use it."""

    def __init__(self, folder: Path, most: int = MAX_FILE, most_parts: int = MAX_PARTS) -> None:
        self._folder = folder
        self._most, self._most_parts = most, most_parts
        for name in ("blobs", "parts"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Return where the content SHA256 lies or would lie."""
        return self._folder / "blobs" / sha256[:2] / sha256

    def size(self, sha256: str) -> int | None:
        """Return how many bytes SHA256 has, None if it is not whole here."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def offset(self, sha256: str) -> int:
        """Return how many bytes of SHA256 came so far."""
        try:
            return self._part(sha256).stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def open(self, sha256: str) -> Iterator[BinaryIO]:
        """Give the content SHA256, not checked yet; raise BundleError if it is not whole here."""
        try:
            file = self.path(sha256).open("rb")
        except FileNotFoundError as error:
            raise BundleError(f"blob {sha256[:12]}: expected it whole, found none; send it first") from error
        with file:
            yield file

    @contextmanager
    def going_on(self, sha256: str, offset: int, size: int) -> Iterator[BinaryIO]:
        """Give the part of SHA256, of SIZE bytes in the end, to be written on from OFFSET.

        It becomes the blob at the end if all is there, and stays as a part if not, whatever happened.

        Raises:
            ServiceError: it is too large (413), another writes it or it does not end at OFFSET (409), there
                is no room for more parts (507), or its bytes have another hash (422).
        """
        if size > self._most:
            raise ServiceError(
                f"blob {sha256[:12]}: expected at most {self._most} bytes, found {size}; make it smaller", 413
            )
        part = self._part(sha256)
        with part.open("ab") as file:
            _lock(file, sha256)
            if not part.exists() or (found := os.fstat(file.fileno()).st_size) != offset:
                found = 0 if not part.exists() else found
                raise ServiceError(
                    f"blob {sha256[:12]}: expected to go on from {found}, found {offset}; go on from there",
                    409,
                )
            if self._in_parts() + size - offset > self._most_parts:
                raise ServiceError(
                    "blobs: expected room for another part, found none; finish those begun", 507
                )
            try:
                yield file
            finally:
                file.flush()
            if os.fstat(file.fileno()).st_size >= size:
                self._finish(file, part, sha256, size)

    def sweep(self, now_s: float) -> int:
        """Throw away the parts that nobody went on with; return how many."""
        gone = 0
        for part in (self._folder / "parts").iterdir():
            if now_s - part.stat().st_mtime > PART_LIFE_S:
                part.unlink(missing_ok=True)
                gone += 1
        return gone

    def _part(self, sha256: str) -> Path:
        return self._folder / "parts" / sha256

    def _in_parts(self) -> int:
        return sum(entry.stat().st_size for entry in os.scandir(self._folder / "parts"))

    def _finish(self, file: BinaryIO, part: Path, sha256: str, size: int) -> None:
        os.fsync(file.fileno())
        if os.fstat(file.fileno()).st_size != size or _hash(part) != sha256:
            part.unlink()
            raise ServiceError(
                f"blob {sha256[:12]}: expected {size} bytes of that hash, found others; send it again", 422
            )
        home = self.path(sha256)
        home.parent.mkdir(exist_ok=True)
        part.replace(home)
        _sync(home.parent)


def _lock(file: BinaryIO, sha256: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ServiceError(
            f"blob {sha256[:12]}: expected nobody else to send it, found one; wait for it", 409
        ) from error


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
