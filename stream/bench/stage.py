"""One workload made ready for many systems: its log filled once, its plan compiled once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from featuregraph import Plan
from stream.bench.engines import EngineSystem, filled
from stream.bench.system import Work
from stream.engine import Mode

BUDGET = 16 << 20  # bytes, the engine's own default


class Stage:
    """WORK with a folder for files."""

    def __init__(self, work: Work, folder: Path) -> None:
        self.work = work
        self.folder = folder
        self._files = 0

    @cached_property
    def plan(self) -> Plan:
        """Return the compiled graph."""
        return self.work.graph.compile()

    @cached_property
    def log(self) -> Path:
        """Return a folder with a log of the history."""
        return filled(self.work, self.folder)

    def engine(self, mode: Mode = "auto", budget: int = BUDGET, plan: Plan | None = None) -> EngineSystem:
        """Return an engine over a copy of the log, for PLAN or the work's own."""
        return EngineSystem(self.log, plan or self.plan, mode, at_ms=self.work.start_ms, memory_budget=budget)

    def file(self) -> Path:
        """Return the path of a file that is not there yet."""
        self._files += 1
        return self.folder / f"{self._files}.db"
