"""The commit of git that a task's folder stands at, if its files are those of the commit."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.errors import TaskError
from deploy.task.version import Commit
from featuregraph.shown import bounded

_TIMEOUT_S: Final = 60
# A folder's own settings must not run programs while we only ask what stands in it.
_QUIET: Final = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks")


@dataclass(frozen=True, slots=True)
class Origin:
    """A commit, who made it, and what they said."""

    commit: Commit
    author: str
    message: str


def origin(folder: Path) -> Origin:
    """Return the commit whose files FOLDER has.

    Raises:
        TaskError: FOLDER is in no working tree of git, or has files that its commit has not, or other ones.
    """
    prefix = _git(folder, "rev-parse", "--show-prefix").strip().rstrip("/")
    changed = _git(folder, "status", "--porcelain", "--ignored", "-z", "--", ".")
    # What Python leaves beside scripts is not packed, so it does not count.
    odd = [line[3:] for line in changed.split("\0") if line and "__pycache__" not in line.split("/")]
    if odd:
        more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        raise TaskError(
            bounded(f"{folder}: expected the files of a commit, found {odd[0]!r} changed{more}; commit it")
        )
    said = _git(folder, "log", "-1", "--no-show-signature", "--format=%H%x00%an <%ae>%x00%B", "HEAD")
    sha, author, message = said.split("\0", 2)
    return Origin(Commit(sha, prefix), author, message.strip())


def _git(folder: Path, *words: str) -> str:
    env = {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    call = ["git", *_QUIET, "-C", str(folder), *words]
    try:
        ran = subprocess.run(call, capture_output=True, timeout=_TIMEOUT_S, check=False, env=env)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TaskError(
            f"{folder}: expected git to answer, found {error}; install it or leave --git out"
        ) from error
    if ran.returncode:
        said = ran.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
        raise TaskError(bounded(f"{folder}: expected a commit of git, found: {said}; commit the task first"))
    return ran.stdout.decode("utf-8", "replace")
