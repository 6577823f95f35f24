"""The graph as JSON and back (GRAPH_JSON): what a graph IS when it is stored, diffed, hashed or shipped.

Reading: `Reader` turns each Expr into a node through featuregraph.build; a reference to another feature
becomes that feature's node, so a reference has no node of its own. Writing: a part with arguments that is
itself a feature is written as a reference to the first feature of that meaning, so shared parts stay shared
in the text too. Both are inverse of each other, and equal graphs have equal bytes: sorted keys, no spaces,
UTF-8, defaults left out, durations in the largest of d, h, m, s, ms that divides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar

from featuregraph import build
from featuregraph.convert import to_json_value
from featuregraph.errors import CompileError
from featuregraph.ir import Node, Op, looks_ahead, toposort
from featuregraph.rows import check_field
from featuregraph.schema import EventSchema
from featuregraph.shown import nearest, shown
from featuregraph.tables import TableSchema
from featuregraph.types import Type
from featuregraph.windows import format_duration, parse_duration, parse_offset

FORMAT = 1
MAX_TEXT = 16 << 20  # characters of a graph's JSON
MAX_WRITTEN = 200_000  # operators in the text, where unnamed shared parts are written again

Json = dict[str, Any]
Stream = Sequence[EventSchema] | None  # the events of the rows that an expression stands in, None outside

_ROW_LEAVES: Mapping[str, Node] = {"event_name": build.EVENT_NAME, "ts": build.TS, "age": build.AGE}


def canonical(value: object) -> str:
    """Return VALUE as canonical JSON text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parse(text: str | bytes) -> Json:
    """Return the JSON object in TEXT; raise CompileError if it is none."""
    if len(text) > MAX_TEXT:
        raise CompileError(f"expected a graph of at most {MAX_TEXT} characters, found {len(text)}; split it")
    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        found = "too deep a nesting" if isinstance(error, RecursionError) else f"{error!s:.80}"
        raise CompileError(
            f"expected a graph as JSON, found: {found}; see docs/reference/graph-json.md"
        ) from None
    return _object(value, "graph")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _once(pairs: list[tuple[str, Any]]) -> Json:
    # Readers disagree on which of two equal keys counts: a text that is hashed and signed has none.
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} twice")
    return found


def _object(value: object, what: str) -> Json:
    if not isinstance(value, dict):
        raise CompileError(
            f"{what}: expected an object, found {shown(value)}; see docs/reference/graph-json.md for its form"
        )
    return value


def _known(value: Json, what: str, names: Sequence[str]) -> None:
    if extra := sorted(set(value) - set(names)):
        raise CompileError(
            f"{what}: expected the keys {', '.join(names)}, found {extra[0]!r}; {nearest(extra[0], names)}"
        )


# ---------------------------------------------------------------- reading


