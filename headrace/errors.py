"""What the front door itself can refuse, and how any error becomes one line and an exit code.

HeadraceError
└── UsageError (ValueError)   a command, an option or a file is not what was expected
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

from headrace.commands import EXTRAS

OK, CHECK_FAILED, BAD_INPUT = 0, 1, 2
FAULT = 70  # EX_SOFTWARE of sysexits.h: the fault is ours, so it is none of the three above
INTERRUPTED = 130  # what a shell reports after Ctrl-C

PACKAGES = ("featuregraph", "stream", "inference", "deploy", "headrace")


class HeadraceError(Exception):
    """Root of the errors that the front door raises on purpose."""


class UsageError(HeadraceError, ValueError):
    """Say what a command expected, what it found, where, and the next step."""


def describe(error: BaseException) -> tuple[str, int]:
    """Return the one line that says ERROR to a person, and the exit code."""
    for rule in (_usage, _ours, _missing_module, _system, _database):
        if (line := rule(error)) is not None:
            return one_line(line), BAD_INPUT
    where = f" at {place}" if (place := _last_place(error)) else ""
    found = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return one_line(f"fault in headrace: {found}{where}; run it again with --debug and report that"), FAULT


def one_line(text: str) -> str:
    """Join the lines of TEXT."""
    return " ".join(part.strip() for part in text.splitlines() if part.strip())


def _usage(error: BaseException) -> str | None:
    # Typer's usage errors are known by their form: their class has moved between its releases.
    say = getattr(error, "format_message", None)
    return f"{_sentence(say())}; see --help" if callable(say) else None


def _sentence(text: str) -> str:
    """Return TEXT of Typer as a part of our line: one sentence without its stop."""
    return text.replace(". Did you mean", ", did you mean").rstrip(".?")


def _ours(error: BaseException) -> str | None:
    home = {cls.__module__.partition(".")[0] for cls in type(error).__mro__}
    return str(error) if home & set(PACKAGES) else None


def _missing_module(error: BaseException) -> str | None:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    root = error.name.partition(".")[0]
    if root in PACKAGES:
        return f"expected the module {error.name}, found none; this headrace is not whole: install it again"
    if extra := EXTRAS.get(root):
        return f"expected the package {root}, found none; run: pip install 'headrace[{extra}]'"
    return f"expected the package {root}, found none; run: pip install --force-reinstall headrace"


# What the system's commonest refusals mean for a person: expected, found, next step.
_REFUSALS: dict[int, tuple[str, str]] = {
    errno.ENOENT: ("expected a file or folder, found none", "correct the path"),
    errno.EEXIST: ("expected a free name, found a file", "choose another path or remove it"),
    errno.EISDIR: ("expected a file, found a folder", "name a file in it"),
    errno.ENOTDIR: ("expected a folder, found a file", "correct the path"),
    errno.EACCES: ("expected to be allowed, found that it is not", "change the rights or the path"),
    errno.EROFS: ("expected a disk to write on, found a read-only one", "choose another path"),
    errno.ENOSPC: ("expected room on the disk, found none", "free some and run it again"),
}


def _system(error: BaseException) -> str | None:
    if not isinstance(error, OSError) or error.strerror is None:
        return None
    said, step = _REFUSALS.get(error.errno or 0, (error.strerror, "headrace doctor knows the usual causes"))
    files = " and ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    return f"{said}{f': {files}' if files else ''}; {step}"


def _database(error: BaseException) -> str | None:
    return f"the log's database says: {error}" if isinstance(error, sqlite3.Error) else None


def _last_place(error: BaseException) -> str:
    frames = list(_frames(error))
    return f"{frames[-1][0]}:{frames[-1][1]}" if frames else ""


def _frames(error: BaseException) -> Iterator[tuple[str, int]]:
    """Give the module and line of each frame of ERROR, outermost first."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame.f_globals.get("__name__", "?"), trace.tb_lineno
        trace = trace.tb_next
