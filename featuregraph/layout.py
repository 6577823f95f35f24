"""The physical layout of aggregates that run together: what is scanned, filtered, windowed and folded once.

    scan    one per event name: the union of the fields that anybody needs, the widest reach   (partition, fusion)
    track   one per (events, filter): the rows that pass, each as a tuple of precomputed values (branch after the filter)
    span    one per (track, window, offset, last N, include_now): a range of the track's rows
    cell    one per aggregate on a span

A layout is made of any number of plans: equal parts of different plans are one part. It is pure data; executors hold
the rows and states.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from featuregraph.aggregates import aggregate_for
from featuregraph.ir import Node, Op, toposort
from featuregraph.windows import Window

# A row of a track is (ts_ms, seq, tie, slot 0, slot 1, ...); tie orders users under another key than user_id.
FIRST_SLOT = 3

Part = TypeVar("Part")
Demand = tuple[Node, bool]  # an aggregate, and its graph's include_now

_OF_THE_QUERY = frozenset({Op.AGE, Op.NOW, Op.HOUR_OF_DAY, Op.DAY_OF_WEEK, Op.REQUEST})
_FOLDED_ROLES = ("x", "where", "by", "distinct")


@dataclass(frozen=True, slots=True)
class Scan:
    """Decode FIELDS of the rows of EVENT from REACH ms back; None is the whole history."""

    event: str
    fields: tuple[Node, ...]
    reach: int | None


@dataclass(frozen=True, slots=True)
class Track:
    """Rows of EVENTS for which WHERE holds, each with the values of SLOTS."""

    events: tuple[str, ...]
    where: Node | None
    slots: tuple[Node, ...]
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
    index: dict[Demand, int]


def is_static(node: Node) -> bool:
    """Tell whether NODE's value depends on its row alone, so that it can be computed once."""
    return not any(inner.op in _OF_THE_QUERY for inner in toposort([node]))


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
    slots: list[dict[Node, None]] = []
    cells: list[Cell] = []
    for agg, include_now in unique:
        where = agg.role("where")
        filtered = where is not None and is_static(where)
        track = tracks.add((agg["events"], where if filtered else None))
        if track == len(slots):
            slots.append({})
        for role, arg in zip(agg["roles"], agg.args, strict=True):
            if not (role == "where" and filtered):
                slots[track].update(dict.fromkeys(static_parts(arg)))
        # Where the filter waits for the query, so does the cut to the latest N.
        last = agg["last"] if where is None or filtered else None
        span = spans.add(Span(track, Window(agg["over"], agg["offset"], include_now), last))
        cells.append(Cell(span, agg, _is_scanned(agg)))
    made = tuple(spans)
    reaches = [_widest([s.reach for s in made if s.track == i]) for i in range(len(slots))]
    full = [Track(events, where, tuple(s), r) for (events, where), s, r in zip(tracks, slots, reaches, strict=True)]
    return Layout(_scans(full), tuple(full), made, tuple(cells), {d: i for i, d in enumerate(unique)})


def _is_scanned(agg: Node) -> bool:
    folded = [arg for role in _FOLDED_ROLES if (arg := agg.role(role)) is not None]
    asked = any(n.op is Op.REQUEST for n in toposort(item for _, item in agg.items))
    return asked or not (aggregate_for(agg).invertible and all(map(is_static, folded)))


def _widest(reaches: Sequence[int | None]) -> int | None:
    return None if None in reaches else max(r for r in reaches if r is not None)


def _scans(tracks: Sequence[Track]) -> tuple[Scan, ...]:
    fields: dict[str, dict[Node, None]] = {}
    reaches: dict[str, list[int | None]] = {}
    for track in tracks:
        roots = [*track.slots, *([track.where] if track.where is not None else [])]
        leaves = dict.fromkeys(n for n in toposort(roots) if n.op is Op.FIELD)
        for event in track.events:
            fields.setdefault(event, {}).update(leaves)
            reaches.setdefault(event, []).append(track.reach)
    return tuple(Scan(event, tuple(fields[event]), _widest(reaches[event])) for event in sorted(fields))


class _Table(Generic[Part]):
    """Distinct parts in the order of their first use."""

    def __init__(self) -> None:
        self._index: dict[Part, int] = {}

    def add(self, part: Part) -> int:
        return self._index.setdefault(part, len(self._index))

    def __iter__(self) -> Iterator[Part]:
        return iter(self._index)
