"""The physical layout of aggregates that run together: what is read, computed, filtered and folded once.

    scan    one per event name: the widest reach, and the slots of its rows
    row     (ts_ms, seq, tie, slot 0, slot 1, ...): every value of an event that anybody needs, once
    track   one per (events, filter): the rows that pass
    span    one per (track, window, last N): a range of the track's rows
    cell    one per aggregate on a span

These are the reads, filters, ranges and computations that the passes (featuregraph.passes) lead to.
A layout is made of any number of plans: equal parts of different plans are one part. It is pure data;
executors hold the rows and states. A node stands in the same slot in the rows of all events, so that a
union's rows are alike; nodes that no event shares may share a slot.

Plans come and go. A layout that is made from the one before keeps what it can: a part that is in both has its
number in both, a node its slot, so that what executors hold under them stays where it is. Numbers that are
given up are given again; hence parts are tables by number, with gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from featuregraph.aggregates import CATALOGUE
from featuregraph.build import TS
from featuregraph.ir import Node, Op, toposort
from featuregraph.passes import optimised
from featuregraph.steps import Demand, Filter, Read, Steps, is_static, reach_of, widest, written
from featuregraph.windows import Window

# tie orders users under another key than user_id.
FIRST_SLOT = 3
TS_PLACE = 0

Part = TypeVar("Part")

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
        return reach_of(self.window)

    @property
    def is_endless(self) -> bool:
        """Tell whether a row that entered never leaves."""
        return self.window.over is None and self.last is None


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


def lay_out(demands: Iterable[Demand], before: Layout | None = None) -> Layout:
    """Return the layout that serves DEMANDS, equal parts shared; what is in BEFORE too stays in its place."""
    return placed(optimised(written(demands)), before or _NOTHING)


def placed(steps: Steps, old: Layout) -> Layout:
    """Return the layout of STEPS after all passes: a number for each part, that of OLD if it has one."""
    carried = steps.carried or {}
    filters = [(_events(steps, one), one.where) for one in steps.filters]
    tracks = _numbered(filters, {(t.events, t.where): n for n, t in old.tracks.items()})
    ranges = [Span(tracks[filters[r.filter]], r.window, r.last) for r in steps.ranges]
    spans = _numbered(ranges, {s: n for n, s in old.spans.items()})
    cells = _numbered(map(steps.demand, steps.computes), old.index)
    reaches: dict[int, list[int | None]] = {}
    for span in spans:
        reaches.setdefault(span.track, []).append(span.reach)
    slots = _assign(carried, old.places)
    return Layout(
        scans=_scans(steps.reads, slots, carried),
        tracks={n: Track(events, where, widest(reaches[n])) for (events, where), n in tracks.items()},
        spans={number: span for span, number in spans.items()},
        cells={
            cells[steps.demand(c)]: Cell(spans[ranges[c.range]], c.agg, _is_scanned(c.agg))
            for c in steps.computes
        },
        index=cells,
        places={node: FIRST_SLOT + slot for node, slot in slots.items()} | {TS: TS_PLACE},
    )


def _events(steps: Steps, filter: Filter) -> tuple[str, ...]:
    return tuple(sorted(event for number in filter.reads for event in steps.reads[number].events))


def _numbered(parts: Iterable[Part], old: Mapping[Part, int]) -> dict[Part, int]:
    """Return a number for each of PARTS: the OLD one, else the first that is free."""
    unique = dict.fromkeys(parts)
    taken = {old[part] for part in unique if part in old}
    free = (number for number in count() if number not in taken)
    return {part: old[part] if part in old else next(free) for part in unique}


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
    if not CATALOGUE[agg["agg"]].invertible:
        return True
    roles = dict(zip(agg["roles"], agg.args, strict=True))
    if not all(is_static(roles[role]) for role in _FOLDED_ROLES if role in roles):
        return True
    # What a state's items are read with is the time alone.
    return any(
        n.op is Op.REQUEST or (n.op is Op.TABLE and not is_static(n))
        for n in toposort(item for _, item in agg.items)
    )


def _scans(
    reads: Iterable[Read], slots: Mapping[Node, int], carried: Mapping[Node, Iterable[str]]
) -> dict[str, Scan]:
    rows: dict[str, dict[int, Node]] = {}
    for node, slot in slots.items():
        for event in carried[node]:
            rows.setdefault(event, {})[slot] = node
    found = {}
    for read in sorted(reads, key=lambda read: read.events):
        (event,) = read.events
        row = rows.get(event, {})
        made = tuple(row.get(i) for i in range(max(row, default=-1) + 1))
        found[event] = Scan(event, made, read.reach, read.wheres, read.early)
    return found


_NOTHING = Layout({}, {}, {}, {}, {}, {})
