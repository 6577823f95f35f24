"""Logs that seal as soon as they can, in a folder of their own, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from featuregraph.testing.clock import FakeClock
from stream.blocks.sealing import Sealing
from stream.limits import Limits
from stream.log import EventLog

Open = Callable[..., EventLog]
SOON = Sealing(most_tail=20, least_tail=5, own=4, most_events=16, join=3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the log is made."""
    return tmp_path / "events.db"


@pytest.fixture
def open_log(path: Path) -> Iterator[Open]:
    """Return a function that opens the log; all are closed in the end."""
    opened: list[EventLog] = []

    def open_it(**options: Any) -> EventLog:
        defaults = {"clock": FakeClock(1_000_000), "limits": Limits(sealing=SOON, free_bytes=0)}
        log = EventLog(path, **{**defaults, **options})
        opened.append(log)
        return log

    yield open_it
    for log in opened:
        log.close()


@pytest.fixture
def log(open_log: Open) -> EventLog:
    """Return an empty log."""
    return open_log()
