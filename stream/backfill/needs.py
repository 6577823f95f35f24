"""What plans and queries need of recorded events: columns, and of each event the times that count. Pure.

An event outside its span is seen by no query. It may still matter without being seen: its event_id makes a
later event a duplicate (SEMANTICS 1.3), and where some events have a seq and others get theirs on arrival, it
counts for these (1.2). `Needs.is_silent` says where it does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from featuregraph.ir import Node, Op, toposort
from featuregraph.types import INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from featuregraph import Graph, Plan

USER = "user_id"


class Seqs(Enum):
    """How many events of a source have a seq of their own: all, none, or nobody knows."""

    ALL = "all"
    NONE = "none"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Span:
    """The ts_ms, ends included, at which some query may see an event."""

    first: int = INT64_MIN
    last: int = INT64_MAX

    def __or__(self, other: Span) -> Span:
        return Span(min(self.first, other.first), max(self.last, other.last))

    def meets(self, first: int, last: int) -> bool:
        """Tell whether a time from FIRST to LAST lies in it."""
        return self.first <= last and first <= self.last


@dataclass(frozen=True, slots=True)
class Needs:
    """What is read of the events.

    Args:
        key: the columns of the key.
        fields: all that the plans declare, of any event.
        texts: those of them that are text.
        spans: by event name; others are seen by nobody.
        known: whether known_ms is read.
    """

    key: tuple[str, ...]
    fields: frozenset[str]
    texts: frozenset[str]
    spans: Mapping[str, Span]
    known: bool

    @property
    def identity(self) -> frozenset[str]:
        """Return the columns that say which event it is, for whom, and where it stands."""
        found = {"event", "ts_ms", "seq", "event_id", *self.key}
        if self.key != (USER,):
            found.add(USER)  # positions and ties are those of the user
        return frozenset(found | ({"known_ms"} if self.known else set()))

    @property
    def columns(self) -> frozenset[str]:
        """Return all columns that are read."""
        return self.identity | self.fields

    def is_silent(self, seqs: Seqs) -> bool:
        """Tell whether events without an event_id that nobody sees can be left out of a source with SEQS."""
        # Where none has a seq, what is left out only moves up those behind it in its user's order: that the
        # field seq can tell, and under a key of several users the order of their events of one time.
        moves = "seq" in self.fields or USER not in self.key
        return seqs is Seqs.ALL or (seqs is Seqs.NONE and not moves)


def needs_of(plans: Sequence[Plan], times: tuple[int, int] | None, *, as_known: bool) -> Needs:
    """Return what PLANS need.

    Args:
        plans: all of one key.
        times: the first and the last t of the queries; None: there is no query.
        as_known: whether some query may ask as known (3.5).
    """
    graphs = [plan.graph for plan in plans]
    declared = [pair for graph in graphs for fields in graph.events.values() for pair in fields.items()]
    spans: dict[str, Span] = {}
    for graph in graphs if times is not None else ():
        assert times is not None
        for event, span in _spans(graph, *times):
            spans[event] = spans[event] | span if event in spans else span
    return Needs(
        key=graphs[0].key_columns,
        fields=frozenset(name for name, _ in declared),
        texts=frozenset(name for name, type in declared if type.is_text),
        spans=spans,
        known=as_known or any(name == "known_ms" for name, _ in declared),
    )


def _spans(graph: Graph, first: int, last: int) -> Iterable[tuple[str, Span]]:
    """Give the events that GRAPH's windows read, each with the times of a window that reads it."""
    for node in toposort(graph.features.values()):
        if node.op is not Op.AGG:
            continue
        span = Span(*_window(node, first, last))
        for event in node["events"]:
            yield event, span


def _window(agg: Node, first: int, last: int) -> tuple[int, int]:
    """Return when the windows of AGG begin and end; a negative offset looks ahead (SEMANTICS 9.1)."""
    over, last = agg["over"], _clipped(last - agg["offset"])
    if not isinstance(over, int):  # a lifetime, or a session, which may begin any time before
        return INT64_MIN, last
    return _clipped(first - over - agg["offset"]), last


def _clipped(time: int) -> int:
    return max(INT64_MIN, min(INT64_MAX, time))
