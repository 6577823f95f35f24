"""Who can answer recorded queries: the reference, replay over columns, and the device engine by its modes.

Each gives exactly the same values; they differ in speed. A further executor is one more row of `executor`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from featuregraph import CompileError, FeatureOverflowError, Graph, Plan
from featuregraph.answer import Outcome
from stream.backfill.history import Recorded
from stream.backfill.part import Answers, Executor, Part
from stream.backfill.rowwise import Rowwise, by_key, named, outcome
from stream.engine import MODES, Engine, Mode
from stream.errors import BackfillError
from stream.log import EventLog
from stream.query import Query, ask
from stream.tablefile import write_table

# One key at a time is held, so this bounds the largest user, not their number.
_KEY_MEMORY = "256MiB"


class RowExecutor(Protocol):
    """Answers the queries of one plan over recorded events, rows both."""

    @property
    def name(self) -> str:
        """Return what the executor is called."""
        ...

    @property
    def needs_log(self) -> bool:
        """Tell whether it reads the log; else it reads the chosen keys' rows."""
        ...

    def part_of(self, plan: Plan) -> Plan | None:
        """Return what it computes of PLAN; None for nothing."""
        ...

    def outcomes(
        self, plan: Plan, events: Recorded, queries: Sequence[Query]
    ) -> Iterator[tuple[int, Outcome]]:
        """Give the place and the outcome of each query, in any order.

        Raises:
            RequestError: a query has another form than the graph asks for; names its row.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reference(Rowwise):
    """The brute-force evaluator, one key at a time: keys never mix (SEMANTICS 1.1)."""

    name: str = "reference"
    needs_log: bool = False

    def check(self, plan: Plan) -> None:
        """Do nothing: it computes whatever compiles."""

    def part_of(self, plan: Plan) -> Plan | None:
        """Return all of PLAN."""
        return plan

    def outcomes(
        self, plan: Plan, events: Recorded, queries: Sequence[Query]
    ) -> Iterator[tuple[int, Outcome]]:
        """Give each query's answer from a log of its key alone."""
        from featuregraph import reference
        from featuregraph.reference import answers

        graph, log = plan.graph, None
        tables = reference.opened(graph.tables, events.tables)
        answer = partial(answers.ask, graph, tables=tables, end=events.end)
        for key, places in by_key(queries):
            if log is None or events.split:
                log = reference.Log(graph.key, graph.events)
                for event in events.rows_of(key):
                    log.arrive(event)
            for place in places:
                yield place, outcome(partial(answer, log), queries[place], place)


@dataclass(frozen=True, slots=True)
class Local:
    """Replay over columns."""

    name: str = "local"
    needs_log: bool = False
    swell: int = 8  # columns, and what is computed of a block of them
    has_threads: bool = True

    def check(self, plan: Plan) -> None:
        """Do nothing: it computes whatever compiles."""

    def part_of(self, plan: Plan) -> Plan | None:
        """Return all of PLAN."""
        return plan

    def answer(
        self, plans: Sequence[Plan], part: Part, done: Callable[[int], object], *, threads: int = 1
    ) -> Answers:
        """Return the features of PLANS at the queries of PART."""
        from stream.backfill.columnar.parts import answer

        return answer(plans, part, done, threads=threads)

    def outcomes(
        self, plan: Plan, events: Recorded, queries: Sequence[Query]
    ) -> Iterator[tuple[int, Outcome]]:
        """Give each query's answer, in their order."""
        from stream.backfill.columnar.rowwise import local_outcomes

        rows = [row for rows in events.rows.values() for row in rows]
        found_in_order = local_outcomes(plan, rows, queries, tables=events.tables, end=events.end)
        for place, found in enumerate(found_in_order):
            if isinstance(found, FeatureOverflowError):
                yield place, named(found, queries[place], place)
            else:
                yield place, found


@dataclass(frozen=True, slots=True)
class Device(Rowwise):
    """The device engine in one mode, its time moving forward within each key."""

    mode: Mode = "auto"
    needs_log: bool = True

    @property
    def name(self) -> str:
        """Return the executor's name."""
        return f"device-{self.mode}"

    def check(self, plan: Plan) -> None:
        """Refuse labels and keys of several columns (SEMANTICS 9.2, 11.3)."""
        graph = plan.graph
        for found in (
            f"the labels {', '.join(graph.labels)}" if graph.labels else "",
            f"a key of the columns {', '.join(graph.key_columns)}" if len(graph.key_columns) > 1 else "",
        ):
            if found:
                raise CompileError(
                    f"graph {graph.name!r}: expected what a device computes, found {found}; "
                    'take engine "local"'
                )

    def part_of(self, plan: Plan) -> Plan | None:
        """Return PLAN without its labels; nothing under a key of several columns."""
        graph = plan.graph
        if len(graph.key_columns) > 1 or len(graph.labels) == len(graph.features):
            return None
        return graph.serving().compile() if graph.labels else plan

    def outcomes(
        self, plan: Plan, events: Recorded, queries: Sequence[Query]
    ) -> Iterator[tuple[int, Outcome]]:
        """Give each query's vector, key after key; what was held of a key is dropped after it."""
        assert events.log is not None
        with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
            files = _files(Path(folder), plan.graph, events)
            engine = Engine(events.log, mode=self.mode, memory_budget=_KEY_MEMORY, tables=files)
            yield from self._outcomes(engine, plan, events.log, queries)

    def _outcomes(
        self, engine: Engine, plan: Plan, log: EventLog, queries: Sequence[Query]
    ) -> Iterator[tuple[int, Outcome]]:
        graph_id = engine.install(plan)
        for key, places in by_key(queries):
            assert not isinstance(key, tuple), "refused by check"
            extract = partial(ask, engine, graph_id, _nobody(log) if key is None else key)
            for place in places:
                yield place, outcome(extract, queries[place], place)
            engine.memory_budget = 0
            engine.memory_budget = _KEY_MEMORY


def _files(folder: Path, graph: Graph, events: Recorded) -> dict[str, Path]:
    """Write the tables of GRAPH as files of a device, in FOLDER; return them by name."""
    found = {name: folder / f"{number}.table" for number, name in enumerate(graph.tables)}
    for name, path in found.items():
        write_table(path, graph.tables[name], events.tables[name])
    return found


def _nobody(log: EventLog) -> str:
    """Return a key without events: a null key sees none."""
    name = ""
    while log.max_ts(name) is not None:
        name += "-"
    return name


EXECUTORS: tuple[RowExecutor, ...] = (Reference(), Local(), *(Device(mode) for mode in MODES))


def executor(engine: str, mode: str) -> Executor:
    """Return the executor that ENGINE and, for the device, MODE name; raise BackfillError for none."""
    if engine == "device":
        if mode not in MODES:
            raise BackfillError(f"expected a mode ({', '.join(MODES)}), found {mode!r}; correct it")
        return Device(mode)
    if engine in ("local", "reference"):
        if mode != "auto":
            raise BackfillError(
                f'expected engine "device" with mode {mode!r:.60}, found {engine!r}; modes are the device\'s'
            )
        return Local() if engine == "local" else Reference()
    raise BackfillError(f"expected an engine (local, device, reference), found {engine!r}; correct it")
