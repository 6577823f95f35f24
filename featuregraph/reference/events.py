"""SEMANTICS section 1 and clause 8.1: which events are known, and in which order.

`Log` takes what arrives, one entry after the other, and keeps the rows of each key. Rows that it does not
keep are noted with the clause that refused them, so that they can be shown (featuregraph.why).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from featuregraph.errors import EventError
from featuregraph.reference.exact import utf8
from featuregraph.reference.fields import UnparsableError, convert, convert_or_null, read
from featuregraph.types import IDENTIFIER, INT64, INT64_MAX, TIMESTAMP, Type

MAX_FUTURE_MS = 300_000
Key = str | tuple[str, ...]  # the identifiers of the key's columns, of one column the identifier (11.1)


def columns_of(key: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of a graph's key."""
    return (key,) if isinstance(key, str) else key


def key_of(values: Sequence[object]) -> Key | None:
    """Clause 11.1: return the key of these identifiers, null if one of them is."""
    texts = tuple(value for value in values if isinstance(value, str))
    if len(texts) < len(values):
        return None
    return texts if len(texts) > 1 else texts[0]


@dataclass(frozen=True, slots=True)
class Row:
    """One event of one key: its place in the order, and its declared fields as values (null where absent)."""

    key: Key | None  # null in what is refused by 1.1 alone
    user_id: str | None
    event: str
    ts_ms: int
    seq: int
    event_id: str | None
    known_ms: int | None
    fields: Mapping[str, object]

    @property
    def order(self) -> tuple[int, int, bytes]:
        """Clause 1.2: the total order inside a key; under the key user_id its third part never decides."""
        return self.ts_ms, self.seq, b"" if self.user_id is None else b"." + utf8(self.user_id)


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that is not among the rows, with the clause that says why."""

    row: Row
    clause: str


class Log:
    """All events known so far, by key."""

    def __init__(
        self,
        key: str | tuple[str, ...],
        events: Mapping[str, Mapping[str, Type]],
        *,
        strict: bool = False,
        max_future_ms: int = MAX_FUTURE_MS,
    ) -> None:
        self.columns = columns_of(key)
        self.declared = events
        self.strict = strict
        self.max_future_ms = max_future_ms
        self.clock_ms: int | None = None
        self.rows: dict[Key, list[Row]] = {}
        self.refused: list[Refused] = []
        self.counts: Counter[str] = Counter()
        self._positions: set[tuple[str | None, int, int]] = set()
        self._last_seq: dict[tuple[str | None, int], int] = {}
        self._event_ids: set[tuple[Key, str | None]] = set()

    def arrive(self, entry: Mapping[str, object]) -> None:
        """Take an event, {"clock": MS} or {"forget": {...}}. Raise EventError if the event is refused."""
        if "forget" in entry:
            assert isinstance(entry["forget"], Mapping)
            self.forget(entry["forget"])
        elif "clock" in entry and "event" not in entry:
            assert isinstance(entry["clock"], int)
            self.clock_ms = entry["clock"]
        else:
            self.append(entry)

    def append(self, raw: Mapping[str, object]) -> None:
        """Clauses 1.1 to 1.5: take one event."""
        if not isinstance(raw.get("attrs") or {}, Mapping):
            raise EventError(
                f"expected attrs as names with values, found {raw['attrs']!r:.60} in {_name(raw)}; mend it"
            )
        event, ts_ms = _required(raw, "event", IDENTIFIER), _required(raw, "ts_ms", TIMESTAMP)
        assert isinstance(event, str)
        assert isinstance(ts_ms, int)
        seq = _seq(raw)
        key = self._key(raw)
        if key is None:  # 1.1
            self._refuse_keyless(raw, event, ts_ms)
            return
        user_id = self._text(raw, "user_id")
        event_id = self._text(raw, "event_id")
        where = user_id, ts_ms
        seq = seq if seq is not None else self._last_seq.get(where, -1) + 1  # 1.2
        known_ms = self._convert(TIMESTAMP, raw, "known_ms")  # 1.7
        assert known_ms is None or isinstance(known_ms, int)
        row = Row(key, user_id, event, ts_ms, seq, event_id, known_ms, self._fields(raw, event, seq))
        if self._lies_ahead(ts_ms):  # 1.5
            self._refuse(row, "quarantined", "1.5")
        elif event_id is not None and (key, event_id) in self._event_ids:  # 1.3
            self._refuse(row, "duplicate", "1.3")
        elif (*where, seq) in self._positions or seq > INT64_MAX:  # 1.2
            raise EventError(
                f"expected a free position (user_id, ts_ms, seq), found {(*where, seq)!r} taken; "
                f"give {_name(raw)} another seq"
            )
        else:
            self._keep(row)

    def _key(self, raw: Mapping[str, object]) -> Key | None:
        """Clause 11.1: read each key column; an event without a value for one of them has no key."""
        return key_of([self._text(raw, column) for column in self.columns])

    def _lies_ahead(self, ts_ms: int) -> bool:
        return self.clock_ms is not None and ts_ms > self.clock_ms + self.max_future_ms

    def _refuse_keyless(self, raw: Mapping[str, object], event: str, ts_ms: int) -> None:
        """Clause 1.1: nothing but its name, time and id is read of an event that is dropped."""
        event_id = convert_or_null(IDENTIFIER, read(raw, "event_id"))
        assert event_id is None or isinstance(event_id, str)
        row = Row(None, None, event, ts_ms, 0, event_id, None, {})
        self._refuse(row, "without_key", "1.5" if self._lies_ahead(ts_ms) else "1.1")

    def _keep(self, row: Row) -> None:
        where = row.user_id, row.ts_ms
        assert row.key is not None
        self.rows.setdefault(row.key, []).append(row)
        self._positions.add((*where, row.seq))
        self._last_seq[where] = max(row.seq, self._last_seq.get(where, -1))
        self._event_ids.add((row.key, row.event_id))

    def forget(self, what: Mapping[str, object]) -> None:
        """Clause 8.1: remove events before a time, of a key or an event_id; their ids are free again."""
        kept = [row for rows in self.rows.values() for row in rows if not _is_meant(row, what)]
        self.refused = [refused for refused in self.refused if not _is_meant(refused.row, what)]
        self.rows, self._positions, self._last_seq, self._event_ids = {}, set(), {}, set()
        for row in kept:
            self._keep(row)

    def ordered(self, key: Key) -> list[Row]:
        """Clauses 1.2 and 1.4: return the rows of KEY by the total order, whatever order they arrived in."""
        return sorted(self.rows.get(key, ()), key=lambda row: row.order)

    @property
    def end(self) -> int | None:
        """Clause 9.3: the largest ts_ms of all that arrived, but for what is quarantined or forgotten."""
        kept = [row.ts_ms for rows in self.rows.values() for row in rows]
        return max(kept + [one.row.ts_ms for one in self.refused if one.clause != "1.5"], default=None)

    def _refuse(self, row: Row, reason: str, clause: str) -> None:
        self.counts[reason] += 1
        self.refused.append(Refused(row, clause))

    def _text(self, raw: Mapping[str, object], name: str) -> str | None:
        """Clause 1.1: read a key, user_id or event_id: an identifier."""
        value = self._convert(IDENTIFIER, raw, name)
        assert value is None or isinstance(value, str)
        return value

    def _fields(self, raw: Mapping[str, object], event: str, seq: int) -> Mapping[str, object]:
        """Section 2: read the declared fields; an undeclared event has none, and no stream names it."""
        columns = {**raw, "seq": seq}  # 1.2: an event has the seq it got
        return {
            name: self._convert(type, columns, name) for name, type in self.declared.get(event, {}).items()
        }

    def _convert(self, type: Type, raw: Mapping[str, object], name: str) -> object:
        """Clause 2.2: unparsable is null and counted; with strict the event is refused."""
        value = read(raw, name)
        try:
            return convert(type, value)
        except UnparsableError:
            if self.strict:
                raise EventError(
                    f"expected {type} as {name}, found {value!r:.60} in {_name(raw)}; mend it or lift strict"
                ) from None
            self.counts[f"unparsable {name}"] += 1
            return None


def _is_meant(row: Row, what: Mapping[str, object]) -> bool:
    ((by, value),) = what.items()
    match by:
        case "before":
            assert isinstance(value, int)
            return row.ts_ms < value
        case "key":
            values = value if isinstance(value, (list, tuple)) else [value]
            found = [convert_or_null(IDENTIFIER, one) for one in values]
            return row.key is not None and row.key == key_of(found)
        case "event_id":
            return row.event_id is not None and row.event_id == convert_or_null(IDENTIFIER, value)
        case _:
            raise EventError(f"expected forget by before, key or event_id, found {by!r}; use one of them")


def _required(raw: Mapping[str, object], name: str, type: Type) -> object:
    value = convert_or_null(type, read(raw, name))
    if value is None:
        raise EventError(
            f"expected {type} as {name}, found {raw.get(name)!r:.60} in {_name(raw)}; give it a {name}"
        )
    return value


def _seq(raw: Mapping[str, object]) -> int | None:
    try:
        seq = convert(INT64, read(raw, "seq"))
    except UnparsableError:
        raise EventError(
            f"expected int64 as seq, found {raw['seq']!r:.60} in {_name(raw)}; correct it or leave it out"
        ) from None
    assert seq is None or isinstance(seq, int)
    return seq


def _name(raw: Mapping[str, object]) -> str:
    at = "" if raw.get("ts_ms") is None else f" at ts_ms {raw['ts_ms']!r:.30}"
    return f"event {raw.get('event')!r:.60}{at}"
