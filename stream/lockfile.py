"""The single writer's lock: a file beside the log that only one process holds, with its pid inside.

SQLite's own locks last as long as one transaction; this one lasts as long as a writer is open, so that
positions, ids and `known_ms` can be kept in memory. The operating system releases it when the process dies,
however it dies. Who closes removes the file while still holding it; who opened it before then holds a file
that is no longer there, sees that, and tries again.

The file is the writer's bell too: who hands it an event rings, so that the writer need not look into the
inbox before each answer.

    0: pid, spaces and a line's end      32: what was rung last, 8 random bytes
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any, Final

from stream.errors import LogError, LogLockedError, LogReadOnlyError

fcntl: Any
try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None


_BELL_AT: Final = 32
_BELL_BYTES: Final = 8


class LockFile:
    """The lock of the log at PATH, held from construction until `release`."""

    def __init__(self, path: str) -> None:
        self.path = f"{path}.lock"
        self._fd = _hold(self.path, path) if fcntl else _create(self.path, path)

    def rung(self) -> bytes | None:
        """Return what was rung last; None where nobody can ring: the disk was full, or has no such calls."""
        found = os.pread(self._fd, _BELL_BYTES, _BELL_AT) if fcntl else b""
        return found if len(found) == _BELL_BYTES else None

    def release(self) -> None:
        """Let others write, and leave no file behind where the folder allows it."""
        with contextlib.suppress(OSError):
            Path(self.path).unlink()
        os.close(self._fd)


class Bell:
    """The bell of whoever writes to the log at PATH, found before anything is handed over."""

    def __init__(self, path: str) -> None:
        """Find it; raise LogReadOnlyError if it may not be rung."""
        self._log = path
        self._path = f"{path}.lock"
        self._fd = self._open() if fcntl else None

    def ring(self) -> None:
        """Tell the writer that something waits, which stands in the file by now."""
        if self._fd is not None and _stands(self._path, self._fd):
            self._strike()
            return
        # Another process may have become the writer since, and looked before anything was there.
        self.close()
        with contextlib.suppress(LogError):
            self._fd = self._open() if fcntl else None
            self._strike()

    def _strike(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):  # the bytes are there to be written over
                os.pwrite(self._fd, os.urandom(_BELL_BYTES), _BELL_AT)

    def _open(self) -> int | None:
        """Return the open file, None if nobody writes: whoever comes will look."""
        try:
            return os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LogReadOnlyError(
                f"{self._log}: expected to write to the lock file {self._path}, which tells the writer of"
                f" events, found: {error.strerror}; give write permission, or open the log with"
                " read_only=True"
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _hold(path: str, log: str) -> int:
    fd = _try(path, log)
    while not _stands(path, fd):
        os.close(fd)
        fd = _try(path, log)
    with contextlib.suppress(OSError):  # on a full disk nobody reads who holds it, but it is held
        # Never cut to nothing: ext4 syncs a file that was as it is closed, which takes 10 ms.
        os.pwrite(fd, b"%-31d\n" % os.getpid() + bytes(_BELL_BYTES), 0)
    return fd


def _try(path: str, log: str) -> int:
    fd = _open(path, log, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = _holder(fd)
        os.close(fd)
        raise _locked(log, holder, "close it there") from None
    return fd


def _stands(path: str, fd: int) -> bool:
    """Tell whether the file at PATH is the one open as FD: its holder may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(fd), Path(path).stat())
    except FileNotFoundError:
        return False


def _create(path: str, log: str) -> int:
    """Hold the lock by the file's existence, which outlives a process that is killed."""
    try:
        fd = _open(path, log, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        with Path(path).open("rb") as file:
            raise _locked(
                log, _holder(file.fileno()), f"close it there, or remove {path} if that process is gone"
            ) from None
    os.write(fd, b"%d\n" % os.getpid())
    return fd


def _open(path: str, log: str, flags: int) -> int:
    try:
        return os.open(path, flags, 0o644)
    except FileExistsError:
        raise
    except PermissionError as error:
        raise LogReadOnlyError(
            f"{log}: expected a folder that may be written, found: {error.strerror}; "
            "give write permission, or open the log with read_only=True"
        ) from error
    except OSError as error:
        kind = LogReadOnlyError if error.errno == errno.EROFS else LogError
        raise kind(
            f"{log}: expected to make its lock file {path}, found: {error.strerror};"
            " check the path and that its folder exists"
        ) from error


def _holder(fd: int) -> str:
    text = os.read(fd, 32).strip()
    return text.decode("ascii") if text.isdigit() else "unknown"


def _locked(log: str, holder: str, step: str) -> LogLockedError:
    return LogLockedError(
        f"{log}: expected no other writer, found process {holder} holding it; {step}, or open the log"
        " with read_only=True"
    )
