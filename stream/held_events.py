"""The decoded rows of some events of one key, each row once, of which tracks are built at each query.

    held, or retrieved and decoded --per event--> rows --filter, merge--> tracks --fold--> values

Mode cached holds all that it keeps of a key like this (`stream.event_rows`), mode auto some events of which
tracks are not kept (`stream.choice`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping
from typing import Final

from featuregraph.layout import FIRST_SLOT, Scan, Track
from stream.batch import Batch
from stream.binding import Reading
from stream.columns import Dictionary
from stream.event import Row
from stream.rows import KeptRows

HELD_BYTES: Final = 450  # of the objects around the rows of an event, measured on CPython 3.11


class HeldEvents:
    """Rows by event, in columns: all that anybody reads of them, in the widest window."""

    def __init__(self, dictionary: Dictionary, *, has_ties: bool) -> None:
        self._dictionary = dictionary
        self._has_ties = has_ties
        self._scans: dict[str, Scan] = {}  # by event: of which its rows are
        self._rows: dict[str, KeptRows] = {}

    @property
    def events(self) -> frozenset[str]:
        """Return the events that are held."""
        return frozenset(self._rows)

    @property
    def rows(self) -> Iterable[KeptRows]:
        """Return the rows of all events."""
        return self._rows.values()

    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """Return by event how many rows are held and what they take, but for what is shared."""
        return {event: (len(rows.ts), rows.bytes) for event, rows in self._rows.items()}

    def since(self, event: str, begin: int | None) -> Batch | None:
        """Return the rows of EVENT from the time BEGIN on (None: all), None if they are not held."""
        held = self._rows.get(event)
        if held is None:
            return None
        return held.batch(0 if begin is None else bisect_left(held.ts, begin))

    def keep(self, reading: Reading, rows: Batch) -> None:
        """Hold ROWS, which READING gave."""
        scan = reading.decoder.scan
        slots = {FIRST_SLOT + i: node for i, node in enumerate(scan.slots) if node is not None}
        track = Track((scan.event,), None, scan.reach)
        kept = KeptRows(track, slots, self._dictionary, has_ties=self._has_ties)
        kept.extend(rows, 0, None)
        kept.settle()
        self._scans[scan.event], self._rows[scan.event] = scan, kept

    def push(self, readings: Mapping[str, Reading], rows: Iterable[Row]) -> None:
        """Take those of ROWS, each early or late, whose events are held."""
        for row in rows:
            held = self._rows.get(row.name)
            if held is not None:
                made = readings[row.name].decoder.arrived(row)
                if made is not None:
                    held.insert(made)

    def only(self, events: Container[str]) -> None:
        """Hold no others than EVENTS any more."""
        self._rows = {event: rows for event, rows in self._rows.items() if event in events}

    def serve(self, readings: Mapping[str, Reading]) -> None:
        """Hold what READINGS would read again, and nothing else."""
        self.only({event for event in self._rows if event in readings and self._covers(readings[event])})
        for event, rows in self._rows.items():
            scan = self._scans[event] = readings[event].decoder.scan
            slots = {FIRST_SLOT + i: node for i, node in enumerate(scan.slots) if node is not None}
            rows.serve(Track((event,), None, scan.reach), slots)

    def _covers(self, reading: Reading) -> bool:
        """Tell whether the rows held of an event are all that READING reads, with all of their values."""
        new, old = reading.decoder.scan, self._scans[reading.decoder.event]
        wide = old.reach is None or (new.reach is not None and new.reach <= old.reach)
        passing = not old.wheres or (bool(new.wheres) and set(new.wheres) <= set(old.wheres))
        slots = zip(new.slots, (*old.slots, *[None] * len(new.slots)), strict=False)
        return wide and passing and all(node is None or node is held for node, held in slots)

    def trim(self, t: int, least: int) -> None:
        """Drop rows that no query from T on can see, once they are more than LEAST and most of an event's."""
        for rows in self._rows.values():
            reach = rows.track.reach
            if reach is not None and rows.ts and rows.ts[0] < t - reach:
                gone = bisect_left(rows.ts, t - reach)
                if gone > least and 2 * gone > len(rows.ts):
                    rows.trim(gone)
