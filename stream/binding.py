"""A layout with its compiled functions: how rows come in, and what each aggregate does with them."""

from __future__ import annotations

from dataclasses import dataclass

from featuregraph.build import TS
from featuregraph.layout import Layout, static_parts
from featuregraph.types import INT64, STRING, AnyType
from stream.cells import CellKernel
from stream.decode import SEQ_PLACE, TIE_PLACE, Decoder, Unparsable
from stream.pace import PACE, Pace


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of one event come in: decoded once, then taken by tracks.

    `takers` gives (number, place of the filter's value) of each track.
    """

    decoder: Decoder
    takers: tuple[tuple[int, int | None], ...]


class Binding:
    """A layout with its compiled functions; shared by all keys."""

    def __init__(self, layout: Layout, key: str, unparsable: Unparsable, pace: Pace = PACE) -> None:
        self.layout = layout
        self.pace = pace
        filtered = [layout.tracks[layout.spans[cell.span].track].where is not None for cell in layout.cells]
        self.kernels = [
            CellKernel(cell, layout.places, filtered=f)
            for cell, f in zip(layout.cells, filtered, strict=True)
        ]
        self.by_span: list[list[int]] = [[] for _ in layout.spans]
        for number, cell in enumerate(layout.cells):
            self.by_span[cell.span].append(number)
        # The rows of a track may go once every state has taken them.
        self.keeps_rows = [False] * len(layout.tracks)
        for span, numbers in zip(layout.spans, self.by_span, strict=True):
            if (
                span.window.over is not None
                or span.last is not None
                or any(self.kernels[n].scanned for n in numbers)
            ):
                self.keeps_rows[span.track] = True
        order = {SEQ_PLACE: INT64} if key == "user_id" else {SEQ_PLACE: INT64, TIE_PLACE: STRING}
        # By track: the places of its rows that are kept in columns, with the types of what stands there.
        self.kept_places = [order | self._read_of(number) for number in range(len(layout.tracks))]
        self.readings = {
            scan.event: Reading(Decoder(scan, key, unparsable), self._takers(scan.event))
            for scan in layout.scans
        }

    def _read_of(self, track: int) -> dict[int, AnyType]:
        """Return the places of a track's rows that aggregates read."""
        filtered = self.layout.tracks[track].where is not None
        cells = (cell for cell in self.layout.cells if self.layout.spans[cell.span].track == track)
        roles = (pair for cell in cells for pair in zip(cell.agg["roles"], cell.agg.args, strict=True))
        read = (arg for role, arg in roles if not (filtered and role == "where"))
        parts = (part for arg in read for part in static_parts(arg))
        return {self.layout.places[part]: part.type for part in parts if part is not TS}

    def _takers(self, event: str) -> tuple[tuple[int, int | None], ...]:
        places = self.layout.places
        return tuple(
            (number, None if track.where is None else places[track.where])
            for number, track in enumerate(self.layout.tracks)
            if event in track.events
        )
