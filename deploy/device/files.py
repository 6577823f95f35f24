"""Bytes that are on the disk once a call returns; every error of the system names the file.

All goes through `os.pwrite`, so that what a process did can be recorded and played again (`stream.testing`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from stream.atomic import naming

_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


@contextmanager
def opened(path: Path, flags: int = 0) -> Iterator[int]:
    """Give the open file PATH, made where there is none."""
    with naming(path):
        handle = os.open(path, _NEW | flags, 0o600)
        try:
            yield handle
        finally:
            os.close(handle)


def write(handle: int, content: bytes, at: int = 0) -> None:
    """Write all of CONTENT at the place AT; a full disk may leave a part of it."""
    view = memoryview(content)
    while view:
        done = os.pwrite(handle, view, at)
        view, at = view[done:], at + done


def put(path: Path, content: bytes) -> None:
    """Let PATH hold CONTENT; a cut leaves what it held before."""
    part = path.with_name(f"{path.name}.new")
    try:
        with opened(part, os.O_TRUNC) as handle:
            write(handle, content)
            os.fsync(handle)
        move(part, path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def move(old: Path, new: Path) -> None:
    """Call the file OLD NEW from now on."""
    old.replace(new)
    sync(new.parent)


def sync(folder: Path) -> None:
    """Bring the names in FOLDER to the disk."""
    with naming(folder):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
