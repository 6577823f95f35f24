"""What a person calls a bundle: FILE, TASK, TASK~N (the Nth before the last), TASK@PREFIX (of an id)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from deploy.bundle.bundle import Bundle
from deploy.bundle.bundlefile import read_bundle
from deploy.bundle.store import Store
from deploy.errors import HistoryError
from deploy.limits import MAX_HISTORY
from deploy.task.version import Version

_REF = re.compile(r"(?P<task>[^~@]+)(?:~(?P<back>\d{1,6})|@(?P<prefix>[0-9a-f]{4,64}))?", re.ASCII)
_FORMS = "give a bundle's file, TASK, TASK~N or TASK@ID"


@dataclass(frozen=True, slots=True)
class Found:
    """A bundle, and the version that it came by, if it did."""

    bundle: Bundle
    version: Version | None


def resolve(ref: str, store: Store | None) -> Found:
    """Return what REF names; raise HistoryError if it names nothing, or more than one version."""
    if Path(ref).is_file():
        return Found(read_bundle(Path(ref)), None)
    match = _REF.fullmatch(ref)
    if match is None:
        raise HistoryError(f"expected a bundle, found {ref!r:.80}; {_FORMS}")
    if store is None:
        raise HistoryError(f"{ref:.80}: expected a bundle's file, found none; {_FORMS}, a task with --store")
    version = _version(store, match["task"], int(match["back"] or 0), match["prefix"], ref)
    return Found(store.bundle(version.bundle), version)


def _version(store: Store, task: str, back: int, prefix: str | None, ref: str) -> Version:
    history = islice(store.history(task), MAX_HISTORY)
    if prefix is None:
        found = list(islice(history, back, back + 1))
    else:
        found = list(islice((version for version in history if version.id.startswith(prefix)), 2))
    if len(found) != 1:
        many = "more than one" if found else "none"
        raise HistoryError(f"{ref:.80}: expected one version, found {many}; see headrace task log {task:.64}")
    return found[0]
