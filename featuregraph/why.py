"""Why a feature has its value: each row of its aggregates, with the clause that kept or rejected it.

The verdicts are the reference evaluator's own: the rows it keeps are the rows shown as kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featuregraph.errors import CompileError, FeatureOverflowError, RequestError
from featuregraph.ir import Node, Op, looks_ahead, toposort
from featuregraph.reference.answers import NO_TABLES, feature_value, public, read_key, read_query
from featuregraph.reference.events import Log, Row
from featuregraph.reference.exact import OutOfRangeError
from featuregraph.reference.expressions import Query, evaluate, seen_by
from featuregraph.reference.rows import KEPT, is_partial, is_unknown, verdicts
from featuregraph.reference.tables import opened
from featuregraph.shown import nearest, shown

if TYPE_CHECKING:
    from featuregraph.graph import Graph

# Clause of SEMANTICS -> what it says of a row.
REASONS: Mapping[str, str] = {
    KEPT: "kept",
    "1.3": "duplicate: its event_id was known already",
    "1.5": "quarantined: later than the clock allows",
    "3.1": "not visible yet",
    "3.2": "before the window",
    "3.3": "where is false",
    "3.4": "beyond the last N",
    "3.5": "not known yet, or no longer held",
    "4.1": "where overflows",
    "9.1": "outside the window ahead",
}


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """One row that an aggregate looked at: kept, or rejected by a clause."""

    event: str
    ts_ms: int
    seq: int
    event_id: str | None
    clause: str  # empty for a kept row
    fields: Mapping[str, object]  # the fields that the aggregate names, as public values

    @property
    def kept(self) -> bool:
        """Tell whether the row is among those that make the value."""
        return self.clause == KEPT

    @property
    def reason(self) -> str:
        """Return in words what decided."""
        return REASONS[self.clause]


@dataclass(frozen=True, slots=True)
class AggregateTrace:
    """One aggregate in the feature's expression with all its rows, oldest first."""

    node: Node
    rows: tuple[RowVerdict, ...]
    value: object  # public; None also where `overflow` says why there is none
    overflow: bool

    @property
    def kept(self) -> int:
        """Return how many rows make the value."""
        return sum(row.kept for row in self.rows)


@dataclass(frozen=True, slots=True)
class Why:
    """The value of one feature at one query, and where it comes from."""

    feature: str
    key: object
    t: int
    value: object  # public; None also where `overflow` says why there is none
    overflow: bool
    partial: bool  # SEMANTICS 3.5
    unknown: bool  # 9.3: it looks past the end of what is known, so that its value is null
    aggregates: tuple[AggregateTrace, ...]


def explain_rows(  # noqa: PLR0913 - the options of the contract
    graph: Graph,
    feature: str,
    arrivals: Iterable[Mapping[str, object]],
    key: object,
    t: int,
    request: Mapping[str, object] | None = None,
    *,
    as_known: bool = False,
    history_start_ms: int | None = None,
    tables: Mapping[str, Iterable[Mapping[str, object]]] = NO_TABLES,
    end: int | None = None,
) -> Why:
    """Return the value of FEATURE for KEY at T (ms) with a verdict on each row of its aggregates.

    Args:
        graph: the graph of the feature.
        feature: its name.
        arrivals: events, {"clock": MS} and {"forget": {...}} in order of arrival.
        key: whose events.
        t: the time asked for.
        request: request values and candidate lists by name.
        as_known: count only what a device knew at t (SEMANTICS 3.5).
        history_start_ms: with as_known, the oldest ts_ms that the device holds.
        tables: the rows of the graph's tables by name (SEMANTICS 10).
        end: the last ms that counts as known, in place of what the events say (SEMANTICS 9.3).

    Raises:
        CompileError: the graph has no such feature.
        EventError: an event is refused.
        TableError: a table is not given, or one of its rows is refused.
        RequestError: key, t or request have another form than the graph asks for, or lack the candidates
            that the feature is computed for.
    """
    if feature not in graph.features:
        raise CompileError(
            f"expected a feature of {graph.name!r}, found {feature!r}; {nearest(feature, graph.features)}"
        )
    _check_candidates(graph, feature, request)
    log = Log(graph.key, graph.events)
    for entry in arrivals:
        log.arrive(entry)
    raw = {"key": key, "t": t, "request": request, "as_known": as_known, "history_start_ms": history_start_ms}
    query = read_query(graph, log, raw, tables=opened(graph.tables, tables), end=end)
    node = graph.features[feature]
    unseen = _unseen(graph, log, raw)
    value, overflow = _value(lambda: feature_value(feature, node, query))
    history = history_start_ms if as_known else None
    return Why(
        feature=feature,
        key=key,
        t=t,
        value=value,
        overflow=overflow,
        partial=is_partial(node, t, history, include_now=graph.include_now),
        unknown=is_unknown(node, t, query.end, include_now=graph.include_now),
        aggregates=tuple(_trace(inner, query, unseen) for inner in toposort([node]) if inner.op is Op.AGG),
    )