class Reader:
    """Reads the features of one JSON graph."""

    def __init__(
        self, events: Mapping[str, EventSchema], tables: Mapping[str, TableSchema], features: Json
    ) -> None:
        self._events = events
        self._tables = tables
        self._features = features
        self._done: dict[str, Node] = {}
        self._path: list[str] = []

    @property
    def reading(self) -> str:
        """Return the name of the feature that is being read, or could not be."""
        return self._path[-1]

    def feature(self, name: object) -> Node:
        """Return the node of the feature NAME.

        Raises:
            CompileError: no feature has this name, or it needs itself; the message shows the path.
        """
        if not isinstance(name, str) or name not in self._features:
            raise CompileError(
                f"expected a feature of this graph, found {name!r}; {nearest(name, self._features)}"
            )
        if name in self._path:
            cycle = " -> ".join([*self._path[self._path.index(name) :], name])
            raise CompileError(f"expected no feature that needs itself, found {cycle}; break the cycle")
        if name not in self._done:
            self._path.append(name)
            self._done[name] = self._expr(self._features[name], None, 0)
            self._path.pop()
        return self._done[name]

    def _expr(self, value: object, stream: Stream, depth: int) -> Node:
        """Return the node of one Expr; STREAM is that of the rows it stands in, None outside."""
        if depth > build.MAX_DEPTH:
            raise CompileError(
                f"expected expressions at most {build.MAX_DEPTH} operators deep, found more; "
                "split the expression"
            )
        expr = _object(value, "expression")
        # A table's value has a field too: of the two, the table is asked first.
        for tag, read in self._forms.items():
            if tag in expr:
                return read(self, expr, stream, depth + 1)
        raise CompileError(
            f"expected an expression ({', '.join(self._forms)}), found {shown(sorted(expr))}; "
            "see docs/reference/graph-json.md for its form"
        )

    # one method per form, in the order of GRAPH_JSON
    def _lit(self, e: Json, stream: Stream, depth: int) -> Node:
        _known(e, "literal", ("lit", "type"))
        return build.lit(Type.parse(e.get("type")), e["lit"])

    def _field(self, e: Json, stream: Stream, depth: int) -> Node:
        _known(e, "field", ("field",))
        schemas = self._inside("field", stream)
        node = build.field(e["field"], schemas[0].type_of(e["field"]))
        check_field(schemas, node)
        return node

    def _leaf(self, e: Json, stream: Stream, depth: int) -> Node:
        tag = next(name for name in _ROW_LEAVES if name in e)
        _known(e, tag, (tag,))
        self._inside(tag, stream)
        return self._true(e, tag, _ROW_LEAVES[tag])

    def _now(self, e: Json, stream: Stream, depth: int) -> Node:
        _known(e, "now", ("now",))
        return self._true(e, "now", build.NOW)

    def _calendar(self, e: Json, stream: Stream, depth: int) -> Node:
        op = Op.HOUR_OF_DAY if "hour_of_day" in e else Op.DAY_OF_WEEK
        _known(e, op.value, (op.value,))
        return build.calendar(op, e[op.value])

    def _given(self, e: Json, stream: Stream, depth: int) -> Node:
        op = Op.REQUEST if "request" in e else Op.CANDIDATE
        _known(e, op.value, (op.value, "type"))
        return build.given(op, e[op.value], Type.parse(e.get("type")))

    def _reference(self, e: Json, stream: Stream, depth: int) -> Node:
        _known(e, "feature", ("feature",))
        if stream is not None:
            raise CompileError(
                "expected fields, requests and literals inside a stream, "
                f"found feature {shown(e['feature'])}; use it outside"
            )
        return self.feature(e["feature"])

    def _look_up(self, e: Json, stream: Stream, depth: int) -> Node:
        _known(e, "table", ("table", "key", "field"))
        name = e["table"]
        if not isinstance(name, str) or name not in self._tables:
            raise CompileError(
                f"expected a declared table, found {shown(name)}; {nearest(name, self._tables)}"
            )
        return self._tables[name].look_up(self._expr(e.get("key"), stream, depth), e.get("field"))

    def _aggregate(self, e: Json, stream: Stream, depth: int) -> Node:
        agg = e["agg"]
        if stream is not None:
            raise CompileError(
                "expected fields, requests and literals inside a stream, "
                f"found the aggregate {shown(agg)}; use it outside"
            )
        if not isinstance(agg, str) or agg not in build.AGGREGATES:
            raise CompileError(
                f"expected an aggregate ({', '.join(build.AGGREGATES)}), "
                f"found {shown(agg)}; {nearest(agg, build.AGGREGATES)}"
            )
        _, parameters, _ = build.AGGREGATES[agg]
        forms = ("items", "distinct") if agg == "sequence" else ("x",)
        _known(e, agg, ("agg", "stream", *forms, *parameters))
        schemas, words = self._stream(e.get("stream"), depth)
        parts: dict[str, Any] = {name: e[name] for name in parameters if name in e}
        if "half_life" in parts:
            parts["half_life"] = parse_duration(parts["half_life"], "half_life")
        for name in ("x", "distinct"):
            if name in e:
                parts[name] = self._expr(e[name], schemas, depth)
        if "items" in e:
            parts["items"] = {
                n: self._expr(i, schemas, depth) for n, i in _object(e["items"], "items").items()
            }
        return build.aggregate(agg, [s.name for s in schemas], **words, **parts)

    def _stream(self, value: object, depth: int) -> tuple[list[EventSchema], dict[str, Any]]:
        s = _object(value, "stream")
        _known(s, "stream", ("events", "where", "over", "offset", "last", "by", "ahead"))
        if back := [name for name in ("over", "offset") if "ahead" in s and name in s]:
            raise CompileError(
                f"ahead: expected it in place of over and offset, found {back[0]} too; take one of them out"
            )
        names = s.get("events")
        if not isinstance(names, list) or not names:
            raise CompileError(f"stream: expected a list of events, found {shown(names)}; name one or more")
        schemas = sorted({self._event(name) for name in names}, key=attrgetter("name"))
        words: dict[str, Any] = {}
        if "over" in s:
            words["over"] = self._over(s["over"])
        if "offset" in s:
            words["offset"] = parse_offset(s["offset"])
        if "ahead" in s:
            words["ahead"] = parse_duration(s["ahead"], "ahead")
        if "last" in s:
            words["last"] = build.whole(s["last"], "last", 1, build.MAX_LAST)
        for name in ("where", "by"):
            if name in s:
                words[name] = self._expr(s[name], schemas, depth)
        return schemas, words

    def _event(self, name: object) -> EventSchema:
        if not isinstance(name, str) or name not in self._events:
            raise CompileError(
                f"stream: expected a declared event, found {shown(name)}; {nearest(name, self._events)}"
            )
        return self._events[name]

    def _over(self, text: object) -> int:
        if text == "session":
            raise CompileError(
                "over='session': expected a stream of sessions, found events; "
                "sessions come with derived streams"
            )
        return parse_duration(text)

    def _lookup(self, e: Json, stream: Stream, depth: int) -> Node:
        _known(e, "lookup", ("lookup", "key"))
        return build.lookup(self._expr(e["lookup"], stream, depth), self._expr(e.get("key"), stream, depth))

    def _top(self, e: Json, stream: Stream, depth: int) -> Node:
        _known(e, "top", ("top", "k"))
        return build.top(self._expr(e["top"], stream, depth), e.get("k"))

    def _op(self, e: Json, stream: Stream, depth: int) -> Node:
        try:
            op = Op(e["op"])
            _, _, parameters, _ = build.RULES[op]
        except (ValueError, KeyError):
            raise CompileError(
                f"expected an operator, found {shown(e['op'])}; {nearest(e['op'], build.RULES)}"
            ) from None
        _known(e, op.value, ("op", "args", *parameters))
        args = e.get("args")
        if not isinstance(args, list):
            raise CompileError(
                f"{op.value}: expected args as a list, found {shown(args)}; see docs/reference/graph-json.md"
            )
        nodes = [self._expr(a, stream, depth) for a in args]
        return build.scalar(op, nodes, **{name: e[name] for name in parameters if name in e})

    def _inside(self, what: str, stream: Stream) -> Sequence[EventSchema]:
        if stream is None:
            raise CompileError(f"{what}: expected it inside a stream, found it outside; aggregate it first")
        return stream

    def _true(self, e: Json, tag: str, node: Node) -> Node:
        if e[tag] is not True:
            raise CompileError(f"{tag}: expected true, found {e[tag]!r}; write {{{tag!r}: true}}")
        return node

    _forms: ClassVar[Mapping[str, Callable[[Reader, Json, Stream, int], Node]]] = {
        "op": _op,
        "agg": _aggregate,
        "lookup": _lookup,
        "top": _top,
        "lit": _lit,
        "event_name": _leaf,
        "ts": _leaf,
        "age": _leaf,
        "now": _now,
        "hour_of_day": _calendar,
        "day_of_week": _calendar,
        "request": _given,
        "candidate": _given,
        "feature": _reference,
        "table": _look_up,
        "field": _field,
    }


