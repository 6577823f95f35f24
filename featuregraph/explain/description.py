"""A plan described: plain data, the same at every run, ready for text, JSON or a picture.

Times are int64 ms, None for a lifetime. Lists are in the order of the plan, features in that of their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from featuregraph.build import TS
from featuregraph.explain.cost import Cost, Kept, cost_of, fields_of, kept_of
from featuregraph.explain.load import Load
from featuregraph.explain.moves import moves, range_text
from featuregraph.infix import Writer, aggregate_text, events_text, infix, table_text
from featuregraph.ir import Node, Op, ahead_of, toposort
from featuregraph.layout import lay_out
from featuregraph.passes import PASSES
from featuregraph.plan import LIFETIME, NOWHERE, Plan
from featuregraph.steps import Steps, written

ASSUMED = Load()


@dataclass(frozen=True, slots=True)
class Shares:
    """Which other features use the same parts; those that are nearest are told, each once."""

    aggregates: tuple[str, ...]  # a state is theirs too
    rows: tuple[str, ...]  # the same rows after the filter, other windows or aggregates
    reads: tuple[str, ...]  # the same events, another filter


@dataclass(frozen=True, slots=True)
class FeatureLine:
    """One feature: what it is after the rewrites, and before them where they changed it."""

    name: str
    type: str
    expression: str  # other features by name
    written: str | None  # as the graph says it, None where the plan says the same
    reach_ms: int | None
    lifetime: bool  # a stream in it reaches before every history
    windowless: bool  # there is no stream in it
    looks_up: tuple[str, ...]  # tables
    ahead_ms: int | None  # how far it looks ahead: a label, computed in history only
    aggregates: tuple[int, ...]  # numbers in Description.aggregates
    events: tuple[str, ...]  # that it touches
    state_bytes: int  # of its aggregates, estimated as if all values differed
    shares: Shares
    alone: Cost  # of a query that computes it by itself, from the log: what the cache saves


@dataclass(frozen=True, slots=True)
class PassLine:
    """One pass of the optimiser: what it rests on, what a query costs after it, what it moved."""

    name: str
    law: str
    cost: Cost
    moved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AggregateLine:
    """One aggregate: computed once, whatever number of features need it."""

    expression: str
    computes: str  # without the stream
    features: tuple[str, ...]
    scanned: bool  # computed from the rows at each query, not kept as a state
    track: int
    window: str
    state: str  # what is kept
    state_bytes: int  # estimated as if all values differed


@dataclass(frozen=True, slots=True)
class TrackLine:
    """The rows that pass one filter, and the windows that share them."""

    events: tuple[str, ...]
    rows: str  # the events and the filter as text
    windows: tuple[str, ...]
    aggregates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScanLine:
    """One event, read once: how far back, which fields, which windows it serves."""

    event: str
    reach_ms: int | None
    fields: tuple[str, ...]
    slots: int  # values kept per row
    windows: tuple[str, ...]
    tracks: tuple[int, ...]
    early: tuple[str, ...]  # a row that fails all of these is not decoded


@dataclass(frozen=True, slots=True)
class Description:
    """Everything that explain shows of one plan."""

    graph: str
    id: str
    key: str
    include_now: bool
    events: Mapping[str, Mapping[str, str]]
    tables: Mapping[str, str]  # of each the key, whether it changes, and the fields
    requests: Mapping[str, str]
    candidates: Mapping[str, str]
    features: tuple[FeatureLine, ...]
    aggregates: tuple[AggregateLine, ...]
    tracks: tuple[TrackLine, ...]
    scans: tuple[ScanLine, ...]
    load: str  # what costs are told for
    written: Cost  # of a query that computes every feature by itself
    passes: tuple[PassLine, ...]
    nodes_written: int  # operators before the rewrites, equal ones counted once
    nodes: int

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the features that look ahead: devices serve the others."""
        return tuple(line.name for line in self.features if line.ahead_ms is not None)

    @property
    def lifetime(self) -> tuple[str, ...]:
        """Return the features that need all history."""
        return tuple(line.name for line in self.features if line.lifetime)

    @property
    def reach_ms(self) -> int | None:
        """Return how far back from a query the plan looks, None for a lifetime; 0 without a stream."""
        reaches = [scan.reach_ms for scan in self.scans]
        return None if None in reaches else max((r for r in reaches if r is not None), default=0)


