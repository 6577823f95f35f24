"""The rows of every track of one key, as a scan of the log gives them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import thread_time_ns
from types import MappingProxyType
from typing import Any, ClassVar

from stream.batch import Batch
from stream.binding import Binding, Reading
from stream.blocks.runs import Found
from stream.cells import Readable
from stream.decode import Decoder
from stream.rows import KeptRows, ScannedRows, cut

# What the log has of the decoder's event; of a time since when.
Fetch = Callable[[Decoder], Found]
FetchSince = Callable[[Decoder, int], Found]
_EVER: Mapping[int, int] = MappingProxyType({})


class KeyRows:
    """The rows of every track of one key: what a scan gives, and what the cache keeps."""

    tracks: Mapping[int, ScannedRows | KeptRows]  # by number
    keeps: ClassVar[bool] = False  # whether rows stay for further queries

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.tracks = {}

    def load(self, fetch: Fetch, t: int) -> None:
        """Take all rows that a query from T on can see."""
        binding = self.binding
        readings = binding.readings.items()
        read = ((event, read_rows(reading, fetch, to_keep=self.keeps)) for event, reading in readings)
        tracks = {number: self._rows(number) for number in binding.layout.tracks}
        fill(binding, tracks, read, t)
        self.tracks = tracks

    def _rows(self, number: int) -> ScannedRows | KeptRows:
        """Return room for the rows of the track NUMBER."""
        return ScannedRows(self.binding.layout.tracks[number])

    def fold(self, numbers: Sequence[int], t: int, q: Mapping[str, Any]) -> list[Readable]:
        """Return the states of the cells NUMBERS at T, folded from the rows; equal spans are cut once."""
        layout = self.binding.layout
        cuts: dict[int, tuple[int, int, bool]] = {}
        states: list[Readable] = []
        for number in numbers:
            at = layout.cells[number].span
            span = layout.spans[at]
            rows = self.tracks[span.track]
            if at not in cuts:
                cuts[at] = *cut(rows, span, t), rows.is_broken(*span.window.bounds(t))
            start, end, broken = cuts[at]
            kernel = self.binding.kernels[number]
            states.append(kernel.broken if broken else kernel.fold(rows, start, end, t, q))
        return states


def read_rows(reading: Reading, fetch: Fetch, *, to_keep: bool) -> Batch:
    """Return the rows of one event, in total order; take note of what they cost."""
    decoder = reading.decoder
    began = thread_time_ns()
    found = fetch(decoder)
    rows = decoder.load_columns(found) if to_keep else decoder.load(found)
    decoder.took(rows.count, thread_time_ns() - began)
    return rows


def fill(
    binding: Binding,
    tracks: Mapping[int, ScannedRows | KeptRows],
    read: Iterable[tuple[str, Batch]],
    t: int,
    since: Mapping[int, int] = _EVER,
) -> None:
    """Fill TRACKS with the rows READ of their events that a query from T on can see.

    Each event is read and decoded once, for the widest reach; a narrower track takes the end only. SINCE
    gives from when on a track is to hold rows though it reaches further back.
    """
    for event, batch in read:
        for number, place in binding.readings[event].takers:
            if number in tracks:
                track = tracks[number]
                reach = track.track.reach
                begin = since.get(number) if reach is None else t - reach
                first = 0 if begin is None else bisect_left(batch.ts, begin)
                track.extend(batch, first, place)
    for track in tracks.values():
        track.settle()
