"""From arrivals and queries to answers: the reference as it is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from featuregraph.errors import FeatureOverflowError, RequestError
from featuregraph.ir import Node
from featuregraph.reference import expressions
from featuregraph.reference.events import Key, Log, Row, columns_of, key_of
from featuregraph.reference.exact import OutOfRangeError, fits
from featuregraph.reference.expressions import Query
from featuregraph.reference.fields import UnparsableError, convert, convert_or_null
from featuregraph.reference.rows import is_known, is_partial, is_unknown
from featuregraph.reference.tables import Raw, Table, opened
from featuregraph.types import IDENTIFIER, AnyType, ListType, MapType, RecordType

if TYPE_CHECKING:
    import pyarrow as pa

    from featuregraph.graph import Graph

_EXACT = Context(prec=40)
NO_TABLES: Mapping[str, Iterable[Raw]] = MappingProxyType({})
NOTHING_OPEN: Mapping[str, Table] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """The features of one query by name, as owned public values (featuregraph.vector says their forms)."""

    values: dict[str, object]
    partial: tuple[str, ...] = ()


def answer(
    graph: Graph,
    arrivals: Iterable[Mapping[str, object]],
    queries: Sequence[Mapping[str, Any]],
    *,
    strict: bool = False,
    tables: Mapping[str, Iterable[Raw]] = NO_TABLES,
    end: int | None = None,
) -> list[Answer]:
    """Return one answer per query, in their order.

    Args:
        graph: the features asked for.
        arrivals: in order: events, {"clock": MS}, {"forget": {"before" | "key" | "event_id": VALUE}},
            {"table": NAME, "rows": [ROW, ...]}.
        queries: {"key", "t"} and perhaps "request", "as_known", "history_start_ms", "after"; "after": N
            asks when only the first N entries have arrived.
        strict: refuse events and rows of tables with unparsable fields (2.2).
        tables: the rows of each table that are known from the beginning,
            {"key": VALUE, "ts_ms": MS, FIELD: VALUE, ...}.
        end: the last ms that counts as known, in place of what the events say (9.3).

    Raises:
        EventError: an event is refused.
        TableError: a table is not given, or one of its rows is refused.
        RequestError: a query has another form than the graph asks for.
        FeatureOverflowError: a value lies outside its type; names the feature.
    """
    entries = list(arrivals)
    due: dict[int, list[int]] = {}  # entries that have arrived -> places of the queries asked then
    for place, query in enumerate(queries):
        due.setdefault(min(query.get("after", len(entries)), len(entries)), []).append(place)
    answers: dict[int, Answer] = {}
    log = Log(graph.key, graph.events, strict=strict)
    known = opened(graph.tables, tables, strict=strict)
    for arrived in range(len(entries) + 1):
        for place in due.get(arrived, ()):
            answers[place] = ask(graph, log, queries[place], tables=known, end=end)
        if arrived < len(entries):
            _arrive(log, known, entries[arrived])
    return [answers[place] for place in range(len(queries))]


def _arrive(log: Log, tables: Mapping[str, Table], entry: Mapping[str, Any]) -> None:
    """Take one entry; rows of a table that the graph does not declare say nothing to it (10.3)."""
    if "rows" not in entry or "event" in entry:
        log.arrive(entry)
    elif entry["table"] in tables:
        tables[entry["table"]].add(entry["rows"])


def value(
    graph: Graph,
    feature: str,
    events: Iterable[Mapping[str, object]],
    key: object,
    t: int,
    request: Mapping[str, object] | None = None,
    *,
    tables: Mapping[str, Iterable[Raw]] = NO_TABLES,
    end: int | None = None,
) -> object:
    """Return the value of one feature for KEY at T (ms), after all EVENTS have arrived.

    tables, end: as in answer.
    """
    log = Log(graph.key, graph.events)
    for event in events:
        log.arrive(event)
    raw = {"key": key, "t": t, "request": request or {}}
    query = read_query(graph, log, raw, tables=opened(graph.tables, tables), end=end)
    return feature_value(feature, graph.features[feature], query)


def evaluate(
    graph: Graph,
    events: pa.Table,
    queries: pa.Table,
    *,
    as_known: bool = False,
    tables: Mapping[str, pa.Table] | None = None,
    end: int | None = None,
) -> pa.Table:
    """Return the query columns, then a column per feature (featuregraph.arrow says what the tables hold).

    Args:
        graph: the features asked for.
        events: in order of arrival, in canonical columns.
        queries: the key, ts_ms, a column per request, a list column per candidate.
        as_known: give what a device could know at the time (3.5), where the queries do not say it themselves.
        tables: the graph's tables by name, with the columns key, ts_ms (if changing) and one per field.
        end: the last ms that counts as known, in place of what the events say (9.3).
    """
    from featuregraph.arrow import read_events, read_queries, read_rows, write_results

    asked = read_queries(graph, queries, as_known=as_known)
    rows = {name: read_rows(table) for name, table in (tables or {}).items()}
    answers = answer(graph, read_events(events), asked, tables=rows, end=end)
    return write_results(graph, queries, [one.values for one in answers])


def ask(
    graph: Graph,
    log: Log,
    raw: Mapping[str, Any],
    *,
    tables: Mapping[str, Table] = NOTHING_OPEN,
    end: int | None = None,
) -> Answer:
    """Return all features of GRAPH at one query, with the events that LOG knows now and the rows of TABLES.

    end: as in answer.
    """
    query = read_query(graph, log, raw, tables=tables, end=end)
    history = raw.get("history_start_ms") if raw.get("as_known") else None
    return Answer(
        {name: feature_value(name, node, query) for name, node in graph.features.items()},
        tuple(
            name
            for name, node in graph.features.items()
            if is_partial(node, query.t, history, include_now=graph.include_now)
        ),
    )


def read_query(
    graph: Graph,
    log: Log,
    raw: Mapping[str, Any],
    *,
    tables: Mapping[str, Table] = NOTHING_OPEN,
    end: int | None = None,
) -> Query:
    """Clauses 3.1, 3.5 and 5.1: return a query in its types, with the rows it may see; raise RequestError."""
    t = raw.get("t")
    if isinstance(t, bool) or not isinstance(t, int) or not fits(t):
        raise RequestError(
            f"expected t as int64 ms, found {t!r:.60} in a query; give the time that is asked for"
        )
    key, given = read_key(graph, raw.get("key")), raw.get("request") or {}
    if not isinstance(given, Mapping):
        raise RequestError(
            f"expected a request as names with values, found {given!r:.60}; give {{NAME: VALUE}}"
        )
    _check_names(graph, given)
    rows = [] if key is None else log.ordered(key)  # 11.1: a null key sees no event
    hidden: list[Row] = []
    if raw.get("as_known"):
        hidden = [row for row in rows if not is_known(row, t, raw.get("history_start_ms"))]
        rows = [row for row in rows if is_known(row, t, raw.get("history_start_ms"))]
    request = {name: convert_or_null(type, given.get(name)) for name, type in graph.requests.items()}
    lists, end = _candidates(graph, given), log.end if end is None else end
    return Query(rows, t, graph.include_now, request, lists, hidden, end, tables)


def read_key(graph: Graph, key: object) -> Key | None:
    """Clauses 1.1 and 11.1: return a query's key as an identifier, of several columns as one each."""
    columns = columns_of(graph.key)
    values = [key] if len(columns) == 1 else key
    if not isinstance(values, (list, tuple)) or len(values) != len(columns):
        raise RequestError(
            f"expected a value each of {', '.join(columns)} as key, found {key!r:.60} in a query; give a list"
        )
    try:
        return key_of([convert(IDENTIFIER, value) for value in values])
    except UnparsableError:
        raise RequestError(
            f"expected a value of {' and '.join(columns)} as key, found {key!r:.60} in a query; "
            "give a text or an int64"
        ) from None