def read_features(
    events: Mapping[str, EventSchema], tables: Mapping[str, TableSchema], value: object
) -> dict[str, Node]:
    """Return the node of each feature of a JSON graph; an error names the feature in which it stands."""
    features = _object(value, "features")
    reader = Reader(events, tables, features)
    try:
        return {name: reader.feature(name) for name in features}
    except CompileError as error:
        raise CompileError(f"feature {reader.reading!r}: {error}") from None


def read_events(value: object) -> dict[str, EventSchema]:
    """Return the declared events of a JSON graph."""
    events = _object(value, "events")
    return {
        name: EventSchema.of(name, {f: Type.parse(t) for f, t in _object(fields, f"event {name!r}").items()})
        for name, fields in events.items()
    }


def read_tables(value: object) -> dict[str, TableSchema]:
    """Return the declared tables of a JSON graph."""
    found = {}
    for name, table in _object(value, "tables").items():
        form = _object(table, f"table {name!r}")
        _known(form, f"table {name!r}", ("key", "changing", "fields"))
        fields = _object(form.get("fields"), f"table {name!r}, fields")
        types_of = {field: Type.parse(type) for field, type in fields.items()}
        key = Type.parse(form.get("key"))
        found[name] = TableSchema.of(name, key, types_of, changing=form.get("changing", False))
    return found


