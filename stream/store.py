"""One connection to a log file: opened with care, checked to be ours, set up, and closed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from stream.errors import OPENING, LogError, LogFormatError, translated
from stream.limits import Limits
from stream.schema import APPLICATION_ID, FORMAT, STEPS

Sync = Literal["batch", "full"]
_LEVEL: Final = {"batch": "NORMAL", "full": "FULL"}
UNPARSABLE: Final = "unparsable "  # in `meta`, before the name of a field
_HEADER_BYTES: Final = 100  # of any SQLite file; it takes a shorter one for empty, and would write over it
_BACK: Final = "give the path of a log or of a new file; a damaged log must come back from a copy"
_WAL_KEPT_BYTES: Final = 4 * 1024 * 1024


def connect(path: str, limits: Limits, *, read_only: bool, sync: Sync = "batch") -> sqlite3.Connection:
    """Return a connection to the log at PATH; if it may write, the log is made or brought to this format."""
    if Path(path).is_dir():
        raise LogError(f"{path}: expected a file, found a folder; give the path of the log file inside")
    if read_only and not Path(path).exists():
        raise LogError(
            f"{path}: expected a log, found nothing; check the path, or open it for writing to make one"
        )
    if Path(path).exists() and 0 < Path(path).stat().st_size < _HEADER_BYTES:
        raise LogFormatError(f"{path}: expected a log, found a file too short to be one; {_BACK}")
    with _opened(path, limits, read_only=read_only) as connection:
        _set_up(connection, path, limits, sync, read_only=read_only)
    return connection


def connect_beside(path: str, limits: Limits, sync: Sync) -> sqlite3.Connection:
    """Return a connection that writes to the log at PATH though another process is its writer."""
    with _opened(path, limits, read_only=False, mode="rw") as connection:
        found = _format(connection, path)
        if found != FORMAT:
            raise _other_format(path, found)
        connection.execute(f"PRAGMA cache_size = -{limits.cache_bytes // 1024}")
        _sync_as(connection, sync)
    return connection


@contextmanager
def _opened(path: str, limits: Limits, *, read_only: bool, mode: str = "rwc") -> Iterator[sqlite3.Connection]:
    """Give a connection, which is closed if what is done to it fails; say what SQLite's errors mean."""
    connection = None
    try:
        connection = _open(path, limits, read_only=read_only, mode=mode)
        yield connection
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, (sqlite3.Error, UnicodeDecodeError)):
            raise translated(error, path, OPENING) from error
        raise


def _open(path: str, limits: Limits, *, read_only: bool, mode: str = "rwc") -> sqlite3.Connection:
    uri = Path(path).absolute().as_uri() + ("?mode=ro" if read_only else f"?mode={mode}")
    # Without a write-ahead log beside it, a file that may not be written is read as it stands.
    wal = Path(f"{path}-wal")
    if (
        read_only
        and not os.access(Path(path).absolute().parent, os.W_OK)
        and not (wal.exists() and wal.stat().st_size)
    ):
        uri += "&immutable=1"
    return sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=limits.busy_ms / 1000,
        cached_statements=256,
    )


def _set_up(
    connection: sqlite3.Connection, path: str, limits: Limits, sync: Sync, *, read_only: bool
) -> None:
    connection.execute(f"PRAGMA cache_size = -{limits.cache_bytes // 1024}")
    found = _format(connection, path)
    if read_only:
        if found != FORMAT:
            raise _other_format(path, found)
        return
    if found == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table
    connection.execute("PRAGMA journal_mode = WAL")
    _sync_as(connection, sync)
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
    if found < FORMAT:
        _migrate(connection, found)


def _sync_as(connection: sqlite3.Connection, sync: Sync) -> None:
    connection.execute(f"PRAGMA synchronous = {_LEVEL[sync]}")
    # On macOS fsync leaves data in the drive's memory; elsewhere these two change nothing.
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA checkpoint_fullfsync = ON")


def _format(connection: sqlite3.Connection, path: str) -> int:
    """Return the format of a log, 0 for a file without any table; refuse every other file untouched."""
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner == APPLICATION_ID and 0 < found <= FORMAT:
        return found
    if owner == APPLICATION_ID:
        raise _other_format(path, found)
    if tables or owner:
        raise LogFormatError(
            f"{path}: expected a log, found a database of another program;"
            " give the path of a log or of a new file"
        )
    return 0


def _other_format(path: str, found: int) -> LogFormatError:
    if found == 0:
        return LogFormatError(
            f"{path}: expected a log, found an empty file; give the path of a log, or open it for writing"
        )
    step = (
        "install a newer headrace"
        if found > FORMAT
        else "open it once for writing, which brings it to this format"
    )
    return LogFormatError(f"{path}: expected a log of format {FORMAT}, found format {found}; {step}")


def _migrate(connection: sqlite3.Connection, found: int) -> None:
    """Run the missing steps in one transaction, so that a file has one format or the other at any moment."""
    with transaction(connection):
        for step in STEPS[found:]:
            for statement in step.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk or an I/O error may have rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def give_back(connection: sqlite3.Connection, kept_bytes: int = 0) -> None:
    """Give free pages of the file back to the system, but for KEPT_BYTES."""
    free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size")
    )
    if (pages := free - kept_bytes // size) > 0:
        connection.executescript(f"PRAGMA incremental_vacuum({pages})")  # execute() would stop after a page


@contextmanager
def synced(connection: sqlite3.Connection) -> Iterator[None]:
    """Let what is committed inside be on the disk when it is, whatever the log's `sync`."""
    (level,) = connection.execute("PRAGMA synchronous").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA synchronous = {level}")


def settle(connection: sqlite3.Connection, mode: Literal["PASSIVE", "FULL"]) -> None:
    """Bring all commits to the disk; FULL waits for readers, so that they are in the file itself."""
    _, frames, copied = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    if copied < frames:
        # A reader keeps frames from being copied, and what is not copied is not synced: a synced commit does.
        with synced(connection), transaction(connection):
            add_meta(connection, settled=1)


def meta(connection: sqlite3.Connection) -> dict[str, int | str | None]:
    """Return all of `meta`."""
    return dict(connection.execute("SELECT name, value FROM meta"))


def set_meta(connection: sqlite3.Connection, **values: int | str | None) -> None:
    """Set the VALUES of `meta`."""
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


def add_meta(connection: sqlite3.Connection, **amounts: int) -> None:
    """Add AMOUNTS to the counters in `meta`; those that are 0 cost nothing."""
    for name, amount in amounts.items():
        if amount:
            connection.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value +"
                " excluded.value",
                (name, amount),
            )