def _check_names(graph: Graph, given: Mapping[str, object]) -> None:
    """Clause 5.1 as docs/adr/0008 reads it: a query gives what the graph asks for, nothing else."""
    asked = [*graph.requests, *graph.candidates]
    for name in given:
        if name not in asked:
            raise RequestError(
                f"expected requests and candidates of graph {graph.name!r} ({', '.join(asked) or 'none'}), "
                f"found {name!r:.60}; correct it or leave it out"
            )


def _candidates(graph: Graph, given: Mapping[str, object]) -> dict[str, object]:
    """Clause 5.1: convert each candidate's list; a missing list is empty, all have one length."""
    lists: dict[str, object] = {}
    length: int | None = None
    for name, type in graph.candidates.items():
        items = given.get(name)
        items = [] if items is None else items
        if not isinstance(items, (list, tuple)):
            raise RequestError(
                f"expected a list as candidate {name!r}, found {items!r:.60}; give one value for each"
            )
        if length is not None and len(items) != length:
            raise RequestError(
                f"expected candidate lists of one length, found {length} and {len(items)}; align {name}"
            )
        length = len(items)
        lists[name] = [convert_or_null(type, item) for item in items]
    return lists


def feature_value(name: str, node: Node, query: Query) -> object:
    """Clause 5.1: evaluate once, or once per candidate; clause 4.1: an overflow names the feature.

    Clause 9.3: what is not known yet is null, whatever stands around it, for a candidate each.
    """
    lists: dict[str, Any] = dict(query.candidate)
    length = max(map(len, lists.values()), default=0)
    if is_unknown(node, query.t, query.end, include_now=query.include_now):
        return [None] * length if node.per_candidate else None
    try:
        if not node.per_candidate:
            return public(node.type, expressions.evaluate(node, query))
        chosen = [{name: items[place] for name, items in lists.items()} for place in range(length)]
        asked = [replace(query, candidate=one) for one in chosen]
        return [public(node.type, expressions.evaluate(node, one)) for one in asked]
    except OutOfRangeError as overflow:
        raise FeatureOverflowError(name, str(overflow)) from None


def public(type: AnyType, value: Any) -> object:
    """Return an internal value in its public form: decimals as Decimal with all digits, vectors as lists."""
    if value is None:
        return None
    match type:
        case ListType(item):
            return [public(item, v) for v in value]
        case MapType(key, inner):
            return {public(key, k): public(inner, v) for k, v in value.items()}
        case RecordType(items):
            return {name: [public(item, v) for v in value[name]] for name, item in items}
    if type.kind == "decimal":
        return Decimal(value).scaleb(-type.scale, _EXACT)
    return list(value) if type.kind == "vector" else value
