"""What can go wrong between the world and the log.

StreamError
├── ArgumentError     (ValueError)  an option has no such form
├── EventFileError    (ValueError)  a file of events cannot be read; names file, row and column
├── TableFileError    (ValueError)  a file is no table of a graph, or is damaged
├── BackfillError     (ValueError)  replay cannot do what it was asked, or a file of queries cannot be read
├── BlockError        (ValueError)  bytes are no block of events; a log says of them that its file is damaged
└── LogError          (OSError)     the log cannot do what it was asked
    ├── LogLockedError              another process writes to it
    ├── LogFormatError              the file is no log, or one of another format or key
    ├── LogFullError                no room is left
    ├── LogReadOnlyError            the file or its folder may not be written
    └── LogCorruptError             the file is damaged

Every message is one line: what was expected, what was found, where, and the next step. An event that breaks
the contract is an EventError of featuregraph.errors.
"""

from __future__ import annotations

import sqlite3
from typing import ClassVar


class StreamError(Exception):
    """Root of the errors that this package raises on purpose."""

    kind: ClassVar[str] = "stream"


class ArgumentError(StreamError, ValueError):
    """Say that an option of a log or an engine has another form."""

    kind = "argument"


class EventFileError(StreamError, ValueError):
    """Say that a file of events cannot be read or written, and where."""

    kind = "file"


class TableFileError(StreamError, ValueError):
    """Say that a file is no table of a graph."""

    kind = "table"


class BackfillError(StreamError, ValueError):
    """Say that replay cannot do what it was asked, or cannot read its queries, and where."""

    kind = "backfill"


class BlockError(StreamError, ValueError):
    """Say that bytes are no block."""

    kind = "block"


class LogError(StreamError, OSError):
    """Say that the log cannot do what it was asked."""

    kind = "log"


class LogLockedError(LogError):
    """Say that another process holds the log."""


class LogFormatError(LogError):
    """Say that a file is no log that this version can read."""


class LogFullError(LogError):
    """Say that no room is left; nothing of the refused call was kept."""


class LogReadOnlyError(LogError):
    """Say that the file or its folder may not be written."""


class LogCorruptError(LogError):
    """Say that the file is damaged."""


# What is being done when an error is met.
OPENING, CHECKING = "opening the log", "checking"
FLUSHING, CLOSING, FORGETTING = "flushing", "closing", "forgetting"
_SALVAGE = "save what it still holds with `headrace log export` and start a new log"
# Advice to check a log helps nobody whose log cannot be opened, or is being checked.
_DAMAGED = {OPENING: "bring it back from a copy", CHECKING: _SALVAGE}


def contradiction(found: str) -> sqlite3.DatabaseError:
    """Return the error of SQLite for what was FOUND in a file whose tables and indexes disagree."""
    error = sqlite3.DatabaseError(found)
    error.sqlite_errorcode = 11  # as SQLite says where it notices
    return error


def translated(error: sqlite3.Error | UnicodeDecodeError, path: str, doing: str) -> LogError:
    """Return the LogError that says what ERROR of SQLite means while DOING something with the log at PATH."""
    damaged = _DAMAGED.get(doing, f"run `headrace log check` on it, {_SALVAGE}")
    if isinstance(error, UnicodeDecodeError):  # not even SQLite's complaint is text: it quotes the file
        return LogCorruptError(
            f"{path}: expected a sound file while {doing}, found bytes that are no text; {damaged}"
        )
    refined = getattr(error, "sqlite_errorcode", 0)
    code = refined & 0xFF
    said = str(error).replace("\n", " ")
    if code in _CORRUPT:
        return LogCorruptError(f"{path}: expected a sound file while {doing}, found: {said}; {damaged}")
    if refined in _UNSYNCED and doing not in (OPENING, FLUSHING, CLOSING):
        return LogError(
            f"{path}: expected the disk to sync while {doing}, found: {said}; check the disk and do it again,"
            " events with an event_id: whether this call was kept shows when the log is opened anew"
        )
    if code in _MEANING:
        kind, expected, step = _MEANING[code]
        outcome = _OUTCOME.get(doing, "nothing of this call was kept")
        return kind(f"{path}: expected {expected} while {doing}, found: {said}; {step.format(outcome)}")
    return LogError(f"{path}: expected SQLite to succeed while {doing}, found: {said}; {damaged}")


# SQLITE_CORRUPT; and SQLITE_CONSTRAINT: what the log found free is not, since its indexes disagree.
_CORRUPT = frozenset({11, 19})
# SQLITE_IOERR_FSYNC and _DIR_FSYNC: what was written before may be found again.
_UNSYNCED = frozenset({1_034, 1_290})
_LEFT = "what was taken before is in its write-ahead log, and copied as soon as that can be done"
# What became of a call that failed; of others nothing is kept.
_OUTCOME = {
    FLUSHING: _LEFT,
    CLOSING: _LEFT,
    FORGETTING: "then forget again, for the bytes may still be there",
}
# Primary result codes of SQLite, by number: not all have a name in the oldest Python we run on.
_MEANING: dict[int, tuple[type[LogError], str, str]] = {
    5: (LogLockedError, "the file to be free", "let the other process finish, then try again"),
    6: (LogLockedError, "the table to be free", "let the other reader finish, then try again"),
    8: (
        LogReadOnlyError,
        "a file that may be written",
        "give write permission to it and its folder, or open it with read_only=True",
    ),
    10: (LogError, "the disk to read and write", "check the disk, its free space and its limits; {}"),
    13: (LogFullError, "free space", "free some space or forget old events; {}"),
    14: (
        LogError,
        "a file that can be opened",
        "check the path, that its folder exists, and the permissions of both",
    ),
    26: (
        LogFormatError,
        "a log",
        "give the path of a log, or of a new file; a damaged log must come back from a copy",
    ),
}
