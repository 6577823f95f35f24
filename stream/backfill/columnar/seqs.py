"""A position for each event: the seq that it brings, or the next of its user and time (SEMANTICS 1.2)."""

from __future__ import annotations

import numpy as np

from featuregraph.arrays.column import Array, Column
from featuregraph.errors import EventError
from featuregraph.types import INT64_MAX
from stream.backfill.columnar.order import group_starts, may_repeat, sorted_order

_HALF = 32  # bits of a group's number and of a value's, which are fewer than the rows of a part


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
    if not brings.any():
        counts = np.diff(np.append(starts, len(places)))
        found[places] = np.arange(len(places)) - np.repeat(starts, counts)
    else:
        found[places] = _mixed(seq, places, starts)
        _check_free(users, ts, found, rows)
    return found


def _mixed(seq: Column, places: Array, starts: Array) -> Array:
    """Return the seq of the events at PLACES, groups of one user and time from each of STARTS on.

    Where an event brings none, it is one more than the largest before it in its group, at least 0. Less the
    events so far that bring none, the largest so far only grows by those that bring one: a running maximum.
    """
    assert seq.known is not None
    brings, values = seq.known[places], seq.values[places]
    group = np.zeros(len(places), np.int64)
    group[starts[1:]] = 1
    np.cumsum(group, out=group)
    lacking: Array = np.cumsum(~brings)
    lacking -= (lacking[starts] - ~brings[starts])[group]
    most = np.where(brings, np.maximum(values, -1) - lacking, -1)
    most = _running_most(group, np.maximum(most, -1))
    if (over := ~brings & (most > INT64_MAX - lacking)).any():
        first = int(np.argmax(over))
        raise TakenError(int(places[first]), int(most[first]) + int(lacking[first]))
    found: Array = np.where(brings, values, most + lacking)
    return found


def _running_most(group: Array, values: Array) -> Array:
    """Return the largest of VALUES, -1 and more, so far in each row's GROUP; these ascend."""
    different, ranks = np.unique(values, return_inverse=True)
    # Groups in the upper half: one of a later group is larger than all before it.
    packed = np.maximum.accumulate((group << _HALF) | ranks)
    found: Array = different[packed & ((1 << _HALF) - 1)]
    return found


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
