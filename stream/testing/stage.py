"""Histories played on a log with engines of every mode and budget, and held against the reference.

Each answer, or error, of each engine at each query must be the reference's, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from featuregraph.errors import EventError, FeatureGraphError
from featuregraph.graph import Graph
from featuregraph.ir import Node, Op, toposort
from featuregraph.reference import Log, Table, answers, opened
from featuregraph.reference.rows import is_partial
from featuregraph.testing.clock import FakeClock
from featuregraph.testing.exact import near
from featuregraph.types import INT64_MAX
from featuregraph.values import json_value, same
from stream.blocks.sealing import SEALING
from stream.engine import Engine
from stream.limits import Limits
from stream.log import EventLog
from stream.pace import PACE, Pace
from stream.query import ask
from stream.testing.histories import CHOOSERS, ENGINES, History
from stream.testing.lives import SOON
from stream.testing.table_files import TableFiles

Json = Any
TOLERANCE = 1e-12  # of decayed_sum, of the sum of the absolute terms (SEMANTICS 4.2)


@dataclass(slots=True)
class Played:
    """What a history was good for."""

    cells: int = 0  # values compared with the reference
    errors: int = 0  # queries that every executor refused alike
    telling: int = 0  # values that are neither null, zero, false nor empty


@dataclass(slots=True)
class _Stage:
    """The log and engines of a history being played, and the reference's logs beside them."""

    history: History
    path: Path
    pace: Pace
    clock: FakeClock
    graphs: list[Graph]
    known: list[Log]  # by graph
    tables: list[dict[str, Table]]  # by graph, those of the reference
    files: TableFiles  # of the first graph
    installed: set[int]
    played: Played = field(default_factory=Played)
    log: EventLog | None = None
    engines: list[Engine] = field(default_factory=list)

    def open(self) -> None:
        """Open the log and fresh engines with the plans that are installed."""
        start = self.history.history_start_ms
        self.log = EventLog(
            self.path,
            key=self.graphs[0].key_columns[0],
            clock=self.clock,
            history_start_ms="all" if start is None else start,
            limits=Limits(sealing=SEALING if self.pace is PACE else SOON),
        )
        self.engines = [
            Engine(
                self.log,
                mode=setup.mode,
                memory_budget=setup.budget,
                pace=self.pace,
                chooser=CHOOSERS.get(setup.ways),
                tables=self.files.paths,
            )
            for setup in ENGINES
        ]
        for number in sorted(self.installed):
            self.install(number)

    def install(self, number: int) -> None:
        """Install the graph NUMBER in all engines."""
        self.installed.add(number)
        for one in self.engines:
            one.install(self.graphs[number].compile())

    def remove(self, number: int) -> None:
        """Take the graph NUMBER out of all engines."""
        self.installed.discard(number)
        for one in self.engines:
            one.remove(self.graphs[number].id)

    def upgrade(self, old: int, new: int) -> None:
        """Put the graph NEW in the place of the graph OLD in all engines."""
        self.installed = self.installed - {old} | {new}
        for one in self.engines:
            one.upgrade(self.graphs[old].id, self.graphs[new].compile())

    def add_rows(self, name: str, rows: list[Json]) -> None:
        """Let ROWS of the table NAME become known: to engines as another version of its file."""
        self.tables[0][name].add(rows)
        path = self.files.add(name, rows)
        for one in self.engines:
            one.use_table(name, path)

    def close(self) -> None:
        """Close the log."""
        if self.log is not None:
            self.log.close()

    def by(self, number: int | None) -> Any:
        """Return who takes events: an engine, or the log behind their backs."""
        return self.log if number is None else self.engines[number]


def check(history: History, folder: Path, pace: Pace = PACE) -> Played:
    """Play HISTORY in FOLDER; raise AssertionError at the first answer that is not the reference's."""
    graphs = [Graph.from_json(form) for form in history.graphs]
    stage = _Stage(
        history,
        folder / "log.db",
        pace,
        FakeClock(INT64_MAX),  # no clock has been told: nothing lies in the future
        graphs,
        [Log(graph.key, graph.events) for graph in graphs],
        [opened(graph.tables, history.tables) for graph in graphs],
        TableFiles(folder, graphs[0], history.tables, strict=False),
        set(range(len(graphs))),
    )
    stage.open()
    try:
        for step in history.steps:
            _play(stage, step)
    finally:
        stage.close()
    return stage.played


def _play(stage: _Stage, step: Json) -> None:
    match step:
        case {"append": events, "by": by}:
            _append(stage, events, stage.by(by))
        case {"forget": what, "by": by}:
            stage.by(by).forget(**what)
            _tell(stage, step)
        case {"clock": ms}:
            stage.clock.set(ms)
            _tell(stage, step)
        case {"table": name, "rows": rows}:
            stage.add_rows(name, rows)
        case {"restart": _}:
            stage.close()
            stage.open()
        case {"crash": _}:
            for one in stage.engines:
                one._kept.clear()  # nothing is saved as the log closes  # noqa: SLF001
            stage.close()
            stage.open()
        case {"remove": number}:
            stage.remove(number)
        case {"install": number}:
            stage.install(number)
        case {"upgrade": [old, new]}:
            stage.upgrade(old, new)
        case {"ask": query, "graph": number} if number in stage.installed:
            _ask(stage, number, query)


