"""Which events are known, and in which order (SEMANTICS section 1): over whole columns.

source (in the order of arrival)
-> event, ts_ms, seq, key, user_id, event_id, known_ms      converted; what is not of its type is refused
-> without events that have no key, and later ones of an event_id                          1.1, 1.3
-> a seq for those that have none                                                          1.2
-> sorted by (key, ts_ms, seq, user_id)                                                    1.2, 1.4
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask
from featuregraph.errors import EventError
from featuregraph.types import IDENTIFIER, INT64, INT64_MIN, TIMESTAMP, Type
from stream.backfill.columnar.coding import WordOrders
from stream.backfill.columnar.duplicates import duplicates
from stream.backfill.columnar.keys import Keys
from stream.backfill.columnar.order import counted_by, positions, sorted_order
from stream.backfill.columnar.rows import About
from stream.backfill.columnar.seqs import seqs_of
from stream.backfill.columnar.source import Source
from stream.backfill.columnar.tables import NO_TABLES, Tables
from stream.backfill.threads import each

_NEARLY_ALL = 0.9  # of the events

Declared = Mapping[str, Mapping[str, Type]]  # event -> field -> type


@dataclass(slots=True)
class Events:
    """All events that are known, by the numbers of their arrival.

    key: the number of each event's key, -1 for one that has none; KEYS says whose it is.
    name: the number of its name; NAMES are the names by number. seq: None where it counts arrivals only.
    rows: the numbers of those that are known, in the order of arrival.
    """

    source: Source
    keys: Keys
    key: Array
    names: tuple[str, ...]
    name: Array
    ts: Array
    seq: Array | None
    tie: Array | None
    known: Array | None
    rows: Array
    about: About = field(default_factory=About)
    duplicate: int = 0
    keyless: int = 0

    def sorted(self, rows: Array) -> Array:
        """Return ROWS by (key, ts_ms, seq, user_id)."""
        columns = [column for column in (self.key, self.ts, self.seq, self.tie) if column is not None]
        if len(rows) == self.source.count:
            return sorted_order(columns, len(rows))
        return rows[sorted_order([column[rows] for column in columns], len(rows))]

    def of(self, keys: Mask, names: Mask) -> Array:
        """Return the numbers of those that are known, of KEYS and NAMES, in the order of arrival.

        Where that is nearly all, all: to leave out the few costs more than to keep them.
        """
        by_key = counted_by(self.key, len(self.keys))
        if names.all() and by_key[keys].sum() > _NEARLY_ALL * by_key.sum():
            return self.rows
        chosen: Mask = np.append(keys, False)[self.key]  # key -1 as the last place
        chosen &= names[self.name]
        return self.rows[chosen[self.rows]]


def known_events(
    source: Source,
    key: Sequence[str],
    *,
    tables: Tables = NO_TABLES,
    with_seq: bool = False,
    strict: bool = False,
    threads: int = 1,
) -> Events:
    """Return the events of SOURCE that are known, by the columns of KEY.

    with_seq: somebody asks for the seq of events. strict: an unparsable key or id refuses its event.
    threads: how many columns are read at a time.

    Raises:
        EventError: an event has no name or time, or its position is taken; names its row.
    """
    name, ts, seq, *owners = each(
        lambda read: read(),
        [
            partial(_required, source, "event", IDENTIFIER),
            partial(_required, source, "ts_ms", TIMESTAMP),
            partial(_seq, source),
            *(partial(_identity, source, name, strict=strict) for name in key),
        ],
        threads,
    )
    owner = dict(zip(key, owners, strict=True))
    keys = Keys(list(owner.values()))
    user = (
        owner["user_id"] if "user_id" in owner else _identity(source, "user_id", strict=strict, of=keys.known)
    )
    rows = np.arange(source.count, dtype=positions(source.count))
    if keys.known is not None:
        rows = rows[keys.known]
    again = duplicates(keys.number, _identity(source, "event_id", strict=strict, of=keys.known), rows)
    kept = rows if again is None else rows[~again]
    by_user = tuple(key) == ("user_id",)
    about = About(tables=tables)
    given = seqs_of(user, ts.values, seq, kept, needed=with_seq or not by_user)
    return Events(
        source,
        keys,
        keys.number,
        name.words or (),
        name.values,
        ts.values,
        given,
        None if by_user else _ties(user, about.orders),
        _known(source, strict=strict, of=keys.known),
        kept,
        about,
        duplicate=len(rows) - len(kept),
        keyless=source.count - len(rows),
    )


def _required(source: Source, name: str, type: Type) -> Column:
    found = source.read(name, type).column
    if found.known is not None and not found.known.all():
        row = int(np.flatnonzero(~found.known)[0])
        raise _refused(row, f"{type} as {name}", f"give it a {name}")
    return found


def _seq(source: Source) -> Column:
    found = source.read("seq", INT64)
    if found.bad is not None:
        raise _refused(int(np.flatnonzero(found.bad)[0]), "int64 as seq", "correct it or leave it out")
    return found.column


def _identity(source: Source, name: str, *, strict: bool, of: Mask | None = None) -> Column:
    """Return the identifiers NAME; STRICT refuses an event OF which it is another value, of all for None."""
    found = source.read(name, IDENTIFIER)
    if strict:
        _check_none(found.bad, of, f"an identifier as {name}")
    return found.column


def _check_none(bad: Mask | None, of: Mask | None, expected: str) -> None:
    """Raise EventError for the first event OF those there are whose value is BAD."""
    if bad is None:
        return
    rows = np.flatnonzero(bad if of is None else bad & of)
    if len(rows):
        raise _refused(int(rows[0]), expected, "mend it or lift strict")


def _known(source: Source, *, strict: bool, of: Mask | None) -> Array | None:
    """Return when each event came to be known, INT64_MIN for always; None if all were."""
    found = source.read("known_ms", TIMESTAMP)
    if strict:
        _check_none(found.bad, of, "int64 as known_ms")
    known = found.column.known
    if known is None:
        return found.column.values
    return np.where(known, found.column.values, INT64_MIN) if known.any() else None


def _refused(row: int, expected: str, step: str) -> EventError:
    return EventError(f"events, row {row + 1}: expected {expected}, found none or another value; {step}")


def _ties(user: Column, orders: WordOrders) -> Array:
    """Return numbers that ascend as users do by UTF-8 bytes, null first."""
    ranks = orders.of(user.words or ())[1]
    found = ranks[user.values] if len(ranks) else np.zeros(len(user), np.int64)
    return found if user.known is None else np.where(user.known, found, -1)