def write_table(table: TableSchema) -> Json:
    """Return the declaration of TABLE."""
    form: Json = {"key": str(table.key), "fields": {field: str(type) for field, type in table.fields}}
    return form | {"changing": True} if table.changing else form


# What no graph is without, and how it is written.
_NEEDED: Mapping[str, str] = {
    "format": f'"format": {FORMAT}',
    "graph": '"graph": its name',
    "events": '"events": {EVENT: {FIELD: TYPE}}',
    "features": '"features": {NAME: EXPR}',
}


def refuse_later(graph: Json) -> None:
    """Refuse a graph that lacks a part, or has one that this version does not build."""
    _known(
        graph, "graph", ("format", "graph", "key", "include_now", "events", "derived", "tables", "features")
    )
    found = graph.get("format", FORMAT)
    if type(found) is not int or found != FORMAT:
        raise CompileError(
            f"expected graph format {FORMAT}, found {shown(found)}; use a release that reads it"
        )
    if absent := next((name for name in _NEEDED if name not in graph), None):
        raise CompileError(
            f"expected a graph with {', '.join(_NEEDED)}, found no {absent!r}; add {_NEEDED[absent]}"
        )
    if graph.get("derived"):
        raise CompileError(
            f"expected no derived, found {shown(graph['derived'])}; they come with derived streams"
        )


# ---------------------------------------------------------------- writing


def write_features(features: Mapping[str, Node]) -> dict[str, Json]:
    """Return each feature's Expr, shared features as references."""
    names: dict[Node, str] = {}
    for name in sorted(features, reverse=True):
        if features[name].args:
            names[features[name]] = name
    writer = _Writer(names)
    return {name: writer.feature(name, node) for name, node in sorted(features.items())}


