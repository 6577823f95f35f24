"""Files that appear whole, on the disk, under names that are on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from stream.atomic import replacing


def put(path: Path, content: bytes) -> None:
    """Let PATH hold CONTENT; a cut leaves what it held before. Folders that it needs are made."""
    make(path.parent)
    with replacing(path) as part:
        part.write_bytes(content)
    sync(path.parent)


def make(folder: Path) -> None:
    """Make FOLDER and those above it, each name on the disk."""
    if not folder.is_dir():
        make(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def sync(folder: Path) -> None:
    """Bring the names in FOLDER to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
