"""Where in the user's file a word was written, for errors that teach."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType

from featuregraph.errors import CompileError

_PACKAGE = __name__.partition(".")[0]
_given: ContextVar[Place | None] = ContextVar("_given", default=None)  # where the words came from a file


@dataclass(frozen=True, slots=True)
class Place:
    """A line in a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def here() -> Place | None:
    """Return the nearest place outside this package, None if there is none."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.stack() would read every file
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not _is_ours(module):
            return Place(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


def _is_ours(module: str) -> bool:
    """Tell whether MODULE stands between a user's line and an error; testing writes graphs as users do."""
    ours = module.partition(".")[0] in (_PACKAGE, "contextlib")
    return ours and not module.startswith(f"{_PACKAGE}.testing")


@contextmanager
def placed(place: Place | None = None) -> Iterator[None]:
    """Add the user's place to a CompileError without one: PLACE, also further in, else the nearest."""
    outer = _given.set(place or _given.get())
    try:
        yield
    except CompileError as error:
        if error.place is None and (found := _given.get() or here()):
            raise with_place(error, found) from None
        raise
    finally:
        _given.reset(outer)


def with_place(error: CompileError, place: Place) -> CompileError:
    """Return ERROR with PLACE in front of its message."""
    told = type(error)(f"{place}: {error}")
    told.place = place
    return told