def _unseen(graph: Graph, log: Log, raw: Mapping[str, Any]) -> list[tuple[Row, str]]:
    """Return the key's rows that no aggregate sees, with the clauses that refused them."""
    key = read_key(graph, raw["key"])
    return [(one.row, one.clause) for one in log.refused if key is not None and one.row.key == key]


def _check_candidates(graph: Graph, feature: str, request: Mapping[str, object] | None) -> None:
    """Refuse a feature per candidate without its lists: what people ask about is a value, not an empty list.

    All lists of the graph are asked for, since those of a query have one length (SEMANTICS 5.1).
    """
    given = request if isinstance(request, Mapping) else {}
    missing = [name for name in graph.candidates if given.get(name) is None]
    if not graph.features[feature].per_candidate or not missing:
        return
    asked = {node["name"] for node in toposort([graph.features[feature]]) if node.op is Op.REQUEST}
    values = [name for name in graph.requests if name in asked and name not in given]
    also = f" and the request {_listed(values)}" if values else ""
    form = [f'"{name}": [...]' for name in missing] + [f'"{name}": ...' for name in values]
    raise RequestError(
        f"feature {feature!r}: expected the candidate lists {_listed(graph.candidates)}{also}, "
        f"found {_listed(given) or 'none'}; give in the request {{{', '.join(form)}}}"
    )


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(shown, names))


def _trace(aggregate: Node, query: Query, unseen: list[tuple[Row, str]]) -> AggregateTrace:
    """Return AGGREGATE with a verdict on each row of its events; no aggregate sees UNSEEN."""
    hidden = [] if looks_ahead(aggregate) else [(row, "3.5") for row in query.hidden]
    others = [one for one in [*hidden, *unseen] if one[0].event in aggregate["events"]]
    judged = _judge(aggregate, query) + others
    names = {node["name"]: node.scalar for node in toposort([aggregate]) if node.op is Op.FIELD}
    value, overflow = _value(lambda: public(aggregate.type, evaluate(aggregate, query)))
    rows = (
        RowVerdict(
            event=row.event,
            ts_ms=row.ts_ms,
            seq=row.seq,
            event_id=row.event_id,
            clause=clause,
            fields={name: public(type, row.fields[name]) for name, type in sorted(names.items())},
        )
        for row, clause in sorted(judged, key=lambda one: one[0].order)
    )
    return AggregateTrace(aggregate, tuple(rows), value, overflow)


def _judge(aggregate: Node, query: Query) -> list[tuple[Row, str]]:
    """Return the evaluator's verdicts; a row whose where overflows is shown as such and ends nothing."""
    where, overflowed = aggregate.role("where"), []

    def holds(row: Row) -> bool:
        try:
            return where is None or evaluate(where, query, row) is True
        except OutOfRangeError:
            overflowed.append(row)
            return False

    rows = seen_by(aggregate, query)
    judged = verdicts(aggregate, rows, query.t, include_now=query.include_now, where=holds)
    return [(row, "4.1" if any(row is one for one in overflowed) else clause) for row, clause in judged]


def _value(compute: Callable[[], object]) -> tuple[object, bool]:
    """Return the value and False, or None and True if it lies outside its type."""
    try:
        return compute(), False
    except (OutOfRangeError, FeatureOverflowError):
        return None, True
