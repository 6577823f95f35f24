"""From when on a restart needs rows beside the states that were saved: a pure decision."""

from __future__ import annotations

from collections.abc import Mapping

from featuregraph.types import INT64_MIN
from stream.binding import Binding, Reading
from stream.snapshot import SavedCell

Since = Mapping[int, int]  # by track that reaches back to the first row: from when on it needs rows


def tracks_since(binding: Binding, t: int, cells: Mapping[int, SavedCell]) -> Since:
    """Return from when on tracks need rows beside the saved CELLS at T; others need all that they reach."""
    found = {number: _since(binding, t, cells, number) for number in binding.layout.tracks}
    return {number: ms for number, ms in found.items() if ms is not None}


def _since(binding: Binding, t: int, cells: Mapping[int, SavedCell], track: int) -> int | None:
    layout = binding.layout
    if layout.tracks[track].reach is not None:
        return None
    times = []
    for number in binding.by_track[track]:
        lo = layout.spans[number].window.lo
        if lo is not None:
            times.append(t + lo)
            continue
        saved = [cells.get(n) for n in binding.by_span[number]]
        ends = {(cell.position, cell.rows) for cell in saved if cell is not None}
        if number in binding.reads_all or None in saved or len(ends) != 1:
            return None
        ((position, _),) = ends
        times.append(position[0])
    return min(times)


def event_since(binding: Binding, t: int, reading: Reading, since: Since) -> int:
    """Return from when on the rows of one event are needed, where its tracks need them SINCE."""
    begins = []
    for number, _ in reading.takers:
        reach = binding.layout.tracks[number].reach
        begins.append(since.get(number, INT64_MIN) if reach is None else t - reach)
    return max(min(begins), INT64_MIN)
