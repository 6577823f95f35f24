"""A layout with its compiled functions: how rows come in, and what each aggregate does with them."""

from __future__ import annotations

from dataclasses import dataclass

from featuregraph.layout import Layout
from stream.cells import CellKernel
from stream.decode import Decoder, Unparsable
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
        self.readings = {
            scan.event: Reading(Decoder(scan, key, unparsable), self._takers(scan.event))
            for scan in layout.scans
        }

    def _takers(self, event: str) -> tuple[tuple[int, int | None], ...]:
        places = self.layout.places
        return tuple(
            (number, None if track.where is None else places[track.where])
            for number, track in enumerate(self.layout.tracks)
            if event in track.events
        )
