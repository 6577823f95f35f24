"""Which columns of a row group are read, from what its footer says. Pure.

A group that no query sees is not read at all where its rows are silent (needs), and else only for the columns
that say which events they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from stream.backfill.needs import Needs, Seqs, Span
from stream.dataset import Group
from stream.event import COLUMNS

ATTRS = "attrs"


def columns_of(group: Group, needs: Needs, *, seqs: Seqs) -> Collection[str]:
    """Return the columns of GROUP to read, none if it does not matter.

    seqs: how many events of the source have a seq of their own.
    """
    if any(_meets(group, span) for span in _spans(group, needs)):
        return _with_attrs(group, needs.columns)
    silent = needs.is_silent(seqs) and not _has_values(group, "event_id")
    # An event without a name or a time is refused, seen or not.
    sound = _has_all(group, "event") and _has_all(group, "ts_ms") and _bounds(group, "ts_ms") is not None
    if silent and sound:
        return ()
    return _with_attrs(group, needs.identity)


def _with_attrs(group: Group, columns: Collection[str]) -> Collection[str]:
    """Return COLUMNS, and attrs if they hold some of them."""
    missing = set(columns) - COLUMNS - {*group.names, *group.file.given}
    return {*columns, ATTRS} if missing else columns


def last_ms(group: Group) -> int | None:
    """Return the greatest ts_ms of GROUP."""
    found = _bounds(group, "ts_ms")
    return found[1] if found else None


def seqs_of(groups: Iterable[Group]) -> Seqs:
    """Return how many events of GROUPS have a seq of their own, as far as footers say."""
    any_, all_ = False, True
    for group in groups:
        any_ |= _has_values(group, "seq")
        all_ &= _has_all(group, "seq")
    return Seqs.NONE if not any_ else Seqs.ALL if all_ else Seqs.MIXED


def _spans(group: Group, needs: Needs) -> list[Span]:
    """Return the spans of the events that may be in GROUP."""
    if "event" not in group.names and "event" in group.file.given:
        span = needs.spans.get(group.file.given["event"] or "")
        return [span] if span else []
    bounds = _bounds(group, "event")
    if bounds is None:
        return list(needs.spans.values())
    first, last = (_bytes(bound) for bound in bounds)
    if first is None or last is None:
        return list(needs.spans.values())
    return [span for name, span in needs.spans.items() if first <= name.encode() <= last]


def _bytes(bound: object) -> bytes | None:
    return bound.encode() if isinstance(bound, str) else bound if isinstance(bound, bytes) else None


def _meets(group: Group, span: Span) -> bool:
    bounds = _bounds(group, "ts_ms")
    return bounds is None or span.meets(*bounds)


def _bounds(group: Group, column: str) -> tuple[Any, Any] | None:
    """Return the least and the greatest value of COLUMN, of ts_ms as integers; None where nothing tells."""
    about = group.statistics(column)
    if about is None or not about.has_min_max:
        return None
    if column == "ts_ms" and not (type(about.min) is int and type(about.max) is int):
        return None
    return about.min, about.max


def _has_values(group: Group, column: str) -> bool:
    if column in group.names:
        about = group.statistics(column)
        return about is None or not about.has_null_count or about.null_count < group.about.num_rows
    return group.file.given.get(column) is not None


def _has_all(group: Group, column: str) -> bool:
    if column in group.names:
        about = group.statistics(column)
        return about is not None and about.has_null_count and about.null_count == 0
    return group.file.given.get(column) is not None
