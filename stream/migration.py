"""From one binding to the next: which of the rows held still do, and what is read from the log.

Pure: it decides, `stream.key_state` acts.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from featuregraph.layout import Layout
from stream.binding import Binding, same_rows


@dataclass(frozen=True, slots=True)
class Migration:
    """What changes for the rows of a key."""

    tracks: frozenset[int]  # of the next layout: those that are filled from the log
    events: tuple[str, ...]  # those that are read for them


def between(before: Binding, after: Binding, dropped: Container[int]) -> Migration:
    """Return what is read to go from BEFORE to AFTER; tracks DROPPED rows that their states have taken."""
    filled = frozenset(n for n in after.layout.tracks if not _holds(n, before, after, dropped))
    asked = {event for n in filled for event in after.layout.tracks[n].events}
    return Migration(filled, tuple(sorted(asked)))


def _holds(track: int, before: Binding, after: Binding, dropped: Container[int]) -> bool:
    """Tell whether TRACK holds all rows that it needs from now on, with all of their values."""
    if not same_rows(before.layout, after.layout, track) or not _reaches(before.layout, after.layout, track):
        return False
    if not after.kept[track].items() <= before.kept[track].items():
        return False
    cells = [n for span in after.by_track[track] for n in after.by_span[span]]
    return track not in dropped or all(before.kernels.get(n) is after.kernels[n] for n in cells)


def _reaches(before: Layout, after: Layout, track: int) -> bool:
    old, new = before.tracks[track].reach, after.tracks[track].reach
    return old is None or (new is not None and new <= old)
