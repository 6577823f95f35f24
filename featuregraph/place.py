"""Where in the user's file a word was written, for errors that teach."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

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
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] not in (_PACKAGE, "contextlib") or module.startswith(
            f"{_PACKAGE}.testing"
        ):
            return Place(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return None


@contextmanager
def placed(place: Place | None = None) -> Iterator[None]:
    """Add the user's place to a CompileError without one: PLACE, also further in, else the nearest."""
    outer = _given.set(place or _given.get())
    try:
        yield
    except CompileError as error:
        if getattr(error, "place", None) is None and (found := _given.get() or here()):
            raise with_place(error, found) from None
        raise
    finally:
        _given.reset(outer)


def with_place(error: CompileError, place: Place) -> CompileError:
    """Return ERROR with PLACE in front of its message."""
    told = type(error)(f"{place}: {error}")
    told.place = place
    return told
