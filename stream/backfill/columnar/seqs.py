"""A position for each event: the seq that it brings, or the next of its user and time (SEMANTICS 1.2)."""

from __future__ import annotations

import numpy as np

from featuregraph.arrays.column import Array, Column
from featuregraph.errors import EventError
from featuregraph.types import INT64_MAX
from stream.backfill.columnar.order import group_starts, may_repeat, sorted_order


class TakenError(Exception):
    """Say that the position of an event is taken."""

    def __init__(self, row: int, seq: int) -> None:
        super().__init__(row, seq)
        self.row = row
        self.seq = seq


def seqs_of(user: Column, ts: Array, seq: Column, rows: Array, *, needed: bool) -> Array | None:
    """Return the seq of each event, of whom is given the USER, as `given_seqs` does.

    Raises:
        EventError: the position of an event is taken.
    """
    users = user.values if user.known is None else np.where(user.known, user.values, -1)
    try:
        return given_seqs(users, ts, seq, rows, needed=needed)
    except TakenError as taken:
        owner = None if users[taken.row] < 0 else (user.words or ())[users[taken.row]]
        raise EventError(
            "expected a free position (user_id, ts_ms, seq), found"
            f" {(owner, int(ts[taken.row]), taken.seq)!r:.200} taken;"
            " give the event another seq, or an event_id if it is a copy"
        ) from taken


def given_seqs(users: Array, ts: Array, seq: Column, rows: Array, *, needed: bool) -> Array | None:
    """Return the seq of each event; those of ROWS are known, in the order of arrival.

    None where no event brings one and none is NEEDED: the order of arrival says it all.

    Raises:
        TakenError: two events of ROWS have one user, time and seq, or one gets a seq beyond int64.
    """
    if seq.known is not None and not needed and not seq.known.any():
        return None
    brings = None if seq.known is None else seq.known[rows]
    if brings is not None and not brings.any() and not needed:
        return None
    found = np.zeros(len(users), np.int64)
    if not len(rows):
        return found
    if brings is None:
        found[rows] = seq.values[rows]
        _check_free(users, ts, found, rows)
        return found
    order = sorted_order([users[rows], ts[rows]], len(rows))
    places = rows[order]
    starts = group_starts([users[places], ts[places]])
    counts = np.diff(np.append(starts, len(places)))
    if not brings.any():
        found[places] = np.arange(len(places)) - np.repeat(starts, counts)
    else:
        _mixed(found, seq, places, starts, counts)
        _check_free(users, ts, found, rows)
    return found


def _mixed(found: Array, seq: Column, places: Array, starts: Array, counts: Array) -> None:
    """Fill FOUND where some events bring a seq and some do not: one after the other, where several meet."""
    known = seq.known
    assert known is not None
    alone = places[starts[counts == 1]]
    found[alone] = np.where(known[alone], seq.values[alone], 0)
    for start, count in zip(starts[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
        last = -1
        for place in places[start : start + count].tolist():
            number = int(seq.values[place]) if known[place] else last + 1
            if number > INT64_MAX:
                raise TakenError(place, number)
            found[place] = number
            last = max(last, number)


def _check_free(users: Array, ts: Array, seq: Array, rows: Array) -> None:
    """Raise TakenError for the first event of ROWS whose position an earlier one has."""
    columns = [users[rows], ts[rows], seq[rows]]
    if not may_repeat(columns):
        return
    order = sorted_order(columns, len(rows))
    first = np.zeros(len(rows), np.bool_)
    first[group_starts([column[order] for column in columns])] = True
    if not first.all():
        row = int(rows[order[~first]].min())
        raise TakenError(row, int(seq[row]))
