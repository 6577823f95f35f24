r"""A bundle as one file: a line, the manifest, then each distinct blob once, in the order of the names.

    b"headrace bundle 1\n" | length of the manifest, 8 bytes, big-endian | manifest | blob | blob | ...

Nothing is compressed, dated, padded or said twice, so that equal inputs give equal bytes on any machine, and
what could be said differently in two places (names, sizes, order) stands in one. Names never become paths
before the manifest's rules have passed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from deploy.bundle.bundle import Bundle
from deploy.bundle.streams import opened
from deploy.errors import BundleError
from deploy.limits import MAX_MANIFEST
from deploy.task.manifest import Manifest
from stream.atomic import naming, replacing

MAGIC: Final = b"headrace bundle 1\n"
_LENGTH: Final = 8
_STEP = "fetch the bundle again or pack the task again"


@dataclass(frozen=True, slots=True)
class _Packed:
    """The blobs of one file, by the place where each begins."""

    path: Path
    places: dict[str, int]

    @contextmanager
    def open(self, sha256: str) -> Iterator[BinaryIO]:
        if sha256 not in self.places:
            raise BundleError(f"blob {sha256[:12]}: expected it in {self.path.name}, found none; {_STEP}")
        with opened(self.path, self.path.name) as file:
            file.seek(self.places[sha256])
            yield file


def write_bundle(bundle: Bundle, path: Path) -> int:
    """Write BUNDLE to PATH, which appears whole or not at all; return its size in bytes.

    Raises:
        BundleError: a blob is not what the manifest says.
    """
    head = bundle.manifest.to_json()
    with replacing(path) as part, naming(path), part.open("wb") as file:
        file.write(MAGIC + len(head).to_bytes(_LENGTH, "big") + head)
        for sha256, size in bundle.manifest.blobs.items():
            bundle.pour(sha256, size, file.write)
        return file.tell()


def read_bundle(path: Path) -> Bundle:
    """Return the bundle in the file PATH; its blobs are checked as they are read.

    Raises:
        BundleError: it is no bundle, or cut short, or longer than its manifest says.
        OSError: there is no such file.
    """
    with path.open("rb") as file:
        head = _head(file, path.name)
        manifest = Manifest.from_json(head)
        place = file.tell()
        found = os.fstat(file.fileno()).st_size
    places = {}
    for sha256, size in manifest.blobs.items():
        places[sha256] = place
        place += size
    if place != found:
        raise BundleError(f"{path.name}: expected {place} bytes, found {found}; {_STEP}")
    return Bundle(manifest, _Packed(path.resolve(), places))


def _head(file: BinaryIO, name: str) -> bytes:
    """Return the manifest's bytes, read within its bound."""
    if file.read(len(MAGIC)) != MAGIC:
        raise BundleError(f"{name}: expected a bundle, found another file; give what headrace pack wrote")
    length = int.from_bytes(file.read(_LENGTH), "big")
    if length > MAX_MANIFEST:
        raise BundleError(
            f"{name}: expected a manifest of at most {MAX_MANIFEST} bytes, found {length}; {_STEP}"
        )
    head = file.read(length)
    if len(head) != length:
        raise BundleError(f"{name}: expected a manifest of {length} bytes, found {len(head)}; {_STEP}")
    return head
