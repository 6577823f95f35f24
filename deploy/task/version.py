"""A version of a task: a bundle with who made it, why, from what, and after which version. Pure.

Versions are a chain by hash, as commits of git are: a version's id covers its bundle and its parent, so that
nobody can change what stands behind a version without changing its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from deploy import canonical, limits
from deploy.errors import HistoryError
from deploy.task.manifest import Line, TaskName
from inference.contract import Sha256

FORMAT: Final = 1
_PLAIN = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*\Z"  # a message is shown in terminals


class Commit(Struct, frozen=True, forbid_unknown_fields=True):
    """The commit of git whose files were packed, and the folder in its tree."""

    id: Annotated[str, Meta(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")]
    folder: Annotated[str, Meta(max_length=4096)] = ""


class Version(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """One step in the history of a task."""

    task: TaskName
    bundle: Sha256
    graph_id: Sha256
    author: Annotated[Line, Meta(min_length=1)]
    message: Annotated[str, Meta(min_length=1, max_length=limits.MAX_MESSAGE, pattern=_PLAIN)]
    at_ms: Annotated[int, Meta(ge=0, le=1 << 53)]
    parent: Sha256 | None = None
    commit: Commit | None = None
    format: Literal[1] = FORMAT

    def to_json(self) -> bytes:
        """Return the canonical JSON, whose hash is the version's id."""
        return canonical.encode(self)

    @cached_property
    def id(self) -> str:
        """Return the version's id: SHA-256 of the canonical JSON."""
        return canonical.digest(self.to_json())

    @staticmethod
    def from_json(content: bytes, step: str = "restore the store from a copy") -> Version:
        """Return the version in CONTENT; raise HistoryError, which ends with STEP, if it is none."""
        return canonical.decode(content, Version, "version", limits.MAX_VERSION, HistoryError, step)


def ancestry(head: str, get: Callable[[str], Version]) -> Iterator[Version]:
    """Yield the version HEAD and those before it, the newest first; a chain of hashes has no cycle."""
    at: str | None = head
    while at is not None:
        version = get(at)
        yield version
        at = version.parent
