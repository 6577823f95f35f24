"""A task's folder: which of its files are packed, and their sizes and hashes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from deploy.bundle.streams import entry_of, opened
from deploy.bundle.taskfile import TASK_FILE
from deploy.errors import BundleError, TaskError
from deploy.limits import MAX_BUNDLE, MAX_FILES
from deploy.task import paths
from deploy.task.manifest import BINS, CONFIG, most_bytes
from inference.manifest import FileEntry

PACKED = ("model", "scripts", "data", CONFIG, BINS)
PASSED_OVER = frozenset({"__pycache__"})  # what Python leaves beside scripts


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a task's folder that are packed."""

    paths: dict[str, Path]
    entries: dict[str, FileEntry]
    left_out: tuple[str, ...]  # what else stands in the folder

    def open(self, sha256: str) -> AbstractContextManager[BinaryIO]:
        """Give the file of that content, as it is now: who copies it checks it again."""
        name = next((n for n, entry in self.entries.items() if entry.sha256 == sha256), None)
        if name is None:
            raise BundleError(f"blob {sha256[:12]}: expected it in the folder, found none; pack again")
        return opened(self.paths[name], name)


def read_folder(folder: Path) -> Folder:
    """Return the files of FOLDER, named, measured and hashed.

    Raises:
        TaskError: a link, a name or a size that no bundle may have.
        OSError: there is no such folder.
    """
    found: dict[str, Path] = {}
    left_out = []
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if entry.name in PACKED:
            found.update(_take(entry, entry.name, len(found)))
        elif entry.name != TASK_FILE:
            left_out.append(entry.name)
    if (text := paths.clash(found)) is not None:
        raise TaskError(text)
    return Folder(found, dict(_measure(found)), tuple(left_out))


def _take(entry: os.DirEntry[str], name: str, count: int) -> Iterator[tuple[str, Path]]:
    """Yield the files at and below ENTRY; COUNT were there before."""
    ahead = [(entry, name)]
    while ahead:
        entry, name = ahead.pop()
        if (text := paths.problem(name)) is not None:
            raise TaskError(text)
        if entry.is_symlink():
            raise TaskError(f"{name}: expected a file or folder, found a link; copy the content here")
        if entry.is_dir(follow_symlinks=False):
            ahead += [
                (inner, f"{name}/{inner.name}")
                for inner in os.scandir(entry.path)
                if inner.name not in PASSED_OVER
            ]
        else:
            yield name, Path(entry.path)
            count += 1
        if count + len(ahead) > MAX_FILES:
            raise TaskError(f"expected at most {MAX_FILES} files, found more; join or compress them")


def _measure(files: Mapping[str, Path]) -> Iterator[tuple[str, FileEntry]]:
    total = 0
    for name, path in sorted(files.items()):
        entry = entry_of(path, name, min(most_bytes(name), MAX_BUNDLE - total))
        total += entry.bytes
        yield name, entry
