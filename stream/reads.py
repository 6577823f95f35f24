"""What an engine reads of its log: the rows that a query reaches, for a decoder, and those that came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from featuregraph.types import INT64_MAX, INT64_MIN
from stream.binding import Binding
from stream.blocks.runs import Found
from stream.decode import ID, TS, Decoder
from stream.event import Row
from stream.key_rows import Fetch, FetchSince, KeyRows
from stream.log import EventLog

END = INT64_MAX + 1  # later than any event


def reached(log: EventLog, key: str, t: int, hi: int = END) -> Fetch:
    """Return the function that reads the rows of KEY before HI which a query at T reaches."""

    def fetch(decoder: Decoder) -> Found:
        return log.scan_runs(key, decoder.event, _begin(decoder, t), hi, decoder.columns)

    return fetch


def from_then(log: EventLog, key: str) -> FetchSince:
    """Return the function that reads the rows of KEY from a time on."""
    return lambda decoder, since: log.scan_runs(
        key, decoder.event, max(since, INT64_MIN), END, decoder.columns
    )


def known(log: EventLog, key: str, t: int, start: int) -> Fetch:
    """Return what reads the rows up to T without those not known then or before START (SEMANTICS 3.5)."""

    def fetch(decoder: Decoder) -> Found:
        columns = (*decoder.columns, "known_ms")
        rows = log.scan_columns(key, (decoder.event,), _begin(decoder, t), t + 1, columns)
        return Found([r for r in rows if (r[-1] is None or r[-1] <= t) and r[TS] >= start])

    return fetch


def arrived_until(log: EventLog, key: str, last_id: int, *, all_of_them: bool) -> FetchSince:
    """Return the function that reads the rows of KEY from a time on that had arrived up to LAST_ID.

    all_of_them: none arrived since.
    """

    def fetch(decoder: Decoder, since: int) -> Found:
        event, columns = decoder.event, decoder.columns
        if all_of_them:
            return log.scan_runs(key, event, since, END, columns)
        rows = log.scan_columns(key, (event,), since, END, columns)
        return Found([row for row in rows if row[ID] <= last_id])

    return fetch


def arrivals(log: EventLog, since: int, until: int, at_once: int) -> Iterator[list[Row]]:
    """Give the rows that arrived after the id SINCE, up to UNTIL, some AT_ONCE."""
    while since < until and (found := log.rows_after(since, at_once)):
        yield found
        since = found[-1].id


def scan(log: EventLog, binding: Binding, fetch: Fetch, t: int) -> KeyRows:
    """Return the rows that BINDING needs at T, as FETCH reads them from LOG."""
    found = KeyRows(binding)
    with decoding(log):
        found.load(fetch, t)
    return found


@contextmanager
def decoding(log: EventLog) -> Iterator[None]:
    """Tell damage of the file by its name, where stored rows are decoded and put in order.

    Only here: what fails on rows that are in order is a fault of ours, and the file is not read for it.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        found = log.explained(error)
        if found is error:
            raise
        raise found from error


def _begin(decoder: Decoder, t: int) -> int:
    """Return from when on a query at T reaches the events of DECODER."""
    return INT64_MIN if decoder.reach is None else max(t - decoder.reach, INT64_MIN)
