"""How each node of a key is kept: as a running state, as rows that are folded, or not at all.

    tracks and spans with their sizes --items--> admission --chosen--> Choice: a way per aggregate

    state    rows are kept while their window holds them, and the aggregate runs
    rows     rows are kept, the aggregate is folded when its window has moved
    log      no row of its track is kept: when its window has moved, rows are read from the log or, where the
             event is held, built of its decoded rows, kept once for all tracks that are not

Pure: it decides, `stream.installed` makes layouts of it, `stream.key_state` moves over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from featuregraph.layout import Layout, Span, Track
from featuregraph.steps import Demand
from stream.admission import Item, readmit, worth
from stream.cost import BUILD_NS, rows_gain, state_gain

Way = Literal["state", "rows", "log"]
Name = tuple[object, ...]
TrackName = Name  # (events, filter): what stays the same while layouts come and go
SpanName = Name  # (track, window, last N)


@dataclass(frozen=True, slots=True)
class Choice:
    """A way per aggregate: those that are folded, those that no rows are kept of; all others are states.

    held: the events of which the decoded rows are kept for those on the log.
    """

    folded: frozenset[Demand] = frozenset()
    logged: frozenset[Demand] = frozenset()
    held: frozenset[str] = frozenset()

    def way(self, demand: Demand) -> Way:
        """Return how DEMAND is kept."""
        return "log" if demand in self.logged else "rows" if demand in self.folded else "state"

    def narrowed(self, other: Choice) -> Choice:
        """Return what can be had of OTHER without reading: nothing is kept that is not kept now.

        Rows that are to be held are read by the next query, which reads them anyway.
        """
        logged = self.logged | other.logged
        return Choice((self.folded | other.folded) - logged, logged, other.held)

    @property
    def ways(self) -> Choice:
        """Return the ways of all aggregates, whatever is held for those on the log."""
        return replace(self, held=frozenset()) if self.held else self


STATES = Choice()
# They begin the names of what is saved of reading an event, by tracks or by its rows held once, and of these.
_READ, _BUILT, _HELD = "read", "built", "held"
# The ways that a layout's aggregates are kept, whatever they cost; tests force all of them.
Chooser = Callable[[Layout], Choice]


@dataclass(frozen=True, slots=True)
class EventCost:
    """What it takes to read the rows of an event anew."""

    event: str
    rows: int  # in its widest window
    row_ns: float  # to retrieve and decode one
    bytes: int = 0  # of its decoded rows, each once
    held: bool = False


@dataclass(frozen=True, slots=True)
class TrackCost:
    """A track as far as it is known: how many rows it has, and what they take."""

    name: TrackName
    track: Track
    rows: int
    bytes: int
    needs_rows: bool  # not all of it is in states that need no row
    kept: bool


@dataclass(frozen=True, slots=True)
class SpanCost:
    """The states of a span: over how many rows, and what they take."""

    name: SpanName
    track: TrackName
    span: Span
    rows: int
    bytes: int
    demands: tuple[Demand, ...]  # those that can be states
    scanned: tuple[Demand, ...]  # those that are always folded
    kept: bool


@dataclass(frozen=True, slots=True)
class Costs:
    """What is known of all tracks and spans of a key."""

    interval_ms: float
    events: tuple[EventCost, ...]
    tracks: tuple[TrackCost, ...]
    spans: tuple[SpanCost, ...]
    around: int = 0  # bytes that no choice saves

    def items(self) -> Iterable[Item[Name]]:
        """Yield what can be kept."""
        for track in self.tracks:
            if track.needs_rows:
                yield Item(track.name, 0.0, track.bytes)
        needing = {track.name for track in self.tracks if track.needs_rows}
        for span in self.spans:
            saved = state_gain(span.rows, len(span.demands), span.span.reach, self.interval_ms)
            yield Item(span.name, saved, span.bytes, frozenset({span.track} & needing))
        for event in self.events:
            yield from self._reads(event)

    def _reads(self, event: EventCost) -> Iterable[Item[Name]]:
        """Yield what is saved of reading EVENT: a query reads it once, for the widest track that is not kept.

        So there is a step per reach: with all tracks of that reach and wider ones, only the rest is read. Its
        rows held once save most of each step as well.
        """
        taking = sorted(
            (track for track in self.tracks if event.event in track.track.events),
            key=lambda track: _wide(track.track.reach),
            reverse=True,
        )
        reaches = list(dict.fromkeys(track.track.reach for track in taking))
        held: Name = (_HELD, event.event)
        yield Item(held, 0.0, event.bytes)
        for reach, narrower in zip(reaches, [*reaches[1:], 0], strict=True):
            rows = event.rows * (_share(reach, reaches[0]) - _share(narrower, reaches[0]))
            saved = rows_gain(rows, reach, self.interval_ms, event.row_ns)
            wider = [track for track in taking if _wide(track.track.reach) >= _wide(reach)]
            needs = frozenset(name for track in wider for name in self._kept_by(track))
            thing = event.event, reach
            yield Item((_READ, *thing), saved, 0, needs, thing)
            built = rows_gain(rows, reach, self.interval_ms, event.row_ns - BUILD_NS)
            yield Item((_BUILT, *thing), built, 0, frozenset({held}), thing)

    def _kept_by(self, track: TrackCost) -> Iterable[Name]:
        """Return what must be kept so that no row of TRACK is read: its rows, or states that need none."""
        if track.needs_rows:
            return (track.name,)
        return (span.name for span in self.spans if span.track == track.name)

    @property
    def bytes(self) -> int:
        """Return the bytes of all that is kept."""
        tracks = sum(track.bytes for track in self.tracks if track.kept)
        events = sum(event.bytes for event in self.events if event.held)
        return self.around + tracks + events + sum(span.bytes for span in self.spans if span.kept)

    @property
    def saved_ns(self) -> float:
        """Return what a query saves by what is kept, about."""
        held = self.held()
        return worth(item for item in self.items() if item.name in held)

    def saved_reads_ns(self, event: str) -> float:
        """Return what a query saves of reading EVENT, about."""
        held = self.held()
        of = ((_READ, event), (_BUILT, event))
        return worth(i for i in self.items() if i.name in held and i.name[:2] in of)

    def held(self) -> frozenset[Name]:
        """Return the names of what is kept now, and of what that saves."""
        tracks = {track.name for track in self.tracks if track.kept and track.needs_rows}
        kept = tracks | {span.name for span in self.spans if span.kept}
        kept |= {(_HELD, event.event) for event in self.events if event.held}
        saved = {item.name for item in self.items() if item.needs <= kept}
        return frozenset(kept | {name for name in saved if name[0] in (_READ, _BUILT)})

    def chosen(self, budget: int, *, kept_only: bool = False) -> Choice:
        """Return the ways of all aggregates in BUDGET bytes; KEPT_ONLY: of what is kept now, some."""
        held = self.held()
        items = [i for i in self.items() if i.name in held or not kept_only or i.name[0] in (_HELD, _BUILT)]
        admitted = readmit(items, budget - self.around, held)
        rows = {track.name for track in self.tracks if track.name in admitted}
        folded: set[Demand] = set()
        logged: set[Demand] = set()
        for span in self.spans:
            if span.name not in admitted:
                (folded if span.track in rows else logged).update(span.demands)
            if span.track not in rows:
                logged.update(span.scanned)
        events = frozenset(event.event for event in self.events if (_HELD, event.event) in admitted)
        return Choice(frozenset(folded), frozenset(logged), events)


def _wide(reach: int | None) -> float:
    return inf if reach is None else reach


def _share(reach: int | None, widest: int | None) -> float:
    """Return which share of the rows in the WIDEST reach lies in REACH, as if they came evenly."""
    return 1.0 if reach == widest else 0.0 if reach is None or widest is None else reach / widest


def track_name(track: Track) -> TrackName:
    """Return the name of TRACK."""
    return track.events, track.where


def span_name(span: Span, track: Track) -> SpanName:
    """Return the name of SPAN on TRACK."""
    return track_name(track), span.window, span.last