def _tell(stage: _Stage, step: Json) -> None:
    """Tell the reference's logs of a clock or of what is to be forgotten."""
    for log in stage.known:
        log.arrive(step)


def _append(stage: _Stage, events: list[Json], by: Any) -> None:
    """Append EVENTS in one call; where one of them is refused the call is, and they come again one by one."""
    refused = [_is_refused_by_reference(stage, event) for event in events]
    _require_refusal(by, events, expected=any(refused))
    if len(events) > 1 and any(refused):
        for event, expected in zip(events, refused, strict=True):
            _require_refusal(by, [event], expected=expected)


def _require_refusal(by: Any, events: list[Json], *, expected: bool) -> None:
    found = _outcome(lambda: by.append_many(events, keep_known=True))
    if isinstance(found, EventError) != expected:
        raise AssertionError(f"{events}: expected {'a refusal' if expected else 'none'}, found {found}")


def _is_refused_by_reference(stage: _Stage, event: Json) -> bool:
    found = {isinstance(_outcome(partial(log.arrive, event)), EventError) for log in stage.known}
    assert len(found) == 1, "whether an event is refused does not depend on the graph"
    return found.pop()


# ---------------------------------------------------------------- comparing


def _ask(stage: _Stage, number: int, query: Json) -> None:
    graph = stage.graphs[number]
    expected = _outcome(lambda: answers.ask(graph, stage.known[number], query, tables=stage.tables[number]))
    late: list[str] = []
    if not isinstance(expected, FeatureGraphError):
        start = _start(stage.history.history_start_ms, query)
        late = [
            n
            for n, node in graph.features.items()
            if is_partial(node, query["t"], start, include_now=graph.include_now)
        ]
    found = [_outcome(partial(ask, one, graph.id, query["key"], query)) for one in stage.engines]
    for setup, one in zip(ENGINES, found, strict=True):
        where = f"{setup}, {query}"
        if isinstance(expected, FeatureGraphError) or isinstance(one, FeatureGraphError):
            _same_error(where, expected, one)
            continue
        assert list(one.partial) == late, f"{where}: expected partial {late}, found {one.partial}"
        assert list(one.values) == list(graph.features), f"{where}: features {list(one.values)}"
        _same_values(stage, where, number, query, (expected.values, found[0].values, one.values))
    if isinstance(expected, FeatureGraphError):
        stage.played.errors += 1


def _start(held_from: int | None, query: Json) -> int | None:
    """Return from when on the history counts: the log's, and with as_known the query's."""
    asked = query.get("history_start_ms") if query.get("as_known") else None
    return max((ms for ms in (held_from, asked) if ms is not None), default=None)


def _outcome(call: Any) -> Any:
    try:
        return call()
    except FeatureGraphError as error:
        return error


def _same_error(where: str, expected: Any, found: Any) -> None:
    def facts(one: Any) -> Any:
        return (one.kind, getattr(one, "feature", None)) if isinstance(one, FeatureGraphError) else "values"

    assert facts(expected) == facts(found), (
        f"{where}: expected {facts(expected)}, found {facts(found)}: {found}"
    )


def _same_values(
    stage: _Stage, where: str, number: int, query: Json, values: tuple[Mapping[str, Any], ...]
) -> None:
    graph = stage.graphs[number]
    for name, node in graph.features.items():
        expected, first, found = (
            json_value(node.type, v[name], per_candidate=node.per_candidate) for v in values
        )
        if _is_decayed(node):
            assert same(first, found), (
                f"{where}: {name!r}: expected {first!r} as in the first mode, found {found!r}"
            )
            slack = _slack(stage, number, node, query)
            close = slack is None or near(expected, found, absolute=slack)
            assert close, f"{where}: {name!r}: expected {expected!r} within {slack}, found {found!r}"
        else:
            assert same(expected, found), (
                f"{where}: {name!r} ({node.type}): expected {expected!r}, found {found!r}"
            )
        stage.played.cells += 1
        stage.played.telling += bool(expected)


def _is_decayed(node: Node) -> bool:
    return any(n.op is Op.AGG and n["agg"] == "decayed_sum" for n in toposort([node]))


def _slack(stage: _Stage, number: int, node: Node, query: Json) -> float | None:
    """Return what a bare decayed_sum may differ by; None where |x| overflows, or it is not bare."""
    aggregate = node if node.op is Op.AGG else node.args[0]
    if aggregate.op is not Op.AGG:
        return None
    x = aggregate.role("x")
    assert x is not None
    sizes = Node(Op.ABS, x.type, (x,))
    parts = [
        sizes if role == "x" else arg for role, arg in zip(aggregate["roles"], aggregate.args, strict=True)
    ]
    graph = Graph.from_json(stage.history.graphs[number])
    graph.features = {"size": Node(Op.AGG, aggregate.type, parts, **dict(aggregate.attrs))}
    with suppress(FeatureGraphError):
        total = answers.ask(graph, stage.known[number], query, tables=stage.tables[number]).values["size"]
        terms = total.values() if isinstance(total, dict) else [total]
        return TOLERANCE * max(terms, default=0.0)
    return None
