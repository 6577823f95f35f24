"""A layout with its compiled functions: how rows come in, and what each aggregate does with them.

A binding that follows another takes over what means the same in both: a kernel, a decoder that is the same
object does the same with the same rows, so that executors may keep what they hold for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from featuregraph.build import TS
from featuregraph.ir import Node, Op, toposort
from featuregraph.layout import Layout
from featuregraph.steps import row_parts, static_parts
from stream.asof import NO_TABLES, Tables
from stream.cells import CellKernel
from stream.decode import Decoder, Taker, Unparsable
from stream.event import Row
from stream.pace import PACE, Pace


@dataclass(frozen=True)
class Reading:
    """How the rows of one event come in: decoded once, then taken by tracks.

    `takers` gives (number, place of the filter's value) of each track.
    """

    decoder: Decoder
    takers: tuple[Taker, ...]

    @cached_property
    def tracks(self) -> tuple[int, ...]:
        """Return the numbers of the tracks."""
        return tuple(number for number, _ in self.takers)

    @cached_property
    def taking(self) -> Callable[..., Callable[[Row], bool | None]]:
        """Return the decoder's `taking` of the takers."""
        return self.decoder.taking(self.takers)


class Binding:
    """A layout with its compiled functions; shared by all keys."""

    def __init__(
        self,
        layout: Layout,
        key: str,
        unparsable: Unparsable,
        pace: Pace = PACE,
        before: Binding | None = None,
        tables: Tables = NO_TABLES,
        log: Binding | None = None,
    ) -> None:
        """Compile LAYOUT; LOG is what each query reads from the log, or builds of events that are held."""
        self.layout = layout
        self.log = log
        self.pace = pace
        self.kernels = {number: self._kernel(number, before) for number in layout.cells}
        self.by_span: dict[int, list[int]] = {number: [] for number in layout.spans}
        for number, cell in layout.cells.items():
            self.by_span[cell.span].append(number)
        self.by_track: dict[int, list[int]] = {number: [] for number in layout.tracks}
        for number, span in layout.spans.items():
            self.by_track[span.track].append(number)
        # Each query reads all rows of these: windows without an end of which not all is in states.
        self.reads_all = {
            number
            for number, span in layout.spans.items()
            if span.is_endless and any(self.kernels[n].scanned for n in self.by_span[number])
        }
        self.has_ties = key != "user_id"  # then users order rows at one position
        # By track: the places of its rows that aggregates read, and the node that stands there.
        self.kept = {number: self._kept_of(number) for number in layout.tracks}
        made = {} if before is None else {r.decoder.scan: r.decoder for r in before.readings.values()}
        self.readings: dict[str, Reading] = {
            event: Reading(made.get(scan) or Decoder(scan, key, unparsable, tables), self._takers(event))
            for event, scan in layout.scans.items()
        }

    @cached_property
    def looks_up(self) -> bool:
        """Tell whether rows and states hold what tables said of them."""
        return any(n.op is Op.TABLE for n in toposort(cell.agg for cell in self.layout.cells.values()))

    def _kernel(self, number: int, before: Binding | None) -> CellKernel:
        layout, cell = self.layout, self.layout.cells[number]
        if before is not None and number in before.kernels and _stands(number, before.layout, layout):
            return before.kernels[number]
        filtered = layout.tracks[layout.spans[cell.span].track].where is not None
        return CellKernel(cell, layout.places, filtered=filtered)

    def _kept_of(self, track: int) -> dict[int, Node]:
        layout = self.layout
        aggs = [layout.cells[n].agg for span in self.by_track[track] for n in self.by_span[span]]
        # The filter of a track is not asked again, but its node may be read as something else too.
        filtered = layout.tracks[track].where is not None
        roles = [pair for agg in aggs for pair in zip(agg["roles"], agg.args, strict=True)]
        read = [arg for role, arg in roles if not (filtered and role == "where")]
        parts = [part for arg in read for part in static_parts(arg) if part is not TS]
        return {layout.places[part]: part for part in parts}

    def _takers(self, event: str) -> tuple[Taker, ...]:
        places = self.layout.places
        return tuple(
            (number, None if track.where is None else places[track.where])
            for number, track in self.layout.tracks.items()
            if event in track.events
        )


def _stands(number: int, before: Layout, after: Layout) -> bool:
    """Tell whether the cell NUMBER is one aggregate of one window and reads the same places in both."""
    old, new = before.cells[number], after.cells[number]
    return (
        old == new
        and before.spans[old.span] == after.spans[new.span]
        and same_rows(before, after, after.spans[new.span].track)
        and all(before.places[part] == after.places[part] for part in row_parts(new.agg))
    )


def same_rows(before: Layout, after: Layout, track: int) -> bool:
    """Tell whether the track of this number takes the same rows in both, as far as both reach."""
    old, new = before.tracks.get(track), after.tracks[track]
    return old is not None and (old.events, old.where) == (new.events, new.where)
