"""The folder of a bucketed run: beside the output, gone with the run, or kept so that it can be resumed.

.OUT.XXXXXX.spill   without --resume: removed however the run ends; what a killed one left goes with the next
OUT.resume          with --resume: kept until the output is there; it says of what run it is

Each is locked by who works in it, for as long as that process lives.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream.atomic import replacing
from stream.errors import BackfillError

fcntl: Any
try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None

_RUN, _EVENTS = "run.json", "events.json"
_SUFFIX = ".spill"


@dataclass(frozen=True, slots=True)
class Corner:
    """A folder for the events of one key; started: what a run that was cut has noted, if it got so far."""

    folder: Path
    started: Mapping[str, Any] | None = None

    def note(self, what: Mapping[str, Any]) -> None:
        """Note WHAT of the events, once all of them are there."""
        with replacing(self.folder / _EVENTS) as part:
            part.write_text(json.dumps(what))


@dataclass(frozen=True, slots=True)
class Workplace:
    """A folder to work in."""

    folder: Path

    def corner(self, name: str) -> Corner:
        """Return the corner NAME; what was left there half done is gone."""
        folder = self.folder / name
        if (folder / _EVENTS).exists():
            return Corner(folder, json.loads((folder / _EVENTS).read_text()))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return Corner(folder)


@contextmanager
def workplace(out: Path | None, identity: Mapping[str, Any] | None) -> Iterator[Workplace]:
    """Give the folder of a run that writes OUT (None: a table).

    identity: what tells this run from another one, if it is to be resumed; None: it is not.

    Raises:
        BackfillError: another run works there, or what is kept is of another run.
    """
    if identity is not None and out is not None:
        with _kept(out.with_name(f"{out.name}.resume"), identity) as place:
            yield place
            shutil.rmtree(place.folder)
        return
    if out is not None:
        _sweep(out)
    prefix = "headrace-" if out is None else f".{out.name}."
    folder = Path(tempfile.mkdtemp(_SUFFIX, prefix, None if out is None else out.parent))
    try:
        with _locked(folder):
            yield Workplace(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _kept(folder: Path, identity: Mapping[str, Any]) -> Iterator[Workplace]:
    folder.mkdir(exist_ok=True)
    with _locked(folder):
        kept = folder / _RUN
        if kept.exists():
            started = json.loads(kept.read_text())
            other = [name for name, value in identity.items() if started.get(name) != value]
            if other:
                raise BackfillError(
                    f"{folder}: expected what a run of the same graphs, files and versions left, found other"
                    f" {', '.join(other)}; remove the folder to begin anew"
                )
        else:
            with replacing(kept) as part:
                part.write_text(json.dumps(identity))
        yield Workplace(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not _lock(descriptor):
            raise BackfillError(f"{folder}: expected no other run, found one at work there; let it finish")
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(out: Path) -> None:
    """Remove what runs that were killed left of OUT."""
    for folder in out.parent.glob(f".{out.name}.*{_SUFFIX}"):
        with contextlib.suppress(OSError, BackfillError), _locked(folder):
            shutil.rmtree(folder, ignore_errors=True)
