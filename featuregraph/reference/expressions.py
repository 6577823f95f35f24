"""SEMANTICS 3 to 5 put together: the value of a node at a query, in a row where it stands inside a stream.

Evaluation is lazy as clause 4.1 asks: what is not needed is not evaluated, so it raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from featuregraph.ir import Node, Op, looks_ahead
from featuregraph.reference.aggregates import SHAPES, Seen, nearest_per_value, top
from featuregraph.reference.events import Row
from featuregraph.reference.exact import bring, int64, order
from featuregraph.reference.operators import STRICT, TAKES_NULL, equal
from featuregraph.reference.rows import KEPT, verdicts
from featuregraph.reference.tables import Table
from featuregraph.reference.zones import day_of_week, hour_of_day


@dataclass(frozen=True, slots=True)
class Query:
    """What is known when a value is asked: the key's rows in total order, t, and the request's values."""

    rows: Sequence[Row]
    t: int
    include_now: bool
    request: Mapping[str, object] = field(default_factory=dict)
    candidate: Mapping[str, object] = field(default_factory=dict)
    hidden: Sequence[Row] = ()  # what 3.5 leaves out of rows: labels see it too
    end: int | None = None  # the last ms that counts as known (9.3)
    tables: Mapping[str, Table] = field(default_factory=dict)


def evaluate(node: Node, query: Query, row: Row | None = None) -> Any:
    """Return the value of NODE; raise OutOfRangeError if something needed for it does not fit its type."""
    function = STRICT.get(node.op)
    if function is None:
        return EVALUATE[node.op](node, query, row)
    values = [evaluate(arg, query, row) for arg in node.args]
    if node.op not in TAKES_NULL and any(value is None for value in values):
        return None  # 5.3: any operation on null gives null
    return function(node, values)


# ---------------------------------------------------------------- leaves: clauses 5.1 and 5.2


def _row(row: Row | None) -> Row:
    assert row is not None, "a graph has fields inside a stream only"
    return row


def _lit(node: Node, query: Query, row: Row | None) -> object:
    return node["value"]


def _request(node: Node, query: Query, row: Row | None) -> object:
    return query.request.get(node["name"])  # 5.1: a missing request is null


def _candidate(node: Node, query: Query, row: Row | None) -> object:
    return query.candidate[node["name"]]


def _field(node: Node, query: Query, row: Row | None) -> object:
    return _row(row).fields[node["name"]]


def _event_name(node: Node, query: Query, row: Row | None) -> object:
    return _row(row).event


def _ts(node: Node, query: Query, row: Row | None) -> object:
    return _row(row).ts_ms


def _age(node: Node, query: Query, row: Row | None) -> object:
    """Clause 5.2: t minus the row's ts_ms; with an offset too it is the query's t (3.2)."""
    return int64(query.t - _row(row).ts_ms)


def _now(node: Node, query: Query, row: Row | None) -> object:
    return query.t


def _hour_of_day(node: Node, query: Query, row: Row | None) -> object:
    return hour_of_day(node["tz"], query.t)


def _day_of_week(node: Node, query: Query, row: Row | None) -> object:
    return day_of_week(node["tz"], query.t)


# ---------------------------------------------------------------- choice: clauses 4.1 and 5.3


def _and(node: Node, query: Query, row: Row | None) -> object:
    """Clause 3.3: a null boolean counts as false; after the first false nothing is evaluated."""
    return all(evaluate(arg, query, row) is True for arg in node.args)


def _or(node: Node, query: Query, row: Row | None) -> object:
    return any(evaluate(arg, query, row) is True for arg in node.args)


def _fill(node: Node, query: Query, row: Row | None) -> object:
    for arg in node.args:
        value = evaluate(arg, query, row)
        if value is not None:
            return _common(node, arg, value)
    return None


def _where(node: Node, query: Query, row: Row | None) -> object:
    cond, yes, no = node.args
    arg = yes if evaluate(cond, query, row) is True else no
    return _common(node, arg, evaluate(arg, query, row))


def _common(node: Node, arg: Node, value: object) -> object:
    """Clause 5.3: bring the value chosen to the common type, checked."""
    value = bring(value, arg.scalar, node.scalar)
    return int64(value) if isinstance(value, int) and node.scalar.is_number else value


# ---------------------------------------------------------------- aggregates: section 4


def seen_by(node: Node, query: Query) -> Sequence[Row]:
    """Clause 3.5: return the rows of the key that NODE may see; nothing is hidden from a label."""
    if looks_ahead(node) and query.hidden:
        return sorted([*query.rows, *query.hidden], key=lambda row: row.order)
    return query.rows


def _kept(node: Node, query: Query) -> list[Row]:
    """Clause 3.4: return the rows that the stream keeps."""
    where = node.role("where")

    def holds(row: Row) -> bool:
        return where is None or evaluate(where, query, row) is True

    judged = verdicts(node, seen_by(node, query), query.t, include_now=query.include_now, where=holds)
    return [row for row, clause in judged if clause == KEPT]


def _seen(node: Node, role: str, query: Query, rows: Sequence[Row]) -> Seen:
    """Return ROWS with the value that plays ROLE, those where it is null skipped; all without the role."""
    x = node.role(role)
    if x is None:
        return [(row, None) for row in rows]
    return [(row, value) for row in rows if (value := evaluate(x, query, row)) is not None]


def _shape(node: Node, query: Query, rows: Sequence[Row]) -> object:
    return SHAPES[node["agg"]](node, _seen(node, "x", query, rows), query.t)


def _groups(node: Node, query: Query) -> dict[object, list[Row]]:
    """Clause 4.3: the kept rows by group, keys ascending as min orders them, null keys skipped."""
    groups: dict[object, list[Row]] = {}
    for row, key in _seen(node, "by", query, _kept(node, query)):
        groups.setdefault(key, []).append(row)
    return {key: groups[key] for key in sorted(groups, key=order)}


def _agg(node: Node, query: Query, row: Row | None) -> object:
    if node["agg"] == "sequence":
        return _sequence(node, query)
    if node.role("by") is None:
        return _shape(node, query, _kept(node, query))
    return {key: _shape(node, query, rows) for key, rows in _groups(node, query).items()}


def _sequence(node: Node, query: Query) -> dict[str, list[object]]:
    """Give aligned lists, oldest to newest, of the n latest rows; `distinct` comes before the cut to n.

    Clause 9.1: ahead, of the n rows nearest to t.
    """
    rows: Sequence[Row] = _kept(node, query)
    if node.role("distinct") is not None:
        rows = nearest_per_value(node, _seen(node, "distinct", query, rows))
    n = node["n"]
    rows = rows[:n] if looks_ahead(node) else rows[-n:]
    return {name: [evaluate(item, query, row) for row in rows] for name, item in node.items}


def _lookup(node: Node, query: Query, row: Row | None) -> object:
    """Clause 4.3: the group's value or the aggregate's empty value (also for null); no other is evaluated."""
    grouped, key = node.args
    by = grouped.role("by")
    assert by is not None
    wanted = evaluate(key, query, row)
    found: Sequence[Row] = ()
    if wanted is not None:
        groups = _groups(grouped, query).items()
        found = next((rows for group, rows in groups if equal(group, by.scalar, wanted, key.scalar)), ())
    return _shape(grouped, query, found)


def _table(node: Node, query: Query, row: Row | None) -> object:
    """Clause 10.2: look up as of the row's time inside a stream, else as of t, whatever windows there are."""
    key = evaluate(node.args[0], query, row)
    time = query.t if row is None else row.ts_ms
    found = query.tables[node["table"]].as_of(key, time, include_now=query.include_now)
    return None if found is None else found.fields[node["field"]]


def _top(node: Node, query: Query, row: Row | None) -> object:
    """Clause 4.3: the k keys with the largest value, ties by latest kept row first."""
    (grouped,) = node.args
    latest = {key: rows[-1].order for key, rows in _groups(grouped, query).items()}
    return top(evaluate(grouped, query), latest, node["k"])


EVALUATE: Mapping[Op, Callable[[Node, Query, Row | None], object]] = {
    Op.LIT: _lit,
    Op.NOW: _now,
    Op.HOUR_OF_DAY: _hour_of_day,
    Op.DAY_OF_WEEK: _day_of_week,
    Op.REQUEST: _request,
    Op.CANDIDATE: _candidate,
    Op.FIELD: _field,
    Op.EVENT_NAME: _event_name,
    Op.TS: _ts,
    Op.AGE: _age,
    Op.AND: _and,
    Op.OR: _or,
    Op.FILL: _fill,
    Op.WHERE: _where,
    Op.AGG: _agg,
    Op.LOOKUP: _lookup,
    Op.TOP: _top,
    Op.TABLE: _table,
}
