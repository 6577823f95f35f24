"""The device engine as an executor of the conformance suite: a real log file, a fake clock, one mode."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featuregraph import CompileError, FeatureVector, Graph
from featuregraph.testing.clock import FakeClock
from featuregraph.testing.conformance import NO_TABLES, Tables
from stream.engine import MODES, Engine, Mode
from stream.log import EventLog
from stream.query import ask
from stream.testing.table_files import TableFiles


@dataclass(frozen=True, slots=True)
class DeviceExecutor:
    """Answers golden cases with an engine in one mode."""

    mode: Mode

    @property
    def name(self) -> str:
        """Return the executor's name in test ids."""
        return f"device-{self.mode}"

    @property
    def serves(self) -> bool:
        """Tell that it is a device."""
        return True

    def run(
        self,
        graphs: Sequence[Graph],
        arrivals: Sequence[Mapping[str, Any]],
        queries: Sequence[Mapping[str, Any]],
        *,
        strict: bool = False,
        tables: Tables = NO_TABLES,
        end: int | None = None,
    ) -> Sequence[FeatureVector]:
        """Return one vector per query.

        A query is asked as soon as its events have arrived, so that states move on.
        """
        graph, *others = graphs
        if others or not isinstance(graph.key, str):
            raise CompileError(f"expected one graph under one column, found {graphs}; replay them")
        plan = graph.compile()
        clock = FakeClock(2**62)  # no clock has been told: nothing lies in the future
        waiting = sorted(range(len(queries)), key=lambda i: queries[i].get("after", len(arrivals)))
        found: dict[int, FeatureVector] = {}
        with (
            tempfile.TemporaryDirectory() as folder,
            EventLog(Path(folder) / "log.db", key=graph.key, clock=clock, history_start_ms="all") as log,
        ):
            files = TableFiles(Path(folder), graph, tables, strict=strict)
            engine = Engine(log, mode=self.mode, strict=strict, tables=files.paths)
            graph_id = engine.install(plan)
            for count in range(len(arrivals) + 1):
                if count:
                    _arrive(engine, clock, files, arrivals[count - 1])
                while waiting and queries[waiting[0]].get("after", len(arrivals)) == count:
                    number = waiting.pop(0)
                    found[number] = ask(engine, graph_id, queries[number]["key"], queries[number])
        return [found[i] for i in range(len(queries))]


def _arrive(engine: Engine, clock: FakeClock, files: TableFiles, arrival: Mapping[str, Any]) -> None:
    if "rows" in arrival and "event" not in arrival:
        if (name := arrival["table"]) in files.paths:
            engine.use_table(name, files.add(name, arrival["rows"]))
    elif "clock" in arrival:
        clock.set(arrival["clock"])
    elif "forget" in arrival:
        engine.forget(**arrival["forget"])
    else:
        engine.append_many([arrival], keep_known=True)


EXECUTORS = [DeviceExecutor(mode) for mode in MODES]
