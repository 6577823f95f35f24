"""The folder of a bucketed run: beside the output, gone with the run, or kept so that it can be resumed.

.OUT.XXXXXX.spill   without --resume: removed however the run ends; what a killed one left goes with the next
OUT.resume          with --resume: kept until the output is there; a manifest says of what run it is

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

_MANIFEST = "manifest.json"
_SUFFIX = ".spill"


@dataclass(frozen=True, slots=True)
class Workplace:
    """A folder to work in; started: the manifest that a run which was cut has left, if it got so far."""

    folder: Path
    started: Mapping[str, Any] | None = None

    def note(self, identity: Mapping[str, Any], rest: Mapping[str, Any]) -> None:
        """Keep what run this is, and REST, once the events are spilled."""
        with replacing(self.folder / _MANIFEST) as part:
            part.write_text(json.dumps({"run": identity, **rest}))


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
        manifest = folder / _MANIFEST
        if not manifest.exists():  # it was cut before all events were there
            for path in folder.iterdir():
                path.unlink()
            yield Workplace(folder)
            return
        started = json.loads(manifest.read_text())
        other = [name for name, value in identity.items() if started["run"].get(name) != value]
        if other:
            raise BackfillError(
                f"{folder}: expected what a run of the same graphs, files and versions left, found other"
                f" {', '.join(other)}; remove the folder to begin anew"
            )
        yield Workplace(folder, started)


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
