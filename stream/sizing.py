"""What the nodes of a key take and save, as far as it is known: also of those that are not kept just now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from featuregraph.ir import Node
from stream.binding import Binding
from stream.choice import Costs, EventCost, SpanCost, SpanName, TrackCost, TrackName, span_name, track_name
from stream.held_events import HELD_BYTES

if TYPE_CHECKING:
    from stream.key_state import KeyState

SPAN_BYTES: Final = 500  # of the objects around a window, measured on CPython 3.11
CELL_BYTES: Final = 1600  # of the objects and functions around a state
_STATE_BYTES: Final = 200  # of a state that was never seen
ORDER_BYTES: Final = 12  # of the time and the number of a row in columns
_FLOAT_BYTES, _OTHER_BYTES = 8, 3  # of a value of a row in columns, before any was seen


class Sizes:
    """The sizes of the tracks and spans of one key when they were last kept."""

    def __init__(self) -> None:
        self._tracks: dict[TrackName, tuple[int, int]] = {}  # rows, bytes
        self._spans: dict[SpanName, tuple[int, int]] = {}
        self._events: dict[str, float] = {}  # of those that were held: bytes a row

    def costs(self, full: Binding, key: KeyState) -> Costs:
        """Return what is known of the nodes of FULL for KEY, which keeps all or some of them."""
        self._look(key)
        events = tuple(self._event(full, key, event) for event in full.readings)
        tracks = tuple(self._track(full, key, number) for number in full.layout.tracks)
        spans = tuple(self._span(full, key, number) for number in full.layout.spans)
        known = Costs(key.interval_ms, events, tracks, spans)
        return replace(known, around=max(0, key.bytes - known.bytes))

    def _event(self, full: Binding, key: KeyState, event: str) -> EventCost:
        decoder = full.readings[event].decoder
        rows = decoder.read_rows or self._even(full, event)
        a_row = self._events.get(event)
        if a_row is None:
            a_row = ORDER_BYTES + sum(_width(node) for node in decoder.scan.slots if node is not None)
        size = HELD_BYTES + int(rows * a_row)
        return EventCost(event, rows, decoder.row_ns, size, event in key.held.events)

    def _even(self, full: Binding, event: str) -> int:
        """Return how many rows EVENT has, as if those of its widest track were of all its events evenly."""
        taking = [track for track in full.layout.tracks.values() if event in track.events]
        rows = [self._tracks.get(track_name(track), (0, 0))[0] // len(track.events) for track in taking]
        return max(rows, default=0)

    def _look(self, key: KeyState) -> None:
        """Take note of the sizes of what is kept now."""
        columns = {number: rows.bytes for number, rows in key.tracks.items()}
        held = key.held.sizes()
        every = sum(columns.values()) + sum(size for _, size in held.values())
        shared = key.shared_bytes / max(1, every)  # texts and loose rows, by size
        for event, (count, size) in held.items():
            self._events[event] = size * (1 + shared) / max(1, count)
        for number, rows in key.tracks.items():
            windows = SPAN_BYTES * len(key.binding.by_track[number])
            found = len(rows.ts), int(columns[number] * (1 + shared)) + windows
            self._tracks[track_name(rows.track)] = found
        for running in key.spans.values():
            name = span_name(running.span, key.tracks[running.span.track].track)
            states = [key.states[n] for n in running.kernels]
            weight = sum(int(state.weight) for state in states if state is not None)
            around = CELL_BYTES * len(running.kernels)
            if running.kernels:
                self._spans[name] = running.end - running.start, weight + around

    def _track(self, full: Binding, key: KeyState, number: int) -> TrackCost:
        track = full.layout.tracks[number]
        rows, size = self._tracks.get(track_name(track), (0, 0))
        spans = full.by_track[number]
        return TrackCost(
            track_name(track),
            track,
            rows,
            size,
            needs_rows=not all(full.layout.spans[n].is_endless for n in spans)
            or any(full.kernels[cell].scanned for n in spans for cell in full.by_span[n]),
            kept=number in key.binding.layout.tracks,
        )

    def _span(self, full: Binding, key: KeyState, number: int) -> SpanCost:
        span, cells = full.layout.spans[number], full.by_span[number]
        track = full.layout.tracks[span.track]
        demands = {n: demand for demand, n in full.layout.index.items()}
        states = [n for n in cells if not full.kernels[n].scanned]
        unseen = 0, (CELL_BYTES + _STATE_BYTES) * len(states)
        rows, size = self._spans.get(span_name(span, track), unseen)
        running = key.spans.get(number)
        return SpanCost(
            span_name(span, track),
            track_name(track),
            span,
            rows,
            size,
            tuple(demands[n] for n in states),
            tuple(demands[n] for n in cells if full.kernels[n].scanned),
            kept=running is not None and bool(running.kernels),
        )


def _width(node: Node) -> int:
    return _FLOAT_BYTES if getattr(node.type, "kind", "") == "float64" else _OTHER_BYTES
