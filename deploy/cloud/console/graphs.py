"""What two bundles mean to one another, computed once: neither ever changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from deploy.bundle.bundle import Bundle
from deploy.bundle.proof import graph_of
from deploy.cloud.console.views.meaning import Meaning, meaning
from deploy.errors import BundleError
from deploy.task.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of a service's blobs, as a bundle reads them."""

    path: Path

    def open(self, sha256: str) -> BinaryIO:
        """Give the content SHA256; raise BundleError if there is none."""
        try:
            return (self.path / sha256[:2] / sha256).open("rb")
        except FileNotFoundError as error:
            raise BundleError(
                f"blob {sha256[:12]}: expected it here, found none; publish it again"
            ) from error


def between(blobs: Path, old: Manifest, new: Manifest) -> Meaning:
    """Return what changes when the bundle of NEW takes the place of OLD's.

    Raises:
        BundleError: a graph can not be read.
    """
    return _between(blobs, old.to_json(), new.to_json())


@lru_cache(256)
def _between(blobs: Path, old_json: bytes, new_json: bytes) -> Meaning:
    old, new = (Bundle(Manifest.from_json(content), Folder(blobs)) for content in (old_json, new_json))
    return meaning(old.manifest, graph_of(old), new.manifest, graph_of(new))
