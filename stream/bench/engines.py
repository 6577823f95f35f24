"""The device engine as a system to measure, and a log that is filled once and copied for each engine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from featuregraph import Plan
from featuregraph.testing.clock import FakeClock
from stream.bench.system import Event, Values, Work
from stream.engine import Engine, Mode
from stream.log import EventLog

KEY = "me"
LOG = "bench.db"


class EngineSystem:
    """An engine of one mode over a copy of a log."""

    def __init__(self, log: Path, plan: Plan, mode: Mode, *, at_ms: int, memory_budget: str | int) -> None:
        """Copy the folder LOG beside it, and open an engine there with PLAN, the clock at AT_MS."""
        self._folder = tempfile.TemporaryDirectory(dir=log.parent)
        folder = shutil.copytree(log, Path(self._folder.name) / "log")
        self.clock = FakeClock(at_ms)
        self.log = EventLog(folder / LOG, clock=self.clock)
        self.engine = Engine(self.log, key=KEY, mode=mode, memory_budget=memory_budget)
        self.plan = plan
        self.engine.install(plan)

    def append(self, events: Sequence[Event]) -> None:
        """Append EVENTS one by one, as they happen."""
        for event in events:
            self.clock.set(max(self.clock.now_ms(), event["ts_ms"]))
            self.engine.append(event)

    def extract(self, t: int) -> Values:
        """Return the engine's values at T."""
        return self.engine.extract(self.plan.id, at_ms=t).values

    @property
    def state_bytes(self) -> int:
        """Return what the engine says that it holds."""
        return self.engine.state_bytes

    @property
    def log_bytes(self) -> int:
        """Return the bytes of the log's files."""
        return size(Path(self.log.path).parent)

    def close(self) -> None:
        """Close the log and remove it."""
        self.log.close()
        self._folder.cleanup()


def filled(work: Work, folder: Path) -> Path:
    """Return a folder inside FOLDER with a log of the history of WORK."""
    made = folder / "filled"
    made.mkdir()
    with EventLog(made / LOG, clock=FakeClock(work.start_ms), history_start_ms="all") as log:
        Engine(log, key=KEY).append_many(work.history)
    return made


def size(folder: Path) -> int:
    """Return the bytes of the files in FOLDER."""
    return sum(file.stat().st_size for file in folder.iterdir())
