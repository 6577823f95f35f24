"""A bundle wherever its bytes lie: a manifest, and blobs by their hash; no byte is given unchecked."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from deploy.bundle.streams import copy
from deploy.errors import BundleError
from deploy.task.manifest import Manifest
from inference.manifest import FileEntry
from stream.atomic import naming


class Blobs(Protocol):
    """Whoever holds contents by their SHA-256."""

    def open(self, sha256: str) -> AbstractContextManager[BinaryIO]:
        """Give the content; raise BundleError if there is none. Its bytes are not checked yet."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest with its blobs."""

    manifest: Manifest
    blobs: Blobs

    @property
    def id(self) -> str:
        """Return the SHA-256 of the manifest, which names all of the bundle."""
        return self.manifest.id

    def read(self, name: str, most: int) -> bytes:
        """Return the content of the file NAME, checked; raise BundleError above MOST bytes."""
        entry = self._entry(name)
        if entry.bytes > most:
            raise BundleError(f"{name}: expected at most {most} bytes, found {entry.bytes}; make it smaller")
        content = bytearray()
        self.pour(entry.sha256, entry.bytes, content.extend)
        return bytes(content)

    def pour(self, sha256: str, size: int, write: Callable[[bytes], object]) -> None:
        """Give the blob SHA256 to WRITE by chunks; BundleError at the end if its bytes are not right."""
        with self.blobs.open(sha256) as source:
            copy(source, size, sha256, write)

    def verify(self) -> None:
        """Read each blob once; raise BundleError for the first that is not what the manifest says."""
        for sha256, size in self.manifest.blobs.items():
            self.pour(sha256, size, len)

    def unpack(self, folder: Path, prefix: str = "") -> None:
        """Write the files whose names begin with PREFIX below FOLDER, which appears whole or not at all.

        Raises:
            BundleError: FOLDER is there already, or a blob is not right.
        """
        with naming(folder):
            if os.path.lexists(folder):
                raise BundleError(f"{folder}: expected a free name, found a file or folder; choose another")
            folder.parent.mkdir(parents=True, exist_ok=True)
            room = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            try:
                (room / "new").mkdir()
                self._write_into(room / "new", prefix)
                (room / "new").rename(folder)
            finally:
                shutil.rmtree(room, ignore_errors=True)

    def _write_into(self, folder: Path, prefix: str) -> None:
        for name, entry in self.manifest.files.items():
            if not name.startswith(prefix):
                continue
            path = folder / name  # names are plain and relative: the manifest is refused otherwise
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                self.pour(entry.sha256, entry.bytes, file.write)
                file.flush()
                os.fsync(file.fileno())

    def _entry(self, name: str) -> FileEntry:
        entry = self.manifest.files.get(name)
        if entry is None:
            raise BundleError(f"expected the file {name!r} in the bundle, found none; see its card")
        return entry
