"""How events get into the file: one transaction a call, all of it or nothing.

For each event, in this order: quarantine (SEMANTICS 1.5), duplicate of a sealed event (1.3), a place (1.2),
duplicate of a row, taken position (1.2). Rows of the tail are asked by its indexes; sealed events by their
hashes, and by their positions where the event is not later than all of them. What the next call needs is kept
in memory: ids, the latest time of each key, the last `known_ms`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from featuregraph.errors import EventError
from featuregraph.types import INT64_MAX, INT64_MIN
from stream import inbox
from stream.blocks.sealing import Sealing
from stream.clock import Clock
from stream.codec import checksum
from stream.errors import contradiction
from stream.event import Draft, Receipt, Row
from stream.limits import Limits
from stream.quarantine import Quarantine
from stream.reader import Reader, row_of
from stream.sealer import Sealer
from stream.store import UNPARSABLE, add_meta, give_back, meta, set_meta, transaction
from stream.texts import Texts

# Known under its key: not inserted, no error. A taken position is an error.
_INSERT: Final = (
    "INSERT INTO event (id, key, name, ts_ms, seq, user, event_id, known_ms, session_id, page_id,"
    " item_id, payload, crc)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key, event_id) WHERE event_id IS NOT"
    " NULL DO NOTHING"
)
_IS_KNOWN: Final = "SELECT 1 FROM event WHERE key = ? AND event_id = ?"
_LAST_SEQ: Final = "SELECT max(seq) FROM event WHERE user = ? AND ts_ms = ?"


@dataclass(slots=True)
class _Call:
    """What one call counts on its way."""

    now_ms: int
    known_ms: int | None  # None: events carry it
    label: Callable[[int], str]
    place: int = 0
    duplicate: int = 0
    quarantined: int = 0
    late: int = 0
    odd: bool = False  # a column holds another scalar than text or int64
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
        sealing: Sealing,
    ) -> None:
        self._connection = connection
        self._texts = texts
        self._reader = reader
        self._by_user = key == "user_id"
        self._clock = clock
        self._limits = limits
        self._max_future_ms = max_future_ms
        self._quarantine = Quarantine(connection, limits)
        self._latest: dict[int, int] = {}
        self._to_join = 0  # events that may be joined until the next sealing; below 0: joined too early
        self.sealer = Sealer(connection, reader.shelf, by_user=self._by_user, sealing=sealing)
        self.last_id = reader.last_id()
        self.generation = reader.generation()
        self.known_ms = reader.known_ms()

    def append(
        self, drafts: Iterable[Draft | None], *, keep_known: bool, label: Callable[[int], str]
    ) -> tuple[Receipt, list[Row]]:
        """Take DRAFTS (None: an event without a key) in one transaction; return the receipt and new rows.

        keep_known: events carry their known_ms. label: what an error calls the event of a number.
        """
        now_ms = self._clock.now_ms()
        known_ms = now_ms if self.known_ms is None else max(now_ms, self.known_ms)
        call = _Call(now_ms, None if keep_known else known_ms, label)
        rows: list[Row] = []
        keyless = 0
        try:
            with transaction(self._connection):
                for call.place, draft in enumerate(drafts):
                    if draft is None:
                        keyless += 1
                    elif (row := self._take(draft, call)) is not None:
                        rows.append(row)
                self._note(call, keyless, keep_known=keep_known)
        except BaseException:
            self.drop()
            raise
        if not keep_known:
            self.known_ms = known_ms
        unparsable = call.unparsable.total()
        return Receipt(len(rows), call.duplicate, call.quarantined, call.late, keyless, unparsable), rows

    def take_in(self) -> None:
        """Take what other processes handed over, in the order of arrival."""
        taken = False
        while inbox.waiting(self._connection):
            taken = True
            handed = inbox.first_ones(self._connection)
            now_ms = self._clock.now_ms()
            known_ms = now_ms if self.known_ms is None else max(now_ms, self.known_ms)
            keep_known = handed[0].keep_known
            call = _Call(now_ms, None if keep_known else known_ms, "an event that was handed over".format)
            refused = damaged = 0
            try:
                with transaction(self._connection):
                    for one in handed:
                        damaged += one.draft is None
                        refused += one.draft is not None and not self._take_or_keep_apart(one.draft, call)
                    self._note(call, 0, keep_known=keep_known)
                    add_meta(
                        self._connection, handed_over=len(handed), refused=refused, inbox_damaged=damaged
                    )
                    inbox.take_away(self._connection, handed)
            except BaseException:
                self.drop()
                raise
            if not keep_known:
                self.known_ms = known_ms
        if taken:
            self.tidy()

    def _take_or_keep_apart(self, draft: Draft, call: _Call) -> bool:
        """Take DRAFT as any other; False: its position is taken, and it is kept apart."""
        try:
            self._take(draft, call)
        except EventError:
            self._quarantine.keep(draft, call.now_ms)
            return False
        return True

    def drop(self) -> None:
        """Empty the memory: what was undone, or forgotten, may stand in it."""
        self._texts.drop()
        self._latest.clear()
        self._quarantine.drop()
        self.sealer.drop()

    def tidy(self) -> bool:
        """Seal and join what is due, each in a transaction of its own; tell whether anything was.

        What fails is tried again later.
        """
        if not self.sealer.is_due():
            return False
        try:
            while self.sealer.is_due():
                with transaction(self._connection):
                    self.sealer.seal()
                    set_meta(self._connection, **self.marks())
                # What was joined beyond the bound is made up for: a backlog costs many sealings a little.
                self._to_join = min(self._to_join, 0) + self._limits.sealing.most_events
                while self._to_join > 0 and (blocks := self.sealer.to_join()):
                    with transaction(self._connection):
                        self.sealer.join(blocks)
                    self._to_join -= sum(block.events for block in blocks)
            give_back(self._connection, self._limits.free_bytes)
            return True
        except BaseException:
            self.drop()
            raise

    def marks(self) -> dict[str, int | None]:
        """Return what `meta` must hold once rows are gone from the tail: the largest ids ever given."""
        return {
            "known_ms": self.known_ms,
            "known_id": self.last_id,
            "last_id": self.last_id,
            "last_text": self._texts.last(),
        }

    def _take(self, draft: Draft, call: _Call) -> Row | None:
        if self._max_future_ms is not None and draft.ts_ms > call.now_ms + self._max_future_ms:
            self._quarantine.keep(draft, call.now_ms)
            call.quarantined += 1
            return None
        key = self._texts.number(draft.key)
        user = key if self._by_user else 0 if draft.user_id is None else self._texts.number(draft.user_id)
        if self._is_sealed(key, draft.event_id):
            call.duplicate += 1
            return None
        latest = self._latest_of(key)
        seq = self._next_seq(draft, key, user, latest) if draft.seq is None else draft.seq
        row = self._insert(draft, call, key, user, seq)
        if row is None:
            call.duplicate += 1
            return None
        if draft.ts_ms < latest:
            call.late += 1
        else:
            self._latest[key] = draft.ts_ms
        if draft.bad:
            call.unparsable.update(draft.bad)
        return row

    def _insert(self, draft: Draft, call: _Call, key: int, user: int, seq: int) -> Row | None:
        """Return the new row, None if the event is a duplicate; raise EventError if its position is taken."""
        known_ms = draft.known_ms if call.known_ms is None else call.known_ms
        id, name, ts_ms, event_id, rest = (
            self.last_id + 1,
            draft.name,
            draft.ts_ms,
            draft.event_id,
            draft[7:11],
        )
        crc = checksum(draft.key, name, ts_ms, seq, draft.user_id, event_id, known_ms, *rest)
        values = (id, key, self._texts.number(name), ts_ms, seq, user, event_id, known_ms, *rest, crc)
        try:
            # Beyond int64 there is no position left; SQLite could not even take the number.
            free = seq <= INT64_MAX and (draft.seq is None or not self._is_taken(draft, key, seq))
            new = free and self._connection.execute(_INSERT, values).rowcount
        except sqlite3.IntegrityError as error:
            if draft.seq is None or "event.seq" not in str(error):
                raise  # an id or seq that the log found free is not: the file is damaged
            new = free = False
        if not new:
            self._check_known(draft, call, key, free=bool(free))
            return None
        self.last_id = id
        self.sealer.added(key, values[2])
        stored = (ts_ms, seq, draft.user_id, id, draft.key, name, event_id, known_ms, *rest)
        if bytes in map(type, rest[:-1]):
            call.odd = True
            return row_of(stored)
        return Row._make(stored)

    def _check_known(self, draft: Draft, call: _Call, key: int, *, free: bool) -> None:
        """Raise EventError if only the event's position is not FREE: a duplicate takes none."""
        known = (
            draft.event_id is not None
            and self._connection.execute(_IS_KNOWN, (key, draft.event_id)).fetchone()
        )
        if not known and free:
            raise contradiction("an event_id in an index that no event has")
        if not known:
            position = (draft.user_id, draft.ts_ms, draft.seq)
            raise EventError(
                f"{call.label(call.place)}: expected a free position (user_id, ts_ms, seq), found"
                f" {position!r:.200}"
                f" taken in event {draft.name!r:.60}; give it another seq, or an event_id if it is a copy"
            )

    def _latest_of(self, key: int) -> int:
        latest = self._latest.get(key)
        if latest is None:
            if len(self._latest) >= self._limits.cached_texts:
                self._latest.clear()
            found = self._reader.latest(key)
            latest = self._latest[key] = INT64_MIN if found is None else found
        return latest

    def _next_seq(self, draft: Draft, key: int, user: int, latest: int) -> int:
        if self._by_user and draft.ts_ms > latest:
            return 0
        found = [self._connection.execute(_LAST_SEQ, (user, draft.ts_ms)).fetchone()[0]]
        if self._may_be_sealed(draft.ts_ms):
            found.append(self._reader.shelf.last_seq(key, draft.user_id, draft.ts_ms))
        return max((int(seq) + 1 for seq in found if seq is not None), default=0)

    def _may_be_sealed(self, ts_ms: int) -> bool:
        return self.sealer.last_ms is not None and ts_ms <= self.sealer.last_ms

    def _is_taken(self, draft: Draft, key: int, seq: int) -> bool:
        """Tell whether a sealed event stands at this position."""
        shelf = self._reader.shelf
        return self._may_be_sealed(draft.ts_ms) and shelf.is_taken(key, draft.user_id, draft.ts_ms, seq)

    def _is_sealed(self, key: int, event_id: str | None) -> bool:
        """Tell whether a sealed event has this id."""
        if event_id is None or self.sealer.last_ms is None:
            return False
        return self._reader.shelf.is_known(key, event_id, self.sealer.hash(key, event_id))

    def _note(self, call: _Call, keyless: int, *, keep_known: bool) -> None:
        add_meta(
            self._connection,
            duplicate=call.duplicate,
            quarantined=call.quarantined,
            late=call.late,
            keyless=keyless,
        )
        if call.unparsable:
            self._note_unparsable(call.unparsable)
        if call.odd:
            set_meta(self._connection, odd_columns=1)
        if keep_known:
            set_meta(self._connection, known_ms=self.known_ms, known_id=self.last_id)

    def _note_unparsable(self, counts: Counter[str]) -> None:
        """Count by field; fields beyond the bound are counted together, under the name ''."""
        known = {name for name in meta(self._connection) if name.startswith(UNPARSABLE)}
        for column, count in counts.items():
            name = UNPARSABLE + column
            if name not in known and len(known) >= self._limits.max_counted:
                name = UNPARSABLE
            known.add(name)
            add_meta(self._connection, **{name: count})
