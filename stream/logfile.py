"""The file of a log, open: its lock, its connection, and what SQLite's errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from stream import inspect
from stream.damage import Finding
from stream.errors import (
    CHECKING,
    CLOSING,
    BlockError,
    LogCorruptError,
    LogError,
    LogLockedError,
    translated,
)
from stream.inbox import Outbox
from stream.limits import Limits
from stream.lockfile import LockFile
from stream.store import Sync, connect, settle


class LogFile:
    """A log's file with one connection, used by one thread at a time.

    1. One process writes: it holds the lock file. Where another one does, a SHARED log reads, and hands over.
    2. Whatever fails, `close` lets go of the file and the lock.
    """

    def __init__(self, path: str, sync: Sync, limits: Limits, *, read_only: bool, shared: bool) -> None:
        self.path = path
        self.sync = sync
        self.limits = limits
        self.read_only = read_only
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._outbox: Outbox | None = None
        self._file = None if read_only else self._lead(shared=shared)
        try:
            if self._file is None and not read_only:
                self._outbox = Outbox(path, limits, sync)
            self.read_only = self._file is None
            self._connection = connect(path, limits, read_only=self.read_only, sync=sync)
        except BaseException:
            self._close()
            raise

    def _lead(self, *, shared: bool) -> LockFile | None:
        """Return the writer's lock; None if another process has it and the log is SHARED."""
        try:
            return LockFile(self.path)
        except LogLockedError:
            if shared:
                return None
            raise

    def check(self) -> list[Finding]:
        """Return what is wrong with the file, nothing if it is sound; reads all of it."""
        findings: list[Finding] = []
        try:
            with self.reading(CHECKING) as connection:
                findings.extend(inspect.check(connection))
        except LogError as error:
            findings.append(Finding("structure", "file", str(error)))
        return findings

    @contextmanager
    def reading(self, doing: str = "reading") -> Iterator[sqlite3.Connection]:
        """Give a connection that sees the log as it is now, for long reads beside other calls."""
        with self._using(doing):
            connection = connect(self.path, self.limits, read_only=True)
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            raise translated(error, self.path, doing) from error
        finally:
            connection.close()

    def _begins(self, connection: sqlite3.Connection) -> bool:
        """Begin a transaction that only reads, where one is needed; tell whether it was."""
        # In the writing process the lock is enough: nobody else writes.
        begins = self.read_only and not connection.in_transaction
        if begins:
            connection.execute("BEGIN")
        return begins

    @contextmanager
    def _using(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Hold the lock of the log, and say what SQLite's errors mean."""
        with self._lock:
            if self._connection is None:
                raise LogError(
                    f"{self.path}: expected an open log while {doing}, found a closed one; open it again"
                )
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise translated(error, self.path, doing) from error
            # A block that is none; and where the file held text there may be none.
            except (BlockError, TypeError, UnicodeDecodeError) as error:
                found = self.explained(error)
                if found is error:
                    raise
                raise found from error

    def explained(self, error: Exception) -> Exception:
        """Return a LogCorruptError if the file is damaged, ERROR itself if it is sound.

        For who met ERROR in rows of this log: it reads the whole file to find out whose fault that is.
        """
        findings = self.check()
        if not findings:
            return error
        first = findings[0]
        found = "a fault," if len(findings) == 1 else f"{len(findings)} faults, first"
        return LogCorruptError(
            f"{self.path}: expected a sound file while reading events, found {found}"
            f" {first.where}: {first.detail:.300}; run `headrace log check` on it, export what it still holds"
            " and start a new log"
        )

    def _close(self, *, settled: bool = False, remove: bool = False) -> None:
        """Let go of the file and the lock; SETTLED: all events are on the disk, REMOVE: nothing is left."""
        with self._lock:
            connection, self._connection = self._connection, None
            try:
                if connection is not None:
                    self._part(connection, settled=settled)
                for part in ("", "-wal", "-shm") if remove else ():
                    Path(f"{self.path}{part}").unlink(missing_ok=True)
            finally:
                outbox, self._outbox = self._outbox, None
                if outbox is not None:
                    outbox.close()
                file, self._file = self._file, None
                if file is not None:
                    file.release()

    def _part(self, connection: sqlite3.Connection, *, settled: bool) -> None:
        try:
            # The last connection to a file does this as it closes, but tells nobody where it fails.
            if settled:
                settle(connection, "PASSIVE")
        except sqlite3.Error as error:
            raise translated(error, self.path, CLOSING) from error
        finally:
            connection.close()