def describe(plan: Plan, load: Load = ASSUMED) -> Description:
    """Return PLAN as data, with what queries cost under LOAD."""
    graph = plan.graph
    declared = {name: len(fields) for name, fields in graph.events.items()}
    by_itself = written(_demands(plan.features.values(), include_now=graph.include_now))
    stages = [by_itself]
    for one in PASSES:
        stages.append(one.run(stages[-1]))
    last = _in_order(stages[-1], plan)
    events = {name: _types(fields) for name, fields in graph.events.items()}
    aggregates = _aggregates(plan, last, load)
    return Description(
        graph=graph.name,
        id=plan.id,
        key=", ".join(graph.key_columns),
        include_now=graph.include_now,
        events=events,
        tables={name: table_text(table) for name, table in graph.tables.items()},
        requests=_types(graph.requests),
        candidates=_types(graph.candidates),
        features=_features(plan, last, aggregates, declared, load),
        aggregates=aggregates,
        tracks=_tracks(last),
        scans=tuple(_scan(last, number) for number in _by_event(last)),
        load=load.words,
        written=cost_of(by_itself, declared, load),
        passes=tuple(
            PassLine(
                one.name, one.law, cost_of(after, declared, load), moves(one.name, before, after, events)
            )
            for one, before, after in zip(PASSES, stages, stages[1:], strict=False)
        ),
        nodes_written=len(toposort(graph.features.values())),
        nodes=len(toposort(plan.features.values())),
    )


def _demands(nodes: Iterable[Node], *, include_now: bool) -> list[tuple[Node, bool]]:
    """Return what each of NODES asks for by itself."""
    return [(inner, include_now) for node in nodes for inner in toposort([node]) if inner.op is Op.AGG]


def _in_order(steps: Steps, plan: Plan) -> Steps:
    """Return STEPS with the computations in the order of PLAN's aggregates."""
    places = {compute.agg: compute for compute in steps.computes}
    return replace(steps, computes=tuple(places[agg] for agg in plan.aggregates))


def _by_event(steps: Steps) -> list[int]:
    return sorted(range(len(steps.reads)), key=lambda number: steps.reads[number].events)


def _types(fields: Mapping[str, object]) -> dict[str, str]:
    return {name: str(type) for name, type in fields.items()}


def _features(
    plan: Plan, steps: Steps, lines: Sequence[AggregateLine], declared: Mapping[str, int], load: Load
) -> tuple[FeatureLine, ...]:
    names = _names(plan.features)
    now, before = Writer(names), Writer(_names(plan.graph.features))
    numbers = {agg: i for i, agg in enumerate(plan.aggregates)}
    aggregates = {
        name: tuple(sorted(numbers[n] for n in toposort([node]) if n.op is Op.AGG))
        for name, node in plan.features.items()
    }
    shares = _shares(steps, lines, aggregates)
    found = []
    for name, node in plan.features.items():
        asked = _demands([node], include_now=plan.graph.include_now)
        found.append(
            FeatureLine(
                name=name,
                type=_type(node),
                expression=names[node] if names.get(node, name) != name else now.text(node),
                written=None if node is plan.graph.features[name] else before.text(plan.graph.features[name]),
                reach_ms=plan.reach.get(name),
                lifetime=plan.reach.get(name, NOWHERE) is LIFETIME,
                windowless=name in plan.windowless,
                looks_up=tuple(sorted({n["table"] for n in toposort([node]) if n.op is Op.TABLE})),
                ahead_ms=ahead_of(node),
                aggregates=aggregates[name],
                events=tuple(sorted({event for agg, _ in asked for event in agg["events"]})),
                state_bytes=sum(lines[number].state_bytes for number in aggregates[name]),
                shares=shares[name],
                alone=cost_of(written(asked), declared, load),
            )
        )
    return tuple(found)


