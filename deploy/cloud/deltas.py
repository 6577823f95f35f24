"""Differences between what devices have and what is new, made one at a time behind the requests.

1. What is to be made is a function of the registry: for each task, of its last bundles, the files of one name
   that a newer bundle and an older one, or a released one, both have. A process that starts goes on with it.
2. A difference that is not worth it, too large or too slow to make is remembered as an empty file beside.
3. zstd at its best level takes about nine times the content in memory: above `MOST_BYTES` nothing is made,
   and devices fetch the whole file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import select

from deploy.cloud.database import Database
from deploy.cloud.registry import Registry
from deploy.cloud.tables import BUNDLE
from deploy.cloud.uploads import Uploads
from deploy.task.manifest import Manifest
from deploy.trust import files
from deploy.wire import delta

BACK: Final = 3  # bundles of a task that are looked at, the newest first
MOST_BYTES: Final = 24 << 20  # of either content
MOST_S: Final = 60.0  # for one difference
_NONE: Final = ".none"  # how the name of what is not worth it ends: nobody can ask for it

Pair = tuple[str, str]  # hashes of the old and the new content


class Deltas:
    """The differences in one folder; one thread makes them."""

    def __init__(self, folder: Path, database: Database, registry: Registry, uploads: Uploads) -> None:
        self._folder = folder / "deltas"
        self._database, self._registry, self._uploads = database, registry, uploads
        self.is_stopping = False

    def path(self, old: str, new: str) -> Path:
        """Return where the difference from OLD to NEW lies or would lie."""
        return self._folder / old / new

    def due(self) -> list[Pair]:
        """Return what is still to be made, that of the newest bundles first."""
        wanted = dict.fromkeys(pair for task in self._registry.tasks() for pair in self._pairs(task))
        return [pair for pair in wanted if not self._is_settled(*pair)]

    def make(self, old: str, new: str) -> bool:
        """Make the difference from OLD to NEW; return whether there is one."""
        end = time.monotonic() + MOST_S
        made = self._made(old, new, lambda: not self.is_stopping and time.monotonic() < end)
        if self.is_stopping:
            return False
        path = self.path(old, new)
        files.put(path if made is not None else path.with_name(new + _NONE), made or b"")
        return made is not None

    def _made(self, old: str, new: str, go_on: Callable[[], bool]) -> bytes | None:
        try:
            before, after = (self._uploads.path(sha256) for sha256 in (old, new))
            if max(before.stat().st_size, after.stat().st_size) > MOST_BYTES:
                return None
            return delta.make_delta(before.read_bytes(), after.read_bytes(), go_on)
        except FileNotFoundError:  # somebody removed a blob
            return None

    def _pairs(self, task: str) -> Iterator[Pair]:
        bundles = self._bundles(task)
        released = [one.bundle for one in self._registry.ruleset().releases.values() if one.task == task]
        last = list(bundles)[:BACK]
        for at, newer in enumerate(last):
            for older in dict.fromkeys([*last[at + 1 :], *(b for b in released if b not in last[: at + 1])]):
                if older in bundles:
                    yield from _changed(bundles[older], bundles[newer])

    def _bundles(self, task: str) -> dict[str, Manifest]:
        """Return the bundles of TASK, the newest first."""
        query = select(BUNDLE.c.manifest).where(BUNDLE.c.task == task).order_by(BUNDLE.c.at_ms.desc())
        with self._database.reading() as connection:
            rows = connection.execute(query.limit(100)).scalars().all()
        return {found.id: found for found in map(Manifest.from_json, rows)}

    def _is_settled(self, old: str, new: str) -> bool:
        path = self.path(old, new)
        return path.is_file() or path.with_name(new + _NONE).is_file()


def _changed(older: Manifest, newer: Manifest) -> Iterator[Pair]:
    """Yield the contents of the files of one name that differ and may have a difference."""
    for name, entry in newer.files.items():
        old = older.files.get(name)
        if old and old.sha256 != entry.sha256 and delta.is_possible(old.bytes, entry.bytes):
            yield old.sha256, entry.sha256
