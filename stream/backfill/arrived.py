"""The events of the keys that were served, in the order of arrival: of a log, or of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featuregraph.convert import converter
from featuregraph.types import INT64, TIMESTAMP
from stream.backfill.history import batches, identifier, size
from stream.backfill.job import READING, Progress
from stream.backfill.proof import SERVED
from stream.codec import full_decoder
from stream.errors import LogCorruptError
from stream.log import EventLog
from stream.served import Seen, Served

_PAGE = 8_192  # rows read at once

Event = Mapping[str, Any]
Mark = tuple[int | None, int | None, int | None]  # ts_ms, seq, known_ms
_time, _integer = converter(TIMESTAMP), converter(INT64)


@dataclass(slots=True)
class Arrived:
    """The events of the keys that were served, in the order of arrival."""

    rows: dict[str, list[tuple[int, Event]]]  # by key, with the number of the arrival
    marks: Mapping[Mark, int] | None  # what arrived as which number; None: numbers are the ids of rows
    count: int = 0

    def upto(self, seen: Seen) -> int | None:
        """Return the number of the newest event that had arrived; None if it is not there to be told."""
        if self.marks is None or not seen.id:
            return seen.id
        return self.marks.get(seen[1:])


def of_log(log: EventLog, records: Sequence[Served], progress: Progress) -> Arrived:
    """Return the events that LOG holds, numbered by their ids."""
    for finding in log.check():
        if finding.what != SERVED:
            raise LogCorruptError(
                f"{log.path}: expected sound events, found {finding.where}: {finding.detail}; run"
                " `headrace log check` on it, and give a sound copy as EVENTS"
            )
    decode, total = full_decoder(), log.count
    found = Arrived({record.asked.key: [] for record in records}, None)
    last = 0
    while rows := log.rows_after(last, _PAGE):
        for row in rows:
            if row.key in found.rows:
                event = row._asdict()
                event |= {"event": row.name, "attrs": decode(row.payload)}
                for name in ("id", "key", "name", "payload"):
                    del event[name]
                found.rows[row.key].append((row.id, event))
        last = rows[-1].id
        found.count += len(rows)
        progress(READING, len(rows), total)
    return found


def of_file(events: Any, key: str, records: Sequence[Served], progress: Progress) -> Arrived:
    """Return EVENTS, numbered in their order; where a mark stands twice nobody could tell which is meant."""
    wanted = {record.seen[1:] for record in records}
    places: dict[Mark, int] = {}
    twice: set[Mark] = set()
    found = Arrived({record.asked.key: [] for record in records}, places)
    total = size(events)
    for batch in batches(events):
        for event in batch:
            found.count += 1
            mark = mark_of(event)
            if mark in places:
                twice.add(mark)
            if mark in wanted:
                places[mark] = found.count
            who = identifier(event.get(key, (event.get("attrs") or {}).get(key)))
            if who in found.rows:
                found.rows[who].append((found.count, event))
        progress(READING, len(batch), total)
    for mark in twice:
        del places[mark]
    return found


def mark_of(event: Event) -> Any:
    """Return where EVENT stands: a Mark, or what no record has."""
    return _time(event.get("ts_ms")), _integer(event.get("seq")), _time(event.get("known_ms"))
