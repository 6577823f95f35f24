"""The physical layout of aggregates that run together: what is read, computed, filtered and folded once.

    scan    one per event name: the widest reach, and the slots of its rows           (partition, fusion)
    row     (ts_ms, seq, tie, slot 0, slot 1, ...): every value of an event that anybody needs, once
    track   one per (events, filter): the rows that pass                            (branch after the filter)
    span    one per (track, window, last N): a range of the track's rows
    cell    one per aggregate on a span

A layout is made of any number of plans: equal parts of different plans are one part. It is pure data;
executors hold the rows and states. A node stands in the same slot in the rows of all events, so that a
union's rows are alike; nodes that no event shares may share a slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from featuregraph.aggregates import aggregate_for
from featuregraph.build import TS
from featuregraph.ir import OF_THE_QUERY, Node, Op, toposort
from featuregraph.pushdown import on_columns
from featuregraph.windows import Window

# tie orders users under another key than user_id.
FIRST_SLOT = 3
TS_PLACE = 0

Part = TypeVar("Part")
Demand = tuple[Node, bool]  # an aggregate, and its graph's include_now

_FOLDED_ROLES = ("x", "where", "by", "distinct")


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows of EVENT from REACH ms back (None: the whole history), and what they hold.

    SLOTS gives the node of each slot, None for a gap. Where there are WHERES, a row that fails all of them is
    kept by nobody, and one that fails all of EARLY, which stand on columns alone, fails all of WHERES.
    """

    event: str
    slots: tuple[Node | None, ...]
    reach: int | None
    wheres: tuple[Node, ...] = ()
    early: tuple[Node, ...] = ()

    @property
    def fields(self) -> tuple[Node, ...]:
        """Return the fields that the slots need."""
        return tuple(n for n in toposort([s for s in self.slots if s is not None]) if n.op is Op.FIELD)


@dataclass(frozen=True, slots=True)
class Track:
    """Rows of EVENTS for which WHERE holds; REACH ms back from a query at most."""

    events: tuple[str, ...]
    where: Node | None
    reach: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """The rows of a track inside a window, the latest LAST of them."""

    track: int
    window: Window
    last: int | None

    @property
    def reach(self) -> int | None:
        """Return how far back from t the window begins, None for a lifetime."""
        return None if self.window.over is None else self.window.over + self.window.offset


@dataclass(frozen=True, slots=True)
class Cell:
    """One aggregate on a span; scanned: computed from the span's rows at each query, not kept as a state."""

    span: int
    agg: Node
    scanned: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything that executors allocate for a set of aggregates."""

    scans: tuple[Scan, ...]
    tracks: tuple[Track, ...]
    spans: tuple[Span, ...]
    cells: tuple[Cell, ...]
    index: Mapping[Demand, int]  # of each demand's cell
    places: Mapping[Node, int]  # in a row, of each node that has a slot


def is_static(node: Node) -> bool:
    """Tell whether NODE's value depends on its row alone, so that it can be computed once."""
    return not any(inner.op in OF_THE_QUERY for inner in toposort([node]))


def static_parts(node: Node) -> list[Node]:
    """Return the largest parts of NODE that depend on the row alone."""
    if is_static(node):
        return [] if node.op is Op.LIT else [node]
    return [part for arg in node.args for part in static_parts(arg)]


def lay_out(demands: Iterable[Demand]) -> Layout:
    """Return the layout that serves DEMANDS, equal parts shared."""
    unique = list(dict.fromkeys(demands))
    tracks = _Table[tuple[tuple[str, ...], Node | None]]()
    spans = _Table[Span]()
    cells: list[Cell] = []
    events_of: dict[Node, dict[str, None]] = {}
    for agg, include_now in unique:
        where = agg.role("where")
        filtered = where is not None and is_static(where)
        track = tracks.add((agg["events"], where if filtered else None))
        for arg in agg.args:
            # A filter has a slot even if it is a literal.
            for part in [arg] if filtered and arg is where else static_parts(arg):
                events_of.setdefault(part, {}).update(dict.fromkeys(agg["events"]))
        # Where the filter waits for the query, so does the cut to the latest N.
        last = agg["last"] if where is None or filtered else None
        span = spans.add(Span(track, Window(agg["over"], agg["offset"], include_now), last))
        cells.append(Cell(span, agg, _is_scanned(agg)))
    made = tuple(spans)
    reaches = [_widest([s.reach for s in made if s.track == i]) for i, _ in enumerate(tracks)]
    full = tuple(Track(events, where, reach) for (events, where), reach in zip(tracks, reaches, strict=True))
    slots = _assign(events_of)
    places = {node: FIRST_SLOT + slot for node, slot in slots.items()} | {TS: TS_PLACE}
    scans = _scans(full, slots, events_of)
    return Layout(scans, full, made, tuple(cells), {d: i for i, d in enumerate(unique)}, places)


def _assign(events_of: Mapping[Node, Iterable[str]]) -> dict[Node, int]:
    """Return a slot per node: the first that is free in the rows of all its events."""
    taken: dict[str, set[int]] = {}
    slots: dict[Node, int] = {}
    for node, events in events_of.items():
        if node is TS:
            continue  # it stands at the front of every row
        used = set().union(*(taken.get(event, ()) for event in events))
        slots[node] = next(i for i in range(len(used) + 1) if i not in used)
        for event in events:
            taken.setdefault(event, set()).add(slots[node])
    return slots


def _is_scanned(agg: Node) -> bool:
    folded = [arg for role in _FOLDED_ROLES if (arg := agg.role(role)) is not None]
    asked = any(n.op is Op.REQUEST for n in toposort(item for _, item in agg.items))
    return asked or not (aggregate_for(agg).invertible and all(map(is_static, folded)))


def _widest(reaches: Sequence[int | None]) -> int | None:
    return None if None in reaches else max(r for r in reaches if r is not None)


def _scans(
    tracks: Sequence[Track], slots: Mapping[Node, int], events_of: Mapping[Node, Iterable[str]]
) -> tuple[Scan, ...]:
    rows: dict[str, dict[int, Node]] = {}
    for node, slot in slots.items():
        for event in events_of[node]:
            rows.setdefault(event, {})[slot] = node
    takers: dict[str, list[Track]] = {}
    for track in tracks:
        for event in track.events:
            takers.setdefault(event, []).append(track)
    found = []
    for event in sorted(takers):
        row = rows.get(event, {})
        made = tuple(row.get(i) for i in range(max(row, default=-1) + 1))
        wheres = _wheres(takers[event])
        found.append(
            Scan(event, made, _widest([t.reach for t in takers[event]]), wheres, on_columns(wheres))
        )
    return tuple(found)


def _wheres(tracks: Sequence[Track]) -> tuple[Node, ...]:
    """Return the filters of TRACKS, none where one of them takes every row."""
    wheres = dict.fromkeys(track.where for track in tracks)
    return () if None in wheres else tuple(where for where in wheres if where is not None)


class _Table(Generic[Part]):
    """Distinct parts in the order of their first use."""

    def __init__(self) -> None:
        self._index: dict[Part, int] = {}

    def add(self, part: Part) -> int:
        return self._index.setdefault(part, len(self._index))

    def __iter__(self) -> Iterator[Part]:
        return iter(self._index)