class _Writer:
    """Writes nodes, each once per side: in a stream there are no references to features."""

    def __init__(self, names: Mapping[Node, str]) -> None:
        self._names = names
        self._memo: dict[tuple[Node, bool], tuple[Json, int]] = {}
        self._written = 0

    def feature(self, name: str, node: Node) -> Json:
        """Return the Expr of the feature NAME, a reference if an earlier feature means the same."""
        first = self._names.get(node, name)
        if first != name:
            return {"feature": first}
        for inner in toposort([node]):
            for inside in (False, True):
                if (inner, inside) not in self._memo:
                    self._memo[inner, inside] = self._form(inner, inside=inside)
        form, size = self._memo[node, False]
        self._written += size
        if self._written > MAX_WRITTEN:
            raise CompileError(
                f"feature {name!r}: expected at most {MAX_WRITTEN} operators in the text, found more; "
                "name the shared parts as features"
            )
        return form

    def _form(self, node: Node, *, inside: bool) -> tuple[Json, int]:
        """Return NODE's own JSON, and how many operators it writes."""
        size = 1

        def part(arg: Node, *, inside: bool = inside) -> Json:
            nonlocal size
            if not inside and arg in self._names:
                return {"feature": self._names[arg]}
            form, count = self._memo[arg, inside]
            size += count
            return form

        return _WRITE.get(node.op, _write_op)(node, part), size


Part = Callable[..., Json]


def _write_op(node: Node, part: Part) -> Json:
    form: Json = {"op": node.op.value, "args": [part(a) for a in node.args]}
    if node.op is Op.CAST:
        form["to"] = str(node.type)
    for name, value in node.attrs:
        if name in ("lo", "hi"):
            if value is not None:
                form[name] = to_json_value(node.args[0].type)(value)
        elif name in ("edges", "values"):
            form[name] = [to_json_value(node.args[0].type)(v) for v in value]
        elif not (name == "seed" and value == 0):
            form[name] = value
    return form


def _write_aggregate(node: Node, part: Part) -> Json:
    form: Json = {"agg": node["agg"]}
    for name in build.AGGREGATES[node["agg"]][1]:
        value = node[name]
        form[name] = format_duration(value) if name == "half_life" else float(value) if name == "q" else value
    for name in ("x", "distinct"):
        if (arg := node.role(name)) is not None:
            form[name] = part(arg, inside=True)
    if items := node.items:
        form["items"] = {name: part(item, inside=True) for name, item in items}
    stream: Json = {"events": list(node["events"])}
    if looks_ahead(node):
        stream["ahead"] = format_duration(node["over"])
    elif node["over"] is not None:
        stream["over"] = format_duration(node["over"])
    if node["offset"] > 0:
        stream["offset"] = format_duration(node["offset"])
    if node["last"] is not None:
        stream["last"] = node["last"]
    for name in ("where", "by"):
        if (arg := node.role(name)) is not None:
            stream[name] = part(arg, inside=True)
    return form | {"stream": stream}


def _write_top(node: Node, part: Part) -> Json:
    return {"top": part(node.args[0]), "k": node["k"]}


def _write_lookup(node: Node, part: Part) -> Json:
    return {"lookup": part(node.args[0]), "key": part(node.args[1])}


def _write_look_up(node: Node, part: Part) -> Json:
    return {"table": node["table"], "key": part(node.args[0]), "field": node["field"]}


_WRITE: Mapping[Op, Callable[[Node, Part], Json]] = {
    Op.LIT: lambda n, part: {"lit": to_json_value(n.type)(n["value"]), "type": str(n.type)},
    Op.FIELD: lambda n, part: {"field": n["name"]},
    Op.EVENT_NAME: lambda n, part: {"event_name": True},
    Op.TS: lambda n, part: {"ts": True},
    Op.AGE: lambda n, part: {"age": True},
    Op.NOW: lambda n, part: {"now": True},
    Op.HOUR_OF_DAY: lambda n, part: {"hour_of_day": n["tz"]},
    Op.DAY_OF_WEEK: lambda n, part: {"day_of_week": n["tz"]},
    Op.REQUEST: lambda n, part: {"request": n["name"], "type": str(n.type)},
    Op.CANDIDATE: lambda n, part: {"candidate": n["name"], "type": str(n.type)},
    Op.AGG: _write_aggregate,
    Op.LOOKUP: _write_lookup,
    Op.TOP: _write_top,
    Op.TABLE: _write_look_up,
}
