"""The physical layout of aggregates that run together: what is read, computed, filtered and folded once.

    scan    one per event name: the widest reach, and the slots of its rows           (partition, fusion)
    row     (ts_ms, seq, tie, slot 0, slot 1, ...): every value of an event that anybody needs, once
    track   one per (events, filter): the rows that pass                            (branch after the filter)
    span    one per (track, window, last N): a range of the track's rows
    cell    one per aggregate on a span

A layout is made of any number of plans: equal parts of different plans are one part. It is pure data;
executors hold the rows and states. A node stands in the same slot in the rows of all events, so that a
union's rows are alike; nodes that no event shares may share a slot.

Plans come and go. A layout that is made from the one before keeps what it can: a part that is in both has its
number in both, a node its slot, so that what executors hold under them stays where it is. Numbers that are
given up are given again; hence parts are tables by number, with gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

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

    scans: Mapping[str, Scan]  # by event
    tracks: Mapping[int, Track]
    spans: Mapping[int, Span]
    cells: Mapping[int, Cell]
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


def lay_out(demands: Iterable[Demand], before: Layout | None = None) -> Layout:
    """Return the layout that serves DEMANDS, equal parts shared; what is in BEFORE too stays in its place."""
    old = before or _NOTHING
    unique = list(dict.fromkeys(demands))
    events_of: dict[Node, dict[str, None]] = {}
    for agg, _ in unique:
        for part in row_parts(agg):
            events_of.setdefault(part, {}).update(dict.fromkeys(agg["events"]))
    tracks = _numbered(map(_track, unique), {(t.events, t.where): n for n, t in old.tracks.items()})
    spans = _numbered(
        (_span(demand, tracks[_track(demand)]) for demand in unique), {s: n for n, s in old.spans.items()}
    )
    cells = _numbered(unique, old.index)
    reaches: dict[int, list[int | None]] = {}
    for span in spans:
        reaches.setdefault(span.track, []).append(span.reach)
    full = {n: Track(events, where, _widest(reaches[n])) for (events, where), n in tracks.items()}
    slots = _assign(events_of, old.places)
    return Layout(
        scans=_scans(full.values(), slots, events_of),
        tracks=full,
        spans={number: span for span, number in spans.items()},
        cells={
            number: Cell(spans[_span(demand, tracks[_track(demand)])], demand[0], _is_scanned(demand[0]))
            for demand, number in cells.items()
        },
        index=cells,
        places={node: FIRST_SLOT + slot for node, slot in slots.items()} | {TS: TS_PLACE},
    )


def _numbered(parts: Iterable[Part], old: Mapping[Part, int]) -> dict[Part, int]:
    """Return a number for each of PARTS: the OLD one, else the first that is free."""
    unique = dict.fromkeys(parts)
    taken = {old[part] for part in unique if part in old}
    free = (number for number in count() if number not in taken)
    return {part: old[part] if part in old else next(free) for part in unique}


def _track(demand: Demand) -> tuple[tuple[str, ...], Node | None]:
    agg, _ = demand
    return agg["events"], agg.role("where") if _is_filtered(agg) else None


def _span(demand: Demand, track: int) -> Span:
    agg, include_now = demand
    # Where the filter waits for the query, so does the cut to the latest N.
    last = agg["last"] if agg.role("where") is None or _is_filtered(agg) else None
    return Span(track, Window(agg["over"], agg["offset"], include_now), last)


def _is_filtered(agg: Node) -> bool:
    """Tell whether AGG has a filter that its track applies: one that waits for nothing but the row."""
    where = agg.role("where")
    return where is not None and is_static(where)


def row_parts(agg: Node) -> list[Node]:
    """Return the nodes that have a place in the rows for AGG to read."""
    where = agg.role("where") if _is_filtered(agg) else None
    # A filter has a slot even if it is a literal.
    return [part for arg in agg.args for part in ([arg] if arg is where else static_parts(arg))]


def _assign(events_of: Mapping[Node, Iterable[str]], places: Mapping[Node, int]) -> dict[Node, int]:
    """Return a slot per node: as it stands in PLACES, else the first that is free in all its events' rows."""
    taken: dict[str, set[int]] = {}
    slots: dict[Node, int] = {}
    # First those that have a place: they find it free, but where they come to stand in more events.
    for node in sorted(events_of, key=lambda node: node not in places):
        if node is TS:
            continue  # it stands at the front of every row
        events = events_of[node]
        used = set().union(*(taken.get(event, ()) for event in events))
        slot = places[node] - FIRST_SLOT if node in places else None
        if slot is None or slot in used:
            slot = next(i for i in count() if i not in used)
        slots[node] = slot
        for event in events:
            taken.setdefault(event, set()).add(slot)
    return slots


def _is_scanned(agg: Node) -> bool:
    folded = [arg for role in _FOLDED_ROLES if (arg := agg.role(role)) is not None]
    asked = any(n.op is Op.REQUEST for n in toposort(item for _, item in agg.items))
    return asked or not (aggregate_for(agg).invertible and all(map(is_static, folded)))


def _widest(reaches: Sequence[int | None]) -> int | None:
    return None if None in reaches else max(r for r in reaches if r is not None)


def _scans(
    tracks: Iterable[Track], slots: Mapping[Node, int], events_of: Mapping[Node, Iterable[str]]
) -> dict[str, Scan]:
    rows: dict[str, dict[int, Node]] = {}
    for node, slot in slots.items():
        for event in events_of[node]:
            rows.setdefault(event, {})[slot] = node
    takers: dict[str, list[Track]] = {}
    for track in tracks:
        for event in track.events:
            takers.setdefault(event, []).append(track)
    found = {}
    for event in sorted(takers):
        row = rows.get(event, {})
        made = tuple(row.get(i) for i in range(max(row, default=-1) + 1))
        wheres = _wheres(takers[event])
        found[event] = Scan(
            event, made, _widest([t.reach for t in takers[event]]), wheres, on_columns(wheres)
        )
    return found


def _wheres(tracks: Sequence[Track]) -> tuple[Node, ...]:
    """Return the filters of TRACKS, none where one of them takes every row."""
    wheres = dict.fromkeys(track.where for track in tracks)
    return () if None in wheres else tuple(where for where in wheres if where is not None)


_NOTHING = Layout({}, {}, {}, {}, {}, {})
