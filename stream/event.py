"""One event: as it arrives, as it is checked, as the log keeps it, and what became of those that arrived.

`Form` reads raw events (SEMANTICS 1.1 and 2.1): top level before attrs, also when null; the names of 1.1
are columns and never read from attrs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

from featuregraph.convert import BAD, converter
from featuregraph.errors import EventError
from featuregraph.shown import shown
from featuregraph.types import IDENTIFIER, INT64_MAX, INT64_MIN, TIMESTAMP
from stream import codec
from stream.codec import Stored, Value
from stream.limits import Limits

COLUMNS: Final = frozenset(
    {"event_id", "user_id", "event", "ts_ms", "seq", "session_id", "page_id", "item_id", "known_ms"}
)
RAW_COLUMNS: Final = ("session_id", "page_id", "item_id")  # any scalar; the others have a type
_NO_FIELD: Final = COLUMNS | {"attrs"}
EMPTY: Final = (str, bytes, int, float, list, tuple)  # an empty one of these stands for no attributes
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_TEXT: Final = frozenset({str})

_identifier = converter(IDENTIFIER)
_timestamp = converter(TIMESTAMP)


class Draft(NamedTuple):
    """An event whose form is right, before it has a place in the log."""

    key: str
    name: str
    ts_ms: int
    seq: int | None
    user_id: str | None
    event_id: str | None
    known_ms: int | None
    session_id: Stored
    page_id: Stored
    item_id: Stored
    payload: bytes
    bad: list[str]  # names of values that no type can be: they are null


class Row(NamedTuple):
    """An event that the log holds; under the key user_id the rows of a key sort as SEMANTICS 1.2 says."""

    ts_ms: int
    seq: int
    user_id: str | None
    id: int  # by arrival, never used twice
    key: str
    name: str
    event_id: str | None
    known_ms: int | None
    session_id: Value
    page_id: Value
    item_id: Value
    payload: bytes  # the fields (stream.codec)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the events of one call."""

    accepted: int = 0
    duplicate: int = 0  # known event_id (1.3): dropped
    quarantined: int = 0  # too far ahead of the clock (1.5): kept apart, never visible
    late: int = 0  # accepted, with a ts_ms below the greatest one of its key
    keyless: int = 0  # without a key (1.1): dropped
    unparsable: int = 0  # values that no type can be: null in events that were accepted
    handed_over: int = 0  # to the process that writes (EventLog(shared=True)), which will judge them


