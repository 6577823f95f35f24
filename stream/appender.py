"""How events get into the file: one transaction a call, all of it or nothing.

For each event, in this order: quarantine (SEMANTICS 1.5), a place (1.2), duplicate (1.3), taken position (1.2).
What the next call needs is kept in memory: ids, the latest time of each key, the last `known_ms`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from featuregraph.errors import EventError
from stream import quarantine
from stream.clock import Clock
from stream.codec import checksum
from stream.event import Draft, Receipt, Row
from stream.limits import Limits
from stream.reader import INT64_MAX, INT64_MIN, Reader, row_of
from stream.store import add_meta, set_meta, transaction
from stream.texts import Texts

# Known under its key: not inserted, no error. A taken position is an error.
_INSERT: Final = (
    "INSERT INTO event (id, key, name, ts_ms, seq, user, event_id, known_ms, session_id, page_id, item_id, payload, crc)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key, event_id) WHERE event_id IS NOT NULL DO NOTHING"
)
_IS_KNOWN: Final = "SELECT 1 FROM event WHERE key = ? AND event_id = ?"
_LAST_SEQ: Final = "SELECT max(seq) FROM event WHERE user = ? AND ts_ms = ?"
_KNOWN: Final = "SELECT known_ms FROM event WHERE id > ? ORDER BY id DESC LIMIT 1"


@dataclass(slots=True)
class _Call:
    """What one call counts on its way."""

    now_ms: int
    known_ms: int | None  # None: events carry it
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    late: int = 0
    unparsable: Counter[str] = field(default_factory=Counter)


class Appender:
    """The writing half of a log; the caller sees to it that one thread at a time uses it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        texts: Texts,
        reader: Reader,
        *,
        key: str,
        clock: Clock,
        limits: Limits,
        max_future_ms: int | None,
        marks: tuple[int, int],
    ) -> None:
        self._connection = connection
        self._texts = texts
        self._reader = reader
        self._by_user = key == "user_id"
        self._clock = clock
        self._limits = limits
        self._max_future_ms = max_future_ms
        self._latest: dict[int, int] = {}
        self.last_id = reader.last_id()
        # MARKS: the last known_ms of our clock at the id up to which events may carry their own.
        floor, mark = marks
        last = connection.execute(_KNOWN, (mark,)).fetchone()
        self.known_ms = max(floor, last[0]) if last else floor

    def append(self, drafts: Iterable[Draft | None], *, keep_known: bool) -> tuple[Receipt, list[Row]]:
        """Take DRAFTS (None: an event without a key) in one transaction; return what became of them and the new rows."""
        now_ms = self._clock.now_ms()
        known_ms = max(now_ms, self.known_ms)
        call = _Call(now_ms, None if keep_known else known_ms)
        rows: list[Row] = []
        keyless = 0
        try:
            with transaction(self._connection):
                for place, draft in enumerate(drafts):
                    if draft is None:
                        keyless += 1
                    elif (row := self._take(draft, call, place)) is not None:
                        rows.append(row)
                self._note(call, keyless, keep_known=keep_known)
        except BaseException:
            self.drop()
            raise
        if not keep_known:
            self.known_ms = known_ms
        unparsable = call.unparsable.total()
        return Receipt(len(rows), call.duplicate, call.quarantined, call.late, keyless, unparsable), rows

    def drop(self) -> None:
        """Empty the memory: what was undone, or forgotten, may stand in it."""
        self._texts.drop()
        self._latest.clear()

    def _take(self, draft: Draft, call: _Call, place: int) -> Row | None:
        ts_ms = draft.ts_ms
        if self._max_future_ms is not None and ts_ms > call.now_ms + self._max_future_ms:
            quarantine.keep(self._connection, draft, call.now_ms, self._limits)
            call.quarantined += 1
            return None
        key = self._texts.number(draft.key)
        user = key if self._by_user else 0 if draft.user_id is None else self._texts.number(draft.user_id)
        latest = self._latest_of(key)
        seq = draft.seq
        if seq is None:
            seq = 0 if self._by_user and ts_ms > latest else self._next_seq(user, ts_ms)
        known_ms = draft.known_ms if call.known_ms is None else call.known_ms
        if not self._insert(draft, key, user, seq, known_ms, place):
            call.duplicate += 1
            return None
        if ts_ms < latest:
            call.late += 1
        else:
            self._latest[key] = ts_ms
        if draft.bad:
            call.unparsable.update(draft.bad)
        return row_of(
            (ts_ms, seq, draft.user_id, self.last_id, draft.key, draft.name, draft.event_id, known_ms, *draft[7:11])
        )

    def _insert(self, draft: Draft, key: int, user: int, seq: int, known_ms: int | None, place: int) -> bool:
        """Return whether the event was new; raise EventError if its position is taken."""
        name = self._texts.number(draft.name)
        crc = checksum(draft.key, draft.name, draft.ts_ms, seq, draft.user_id, draft.event_id, known_ms, *draft[7:11])
        values = (self.last_id + 1, key, name, draft.ts_ms, seq, user, draft.event_id, known_ms, *draft[7:11], crc)
        try:
            if seq <= INT64_MAX and not self._connection.execute(_INSERT, values).rowcount:
                return False
        except sqlite3.IntegrityError:
            # Either index may have been asked first; a duplicate takes no position.
            if draft.event_id is not None and self._connection.execute(_IS_KNOWN, (key, draft.event_id)).fetchone():
                return False
            seq = INT64_MAX + 1
        if seq > INT64_MAX:
            raise EventError(
                f"expected a free position (user_id, ts_ms, seq), found {(draft.user_id, draft.ts_ms, draft.seq)!r:.200} taken"
                f" in event {draft.name!r:.60} (number {place} of the call); give it another seq, or an event_id if it is a copy"
            )
        self.last_id += 1
        return True

    def _latest_of(self, key: int) -> int:
        latest = self._latest.get(key)
        if latest is None:
            if len(self._latest) >= self._limits.cached_texts:
                self._latest.clear()
            found = self._reader.latest(key)
            latest = self._latest[key] = INT64_MIN if found is None else found
        return latest

    def _next_seq(self, user: int, ts_ms: int) -> int:
        last = self._connection.execute(_LAST_SEQ, (user, ts_ms)).fetchone()[0]
        return 0 if last is None else int(last) + 1

    def _note(self, call: _Call, keyless: int, *, keep_known: bool) -> None:
        add_meta(
            self._connection, duplicate=call.duplicate, quarantined=call.quarantined, late=call.late, keyless=keyless
        )
        for name, count in call.unparsable.items():
            add_meta(self._connection, **{f"unparsable {name}": count})
        if keep_known:
            set_meta(self._connection, known_ms=self.known_ms, known_id=self.last_id)
