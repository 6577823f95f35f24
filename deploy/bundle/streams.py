"""Bytes of any size through bounded memory: opened without following links, hashed, copied and checked."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from deploy.errors import BundleError, TaskError
from deploy.limits import CHUNK
from inference.manifest import FileEntry


@contextmanager
def opened(path: Path, name: str) -> Iterator[BinaryIO]:
    """Give the regular file PATH for reading; raise TaskError, naming it NAME, if it is anything else.

    A link is not followed and a pipe not waited for, whatever stood there when the folder was listed.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise TaskError(
            f"{name}: expected a file that can be read, found {error.strerror or error}; correct it"
        ) from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise TaskError(f"{name}: expected a file, found another thing; copy the content here")
        yield file


def entry_of(path: Path, name: str, most: int) -> FileEntry:
    """Return the size and hash of PATH; raise TaskError if it is larger than MOST."""
    digest, size = hashlib.sha256(), 0
    with opened(path, name) as file:
        if (found := os.fstat(file.fileno()).st_size) > most:
            raise TaskError(f"{name}: expected at most {most} bytes, found {found}; make it smaller")
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if size > most:
                raise TaskError(
                    f"{name}: expected at most {most} bytes, found more; it grows while it is read"
                )
    return FileEntry(size, digest.hexdigest())


def read_small(path: Path, name: str, most: int) -> bytes:
    """Return the content of PATH; raise TaskError if it has more than MOST bytes."""
    with opened(path, name) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise TaskError(f"{name}: expected at most {most} bytes, found more; make it smaller")
    return content


def copy(source: BinaryIO, size: int, sha256: str, write: Callable[[bytes], object]) -> None:
    """Give the SIZE bytes of SOURCE to WRITE by chunks; raise BundleError unless they hash to SHA256.

    The check comes last: who writes must be ready to throw away what was written.
    """
    digest, left = hashlib.sha256(), size
    while left:
        if not (chunk := source.read(min(CHUNK, left))):
            raise BundleError(
                f"blob {sha256[:12]}: expected {size} bytes, found {size - left}; fetch it again"
            )
        digest.update(chunk)
        write(chunk)
        left -= len(chunk)
    if (found := digest.hexdigest()) != sha256:
        raise BundleError(f"blob {sha256[:12]}: expected that hash, found {found[:12]}; fetch it again")
