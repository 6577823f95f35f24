"""Which names of files a bundle may have: those that are one and the same file on every system. Pure.

1. Parts of A-Z a-z 0-9 . _ - with single slashes between: nothing absolute, no `..`, no backslash, no
   character that another system folds, composes or hides.
2. No part begins or ends with a dot, or is a device's name on Windows.
3. No two names are equal without regard to case, and none is a folder of another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from deploy.limits import MAX_DEPTH, MAX_PATH
from featuregraph.shown import shown

_PART = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?", re.ASCII)
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)
_FORM = "name it with A-Z a-z 0-9 . _ - and /"


def problem(name: str) -> str | None:
    """Return what is wrong with NAME as one line, None if nothing is."""
    if len(name) > MAX_PATH:
        return f"expected a name of at most {MAX_PATH} characters, found {shown(name)}; make it shorter"
    parts = name.split("/")
    if len(parts) > MAX_DEPTH:
        return f"expected at most {MAX_DEPTH} parts in a name, found {shown(name)}; put it higher"
    for part in parts:
        if not _PART.fullmatch(part):
            return f"expected a plain relative name, found {shown(name)}; {_FORM}"
        if part.partition(".")[0].lower() in _DEVICES:
            return f"expected a name that is a file on every system, found {shown(name)}; rename it"
    return None


def clash(names: Iterable[str]) -> str | None:
    """Return how two of NAMES stand for one file on some system, None if no two do."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        folded = name.lower()
        if (first := seen.setdefault(folded, name)) != name:
            return f"expected names that differ in more than case, found {first!r} and {name!r}; rename one"
    for folded, name in seen.items():
        parts = folded.split("/")
        for end in range(1, len(parts)):
            if (other := seen.get("/".join(parts[:end]))) is not None:
                return f"expected a file or a folder, found {other!r} as both, in {name!r}; rename one"
    return None
