"""The file operations of each life, recorded once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache

import pytest

from stream.testing.disk import Operation
from stream.testing.lives import LIVES
from stream.testing.playing import begin_life
from stream.testing.recording import record, strace
from stream.testing.survivors import LOG

Recorded = Callable[[int], Sequence[Operation]]


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Return the function from a life's number to what its process did; skip where nobody can tell."""
    if strace() is None:
        pytest.skip(
            "strace is not installed or may not trace here: the calls of a process cannot be recorded"
        )

    @cache
    def found(life: int) -> Sequence[Operation]:
        folder = tmp_path_factory.mktemp("recorded")
        (folder / "log").mkdir()
        begin_life(LIVES[life], str(folder / "log" / LOG))
        command = [sys.executable, "-m", "stream.testing.playing", str(folder / "log" / LOG), str(life)]
        return record(command, folder / "log", folder / "trace")

    return found
