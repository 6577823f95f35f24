"""Events from a second process of the same app: handed to the writer through a table of the file.

1. The sender checks an event's form, and is told at once what is wrong with it. It writes what it has into
   `inbox`, in one transaction a call, as durably as an append.
2. The writer takes what waits before whatever it appends or answers, in the order of arrival, by the rules of
   every other event: duplicate, quarantine, seq. An event whose position is taken is kept apart and counted
   (`refused`): there is nobody left to tell.
3. Taking is one transaction: an event stands in the inbox or in the log, whoever dies.
4. A writer that looked looks again once the sender has rung (stream.lockfile), before its call returns.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Iterable, Sequence
from threading import RLock
from typing import Final, NamedTuple

import msgspec

from stream.errors import LogError, LogFullError, translated
from stream.event import Draft, Receipt
from stream.limits import Limits
from stream.lockfile import Bell
from stream.store import Sync, connect_beside, transaction

_MOST_TAKEN: Final = 1_024  # events of one transaction
_RETRY_S: Final = 0.01

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Handed(NamedTuple):
    """One event that waits; DRAFT is None where its bytes are damaged."""

    id: int
    draft: Draft | None
    keep_known: bool


class Outbox:
    """The sending half: what a process does that is not the writer."""

    def __init__(self, path: str, limits: Limits, sync: Sync) -> None:
        self._path = path
        self._limits = limits
        self._lock = RLock()
        until = time.monotonic() + limits.busy_ms / 1000
        while True:  # the writer may have the lock, and not yet a file
            try:
                self._connection = connect_beside(path, limits, sync)
            except LogError:
                if time.monotonic() > until:
                    raise
                time.sleep(_RETRY_S)
            else:
                break
        try:
            self._bell = Bell(path)
        except LogError:
            self._connection.close()
            raise

    def put(self, drafts: Iterable[Draft | None], *, keep_known: bool) -> Receipt:
        """Hand DRAFTS over (None: an event without a key, which is dropped)."""
        all_drafts = list(drafts)
        rows = []
        for draft in all_drafts:
            if draft is not None:
                packed = _encode((keep_known, draft))
                rows.append((packed, zlib.crc32(packed)))
        with self._lock:
            try:
                with transaction(self._connection):
                    self._connection.executemany("INSERT INTO inbox (event, crc) VALUES (?, ?)", rows)
                    self._refuse_too_many()
            except sqlite3.Error as error:
                raise translated(error, self._path, "handing events over") from error
            self._bell.ring()
        return Receipt(keyless=len(all_drafts) - len(rows), handed_over=len(rows))

    def _refuse_too_many(self) -> None:
        first, last = self._connection.execute("SELECT min(id), max(id) FROM inbox").fetchone()
        if first is not None and last - first >= self._limits.max_handed_over:
            raise LogFullError(
                f"{self._path}: expected the writer to take what it is handed, found"
                f" {self._limits.max_handed_over} events waiting; see that it runs, or open the log for"
                " writing once, which takes them; nothing of this call was kept"
            )

    def close(self) -> None:
        """Close the connection, and let go of the bell."""
        self._connection.close()
        self._bell.close()


def waiting(connection: sqlite3.Connection) -> bool:
    """Tell whether an event waits."""
    return connection.execute("SELECT 1 FROM inbox LIMIT 1").fetchone() is not None


def first_ones(connection: sqlite3.Connection) -> Sequence[Handed]:
    """Return the first events that wait and agree on who gives their known_ms, a bounded number of them."""
    query = "SELECT id, event, crc FROM inbox ORDER BY id LIMIT ?"
    found = [_handed(*row) for row in connection.execute(query, (_MOST_TAKEN,)).fetchall()]
    others = (place for place, one in enumerate(found) if one.keep_known != found[0].keep_known)
    return found[: next(others, len(found))]


def take_away(connection: sqlite3.Connection, handed: Sequence[Handed]) -> None:
    """Delete what was taken."""
    connection.execute("DELETE FROM inbox WHERE id <= ?", (handed[-1].id,))


def _handed(id: int, packed: bytes, crc: int) -> Handed:
    try:
        if zlib.crc32(packed) == crc:
            keep_known, draft = _decode(packed)
            return Handed(id, Draft._make(draft), keep_known)
    except (TypeError, ValueError):  # no bytes, or none that we write
        pass
    return Handed(id, None, keep_known=False)
