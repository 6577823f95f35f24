"""A plan described: plain data, the same at every run, ready for text, JSON or a picture.

Times are int64 ms, None for a lifetime. Lists are in the order of the plan, features in that of their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from featuregraph.infix import Writer, events_text, infix, window_text
from featuregraph.ir import Node, Op, toposort
from featuregraph.layout import Layout, Scan, lay_out
from featuregraph.plan import LIFETIME, Plan


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
    aggregates: tuple[int, ...]  # numbers in Description.aggregates


@dataclass(frozen=True, slots=True)
class AggregateLine:
    """One aggregate: computed once, whatever number of features need it."""

    expression: str
    features: tuple[str, ...]
    scanned: bool  # computed from the rows at each query, not kept as a state
    track: int


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


@dataclass(frozen=True, slots=True)
class Description:
    """Everything that explain shows of one plan."""

    graph: str
    id: str
    key: str
    include_now: bool
    events: Mapping[str, Mapping[str, str]]
    requests: Mapping[str, str]
    candidates: Mapping[str, str]
    features: tuple[FeatureLine, ...]
    aggregates: tuple[AggregateLine, ...]
    tracks: tuple[TrackLine, ...]
    scans: tuple[ScanLine, ...]
    nodes_written: int  # operators before the rewrites, equal ones counted once
    nodes: int

    @property
    def lifetime(self) -> tuple[str, ...]:
        """Return the features that need all history."""
        return tuple(line.name for line in self.features if line.lifetime)

    @property
    def reach_ms(self) -> int | None:
        """Return how far back from a query the plan looks, None for a lifetime; 0 without a stream."""
        reaches = [scan.reach_ms for scan in self.scans]
        return None if None in reaches else max((r for r in reaches if r is not None), default=0)


def describe(plan: Plan) -> Description:
    """Return PLAN as data."""
    graph, layout = plan.graph, lay_out(plan.demands)
    return Description(
        graph=graph.name,
        id=plan.id,
        key=str(graph.key),
        include_now=graph.include_now,
        events={name: _types(fields) for name, fields in graph.events.items()},
        requests=_types(graph.requests),
        candidates=_types(graph.candidates),
        features=_features(plan),
        aggregates=_aggregates(plan, layout),
        tracks=_tracks(layout),
        scans=tuple(_scan(scan, layout) for scan in layout.scans.values()),
        nodes_written=len(toposort(graph.features.values())),
        nodes=len(toposort(plan.features.values())),
    )


def _types(fields: Mapping[str, object]) -> dict[str, str]:
    return {name: str(type) for name, type in fields.items()}


def _features(plan: Plan) -> tuple[FeatureLine, ...]:
    names = _names(plan.features)
    now, before = Writer(names), Writer(_names(plan.graph.features))
    numbers = {agg: i for i, agg in enumerate(plan.aggregates)}
    return tuple(
        FeatureLine(
            name=name,
            type=_type(node),
            expression=names[node] if names.get(node, name) != name else now.text(node),
            written=None if node is plan.graph.features[name] else before.text(plan.graph.features[name]),
            reach_ms=plan.reach[name],
            lifetime=plan.reach[name] is LIFETIME and name not in plan.windowless,
            windowless=name in plan.windowless,
            aggregates=tuple(sorted(numbers[n] for n in toposort([node]) if n.op is Op.AGG)),
        )
        for name, node in plan.features.items()
    )


def _names(features: Mapping[str, Node]) -> dict[Node, str]:
    """Return the name of each part that is a feature: its first; what is a single leaf is written out."""
    return {features[name]: name for name in sorted(features, reverse=True) if features[name].args}


def _type(node: Node) -> str:
    return f"{node.type} per candidate" if node.per_candidate else str(node.type)


def _aggregates(plan: Plan, layout: Layout) -> tuple[AggregateLine, ...]:
    users: dict[Node, list[str]] = {}
    for name, node in plan.features.items():
        for inner in toposort([node]):
            users.setdefault(inner, []).append(name)
    cells = [layout.cells[layout.index[demand]] for demand in plan.demands]
    return tuple(
        AggregateLine(infix(cell.agg), tuple(users[cell.agg]), cell.scanned, layout.spans[cell.span].track)
        for cell in cells
    )


def _tracks(layout: Layout) -> tuple[TrackLine, ...]:
    lines = []
    for number, track in layout.tracks.items():
        where = "" if track.where is None else f" where {infix(track.where)}"
        cells = [i for i, cell in layout.cells.items() if layout.spans[cell.span].track == number]
        lines.append(
            TrackLine(
                events=track.events,
                rows=events_text(track.events) + where,
                windows=_windows(layout, [number]),
                aggregates=tuple(cells),
            )
        )
    return tuple(lines)


def _scan(scan: Scan, layout: Layout) -> ScanLine:
    tracks = [i for i, track in layout.tracks.items() if scan.event in track.events]
    return ScanLine(
        event=scan.event,
        reach_ms=scan.reach,
        fields=tuple(sorted({node["name"] for node in scan.fields})),
        slots=sum(slot is not None for slot in scan.slots),
        windows=_windows(layout, tracks),
        tracks=tuple(tracks),
    )


def _windows(layout: Layout, tracks: Iterable[int]) -> tuple[str, ...]:
    """Return the windows on TRACKS as text, each once, from the shortest to a lifetime."""
    found = {
        (s.window.over is None, s.window.over or 0, s.window.offset, s.last or 0): s
        for s in layout.spans.values()
        if s.track in tracks
    }
    return tuple(window_text(s.window.over, s.window.offset, s.last) for _, s in sorted(found.items()))
