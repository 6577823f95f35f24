"""A folder of tasks: contents by their hash, and per task the version that stands last.

    STORE/blobs/ab/abcd...   files, manifests and versions, each under its SHA-256, never changed
    STORE/heads/TASK         the id of the last version; replaced atomically, under STORE/lock

A head is moved only after all that it leads to is on the disk, so that a cut leaves the version before.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from deploy import canonical, limits
from deploy.bundle.bundle import Bundle
from deploy.bundle.streams import copy, opened
from deploy.errors import DeployError, HistoryError
from deploy.task.manifest import Manifest, TaskName
from deploy.task.version import Version, ancestry
from stream.atomic import naming, replacing

_SHA256 = re.compile(r"[0-9a-f]{64}")
_STEP: Final = "restore the store from a copy"


class Store:
    """The tasks of one folder; any number of processes may read it and write to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    # ------------------------------------------------------------ contents

    @contextmanager
    def open(self, sha256: str) -> Iterator[BinaryIO]:
        """Give the content SHA256, unchecked; raise HistoryError if there is none."""
        path = self._blob(sha256)
        if not path.is_file():
            raise HistoryError(f"{self._folder}: expected blob {sha256[:12]}, found none; {_STEP}")
        with opened(path, f"blob {sha256[:12]}") as file:
            yield file

    def read(self, sha256: str, most: int) -> bytes:
        """Return the content SHA256, checked, if it has at most MOST bytes."""
        content = bytearray()
        with self.open(sha256) as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise HistoryError(
                    f"blob {sha256[:12]}: expected at most {most} bytes, found {size}; {_STEP}"
                )
            copy(file, size, sha256, content.extend)
        return bytes(content)

    def bundle(self, sha256: str) -> Bundle:
        """Return the bundle SHA256."""
        return Bundle(Manifest.from_json(self.read(sha256, limits.MAX_MANIFEST)), self)

    # ------------------------------------------------------------ history

    def commit(self, bundle: Bundle, make: Callable[[str | None], Version]) -> Version:
        """Add BUNDLE to its task's history as the version that MAKE gives for its parent, and return it.

        A bundle that stands last already makes no version: the last one is returned.
        """
        with naming(self._folder), self._locked():
            head = self.head(bundle.manifest.task)
            if head is not None and (last := self.version(head)).bundle == bundle.id:
                return last
            version = _valid(make(head))
            for sha256, size in bundle.manifest.blobs.items():
                self._put(sha256, size, partial(bundle.pour, sha256, size))
            for content in (bundle.manifest.to_json(), version.to_json()):
                self._put(canonical.digest(content), len(content), partial(_write, content))
            heads = self._folder / "heads"
            heads.mkdir(exist_ok=True)
            with replacing(heads / version.task) as part:
                part.write_text(f"{version.id}\n", "ascii")
            _sync(heads)
            return version

    def tasks(self) -> tuple[str, ...]:
        """Return the names of the tasks, sorted."""
        heads = self._folder / "heads"
        return tuple(sorted(p.name for p in heads.iterdir() if _is_task(p.name))) if heads.is_dir() else ()

    def head(self, task: str) -> str | None:
        """Return the id of TASK's last version, None if it has none."""
        if not _is_task(task):
            return None
        try:
            content = (self._folder / "heads" / task).read_bytes()[:80].decode("ascii", "replace").strip()
        except FileNotFoundError:
            return None
        if not _SHA256.fullmatch(content):
            raise HistoryError(
                f"{self._folder}/heads/{task}: expected a version's id, found {content!r}; {_STEP}"
            )
        return content

    def version(self, sha256: str) -> Version:
        """Return the version SHA256."""
        return Version.from_json(self.read(sha256, limits.MAX_VERSION))

    def history(self, task: str) -> Iterator[Version]:
        """Yield TASK's versions, the newest first; raise HistoryError if there is no such task."""
        head = self.head(task)
        if head is None:
            known = ", ".join(self.tasks()[:5]) or "none"
            raise HistoryError(
                f"{self._folder}: expected the task {task!r:.80}, found {known}; name one of them"
            )
        yield from ancestry(head, self.version)

    # ------------------------------------------------------------ the disk

    def _blob(self, sha256: str) -> Path:
        return self._folder / "blobs" / sha256[:2] / sha256

    def _put(self, sha256: str, size: int, pour: Callable[[Callable[[bytes], object]], object]) -> None:
        """Keep the content that POUR writes, unless it is there whole."""
        path = self._blob(sha256)
        if _is_whole(path, sha256, size):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                pour(file.write)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            _sync(path.parent)
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _valid(version: Version) -> Version:
    """Return VERSION, read back: what a person wrote in it is within its bounds."""
    step = "correct its author or message"
    try:
        return Version.from_json(version.to_json(), step)
    except UnicodeEncodeError as error:
        raise HistoryError(f"version: expected text that UTF-8 can say, found other signs; {step}") from error


def _is_whole(path: Path, sha256: str, size: int) -> bool:
    """Tell whether PATH has that content; a damaged one is written anew."""
    try:
        with opened(path, path.name) as file:
            copy(file, size, sha256, len)
            return not file.read(1)
    except DeployError:
        return False


def _write(content: bytes, write: Callable[[bytes], object]) -> None:
    write(content)


def _is_task(name: str) -> bool:
    try:
        msgspec.convert(name, TaskName)
    except ValueError:  # of msgspec, or of a name that no UTF-8 can say
        return False
    return True


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