def _shares(
    steps: Steps, lines: Sequence[AggregateLine], aggregates: Mapping[str, tuple[int, ...]]
) -> dict[str, Shares]:
    """Return with whom each feature shares what; AGGREGATES gives the numbers of each one's."""
    users: dict[tuple[str, int], dict[str, None]] = {}  # of each aggregate, track and read
    parts: dict[str, list[tuple[str, int]]] = {}
    for name, numbers in aggregates.items():
        tracks = {lines[number].track for number in numbers}
        reads = {read for track in tracks for read in steps.filters[track].reads}
        parts[name] = [
            *(("aggregate", number) for number in numbers),
            *(("rows", track) for track in sorted(tracks)),
            *(("read", read) for read in sorted(reads)),
        ]
        for part in parts[name]:
            users.setdefault(part, {})[name] = None
    found = {}
    for name in aggregates:
        told = {name}
        near: list[tuple[str, ...]] = []
        for kind in ("aggregate", "rows", "read"):
            with_whom = {o for part in parts[name] if part[0] == kind for o in users[part]} - told
            near.append(tuple(sorted(with_whom)))
            told |= with_whom
        found[name] = Shares(*near)
    return found


def _names(features: Mapping[str, Node]) -> dict[Node, str]:
    """Return the name of each part that is a feature: its first; what is a single leaf is written out."""
    return {features[name]: name for name in sorted(features, reverse=True) if features[name].args}


def _type(node: Node) -> str:
    return f"{node.type} per candidate" if node.per_candidate else str(node.type)


def _aggregates(plan: Plan, steps: Steps, load: Load) -> tuple[AggregateLine, ...]:
    users: dict[Node, list[str]] = {}
    for name, node in plan.features.items():
        for inner in toposort([node]):
            users.setdefault(inner, []).append(name)
    layout = lay_out(plan.demands)
    lines = []
    for compute, demand in zip(steps.computes, plan.demands, strict=True):
        span = steps.ranges[compute.range]
        scanned = layout.cells[layout.index[demand]].scanned
        kept: Kept = kept_of(steps, compute, load, scanned=scanned)
        lines.append(
            AggregateLine(
                expression=infix(compute.agg),
                computes=aggregate_text(compute.agg),
                features=tuple(users[compute.agg]),
                scanned=scanned,
                track=span.filter,
                window=range_text(span),
                state=kept.words,
                state_bytes=kept.bytes,
            )
        )
    return tuple(lines)


def _tracks(steps: Steps) -> tuple[TrackLine, ...]:
    lines = []
    for number, one in enumerate(steps.filters):
        events = tuple(sorted(event for read in one.reads for event in steps.reads[read].events))
        where = "" if one.where is None else f" where {infix(one.where)}"
        lines.append(
            TrackLine(
                events=events,
                rows=events_text(events) + where,
                windows=_windows(steps, [number]),
                aggregates=tuple(
                    i for i, c in enumerate(steps.computes) if steps.ranges[c.range].filter == number
                ),
            )
        )
    return tuple(lines)


def _scan(steps: Steps, number: int) -> ScanLine:
    read = steps.reads[number]
    (event,) = read.events
    tracks = [i for i, one in enumerate(steps.filters) if number in one.reads]
    carried = steps.carried or {}
    return ScanLine(
        event=event,
        reach_ms=read.reach,
        fields=fields_of(steps, event),
        slots=sum(node is not TS and event in events for node, events in carried.items()),
        windows=_windows(steps, tracks),
        tracks=tuple(tracks),
        early=tuple(map(infix, read.early)),
    )


def _windows(steps: Steps, tracks: Iterable[int]) -> tuple[str, ...]:
    """Return the windows on TRACKS as text, each once, from the shortest to a lifetime."""
    found = {
        (s.window.over is None, s.window.over or 0, s.window.offset, s.last or 0): s
        for s in steps.ranges
        if s.filter in tracks
    }
    return tuple(range_text(span) for _, span in sorted(found.items()))
