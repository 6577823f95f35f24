"""A log in a folder of its own, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from featuregraph.testing.clock import FakeClock
from stream.log import EventLog

Open = Callable[..., EventLog]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the log is made."""
    return tmp_path / "events.db"


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock of the logs of this test."""
    return FakeClock(1_000_000)


@pytest.fixture
def open_log(path: Path, clock: FakeClock) -> Iterator[Open]:
    """Return a function that opens the log; all are closed in the end."""
    opened: list[EventLog] = []

    def open_it(**options: Any) -> EventLog:
        log = EventLog(path, **{"clock": clock, **options})
        opened.append(log)
        return log

    yield open_it
    for log in opened:
        log.close()


@pytest.fixture
def log(open_log: Open) -> EventLog:
    """Return an empty log."""
    return open_log()