class Form:
    """The form of the events of one log: chosen once, called per event."""

    __slots__ = ("key", "limits")

    def __init__(self, key: str, limits: Limits) -> None:
        self.key = key
        self.limits = limits

    def read(self, raw: object) -> Draft | None:
        """Return the draft of RAW, None if it has no key; raise EventError if its form is wrong."""
        if not isinstance(raw, Mapping):
            raise EventError(
                f"expected an event as a mapping of names to values, found {shown(raw)}; pass a dict"
            )
        bad: list[str] = []
        get = raw.get
        name = self._name(raw)
        ts_ms = get("ts_ms")
        if ts_ms.__class__ is not int or not INT64_MIN <= ts_ms <= INT64_MAX:
            ts_ms = self._number(raw, "ts_ms", "give every event its time")
        seq = get("seq")
        if seq is not None:
            seq = self._number(raw, "seq", "correct it or leave it out")
        fields = self._fields(raw)
        source = raw if self.key in COLUMNS or self.key in raw else fields
        key = self._text(source, self.key, [])
        if key is None:
            return None
        user_id = key if self.key == "user_id" else self._text(raw, "user_id", bad)
        known_ms = get("known_ms")
        if known_ms is not None:
            known_ms = _timestamp(known_ms)
            if known_ms is BAD:
                bad.append("known_ms")
                known_ms = None
        payload = codec.encode(fields, bad)
        if len(payload) > self.limits.max_event_bytes:
            raise self._too_large(
                raw, f"{len(payload)} bytes of fields", self.limits.max_event_bytes, "bytes"
            )
        event_id = self._text(raw, "event_id", bad)
        session_id, page_id, item_id = [self._column(raw, column, bad) for column in RAW_COLUMNS]
        return Draft(
            key, name, ts_ms, seq, user_id, event_id, known_ms, session_id, page_id, item_id, payload, bad
        )

    def _fields(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that are no columns: attrs, under what stands at the top level."""
        attrs = raw.get("attrs")
        if attrs is None or (isinstance(attrs, EMPTY) and not attrs):
            attrs = _NOTHING
        if not isinstance(attrs, Mapping):
            raise EventError(
                f"expected attrs as names with values, found {shown(attrs)} in {_of(raw)}; pass a dict"
            )
        fields = dict(attrs)
        for name in COLUMNS.intersection(fields):
            del fields[name]
        for name in raw:
            if name not in _NO_FIELD:
                fields[name] = raw[name]
        if fields:
            self._check_names(raw, fields)
        return fields

    def _check_names(self, raw: Mapping[str, Any], fields: Mapping[Any, Any]) -> None:
        if len(fields) > self.limits.max_attrs:
            raise self._too_large(raw, f"{len(fields)} fields", self.limits.max_attrs, "fields")
        longest = self.limits.max_text
        if (
            _TEXT.issuperset(map(type, fields))
            and max(map(len, fields)) <= longest
            and "".join(fields).isascii()
        ):
            return
        for name in fields:
            if not isinstance(name, str) or len(name) > longest or not codec.is_utf8(name):
                raise EventError(
                    f"expected a field name as text of at most {longest} characters, found {shown(name)}"
                    f" in {_of(raw)}; correct it"
                )

    def _name(self, raw: Mapping[str, Any]) -> str:
        name = self._text(raw, "event", [])
        if name is None:
            raise EventError(
                f"expected event as text, found {shown(raw.get('event'))} in {_of(raw)};"
                " give every event its name"
            )
        return name

    def _number(self, raw: Mapping[str, Any], column: str, step: str) -> int:
        given = raw.get(column)
        number = _timestamp(given)
        if not isinstance(number, int):
            found, kind = shown(given), type(given)
            if hasattr(kind, "__index__") and not isinstance(given, int):  # as NumPy's are
                found, step = f"{kind.__module__}.{kind.__qualname__}", "convert it by int()"
            raise EventError(f"expected {column} as int64, found {found} in {_of(raw, column)}; {step}")
        return number

    def _text(self, raw: Mapping[str, Any], name: str, bad: list[str]) -> str | None:
        """Return an identifier; what is none counts as null."""
        value = raw.get(name)
        if value is None:
            return None
        if value.__class__ is not str or not value.isascii():
            value = _identifier(value)
            if value is BAD:
                bad.append(name)
                return None
        if len(value) > self.limits.max_text:
            raise self._too_large(raw, f"{name} of {len(value)}", self.limits.max_text, "characters")
        return cast("str", value)

    def _column(self, raw: Mapping[str, Any], name: str, bad: list[str]) -> Stored:
        value = raw.get(name)
        if value is None:
            return None
        stored = codec.column(value, name, bad)
        if isinstance(stored, (str, bytes)) and len(stored) > self.limits.max_text:
            raise self._too_large(raw, f"{name} of {len(stored)}", self.limits.max_text, "characters")
        return stored

    def _too_large(self, raw: Mapping[str, Any], found: str, limit: int, unit: str) -> EventError:
        return EventError(
            f"expected at most {limit} {unit}, found {found} in {_of(raw)}; send less, or raise the log's"
            " Limits"
        )


def _of(raw: Mapping[str, Any], column: str = "") -> str:
    """Return what an error calls the event RAW; its time is left out if it has none, or COLUMN is that."""
    name = f"event {shown(raw.get('event'))}"
    if column == "ts_ms" or raw.get("ts_ms") is None:
        return name
    return f"{name} at ts_ms {shown(raw.get('ts_ms'), 30)}"
