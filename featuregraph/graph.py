"""The graph: named features over declared events, under one key, with one meaning."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from featuregraph import build, jsonform
from featuregraph.errors import CompileError
from featuregraph.ir import Node, Op, is_label, toposort
from featuregraph.namespace import features_of
from featuregraph.place import Place, placed, with_place
from featuregraph.schema import RESERVED, EventSchema
from featuregraph.shown import shown
from featuregraph.tables import TableSchema
from featuregraph.types import Type

if TYPE_CHECKING:
    from featuregraph.expr import Expr
    from featuregraph.plan import Plan

DEFAULT_KEY = "user_id"


@dataclass(frozen=True, slots=True)
class GraphDiff:
    """What a change of graphs does to each feature's meaning."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        lines = [
            f"{sign} {name}"
            for sign, names in zip("+-~", (self.added, self.removed, self.changed), strict=True)
            for name in names
        ]
        return "\n".join([*lines, f"{len(self.unchanged)} unchanged"])


class Graph:
    """Features by name, typed and checked; equal if they mean the same under the same names."""

    def __init__(
        self,
        name: str,
        features: object,
        key: str | tuple[str, ...] = DEFAULT_KEY,
        *,
        include_now: bool = False,
    ) -> None:
        """Take the Expr attributes of FEATURES (a class, module or mapping) without a leading underscore.

        Raises:
            CompileError: a name, key or feature breaks a rule, or a public attribute is none but looks like
                one; the message names the place in the file.
        """
        with placed():
            exprs = features_of(features)
            schemas = _declared(exprs, EventSchema, "event")
            tables = _declared(exprs, TableSchema, "table")
            places = {feature: expr.place for feature, expr in exprs.items()}
            nodes = {feature: expr.node for feature, expr in exprs.items()}
            self._fill(name, key, include_now, schemas, tables, nodes, places)

    def _fill(
        self,
        name: object,
        key: object,
        include_now: object,
        schemas: Mapping[str, EventSchema],
        tables: Mapping[str, TableSchema],
        features: Mapping[str, Node],
        places: Mapping[str, Place | None],
    ) -> None:
        name = build.named(name, "expected a graph name")
        if not isinstance(include_now, bool):
            raise CompileError(
                f"graph {name!r}: expected include_now as true or false, found {shown(include_now)}; "
                "write one of them"
            )
        if not features:
            raise CompileError(
                f"graph {name!r}: expected at least one feature, found none; "
                "give an attribute without a leading underscore"
            )
        self.name = name
        self.key = _key(name, key)
        self.include_now = include_now
        self.schemas = dict(sorted(schemas.items()))
        self.tables = dict(sorted(tables.items()))
        self.features = dict(sorted(features.items()))
        for feature, node in self.features.items():
            _check_feature(feature, node, places.get(feature))
        self.requests = _given(self.features, Op.REQUEST)
        self.candidates = _given(self.features, Op.CANDIDATE)
        if both := sorted(set(self.requests) & set(self.candidates)):
            raise CompileError(
                f"graph {name!r}: expected a name as a request or as a candidate, "
                f"found {both[0]!r} as both; rename one"
            )

    @property
    def events(self) -> dict[str, dict[str, Type]]:
        """Return the declared fields and types by event, sorted."""
        return {name: dict(schema.fields) for name, schema in self.schemas.items()}

    @property
    def key_columns(self) -> tuple[str, ...]:
        """Return the key's columns, in the order in which a query gives them."""
        return (self.key,) if isinstance(self.key, str) else self.key

    @cached_property
    def id(self) -> str:
        """Return the SHA-256 (64 hex digits) of the meaning: features by name, key and include_now.

        Labels are left out: what is served, and the training data for it, have one id (SEMANTICS 9.2).
        """
        served = {name: node.id for name, node in self.features.items() if name not in self.labels}
        return _sha256({**self._frame, "features": served})

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Return the names of the features that look ahead, which only history can tell (SEMANTICS 9)."""
        return tuple(name for name, node in self.features.items() if is_label(node))

    @cached_property
    def feature_ids(self) -> dict[str, str]:
        """Return each feature's own id: that of its meaning, whatever its name."""
        return {name: _sha256({**self._frame, "feature": node.id}) for name, node in self.features.items()}

    @property
    def _frame(self) -> dict[str, object]:
        return {"format": jsonform.FORMAT, "key": self.key, "include_now": self.include_now}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form as Python values."""
        form: dict[str, Any] = {
            "format": jsonform.FORMAT,
            "graph": self.name,
            "events": {n: {f: str(t) for f, t in s.fields} for n, s in self.schemas.items()},
            "features": jsonform.write_features(self.features),
        }
        if self.key != DEFAULT_KEY:
            form["key"] = self.key if isinstance(self.key, str) else list(self.key)
        if self.include_now:
            form["include_now"] = True
        if self.tables:
            form["tables"] = {name: jsonform.write_table(table) for name, table in self.tables.items()}
        return form

    def to_json(self) -> str:
        """Return the canonical JSON text: equal graphs have equal bytes."""
        return jsonform.canonical(self.to_dict())

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any]) -> Graph:
        """Return the graph that JSON text (or its parsed form) describes.

        Raises:
            CompileError: the text breaks a rule of SEMANTICS or GRAPH_JSON.
        """
        form = jsonform.parse(source) if isinstance(source, (str, bytes)) else dict(source)
        try:
            return cls._read(form)
        except RecursionError:  # what parses may still be nested too deep to be looked at
            raise CompileError(
                "expected a graph nested as GRAPH_JSON says, found far deeper nesting; split its expressions"
            ) from None

    @classmethod
    def _read(cls, form: dict[str, Any]) -> Graph:
        jsonform.refuse_later(form)
        schemas = jsonform.read_events(form.get("events"))
        tables = jsonform.read_tables(form.get("tables", {}))
        return cls._made(
            form.get("graph"),
            form.get("key", DEFAULT_KEY),
            form.get("include_now", False),
            schemas,
            tables,
            jsonform.read_features(schemas, tables, form.get("features")),
        )

    @classmethod
    def _made(
        cls,
        name: object,
        key: object,
        include_now: object,
        schemas: Mapping[str, EventSchema],
        tables: Mapping[str, TableSchema],
        features: Mapping[str, Node],
    ) -> Graph:
        """Return the graph of these parts: the constructor of those who have nodes already."""
        graph = cls.__new__(cls)
        graph._fill(name, key, include_now, schemas, tables, features, {})  # noqa: SLF001 - see above
        return graph

    def serving(self) -> Graph:
        """Return the graph without labels: what devices and the cloud compute, under the same id.

        Raises:
            CompileError: all features are labels.
        """
        if not self.labels:
            return self
        features = {name: node for name, node in self.features.items() if name not in self.labels}
        if not features:
            raise CompileError(
                f"graph {self.name!r}: expected a feature to serve, found labels only "
                f"({', '.join(self.labels)}); give it one that looks back"
            )
        nodes = toposort(features.values())
        read = {event for node in nodes if node.op is Op.AGG for event in node["events"]}
        asked = {node["table"] for node in nodes if node.op is Op.TABLE}
        return self._made(
            self.name,
            self.key,
            self.include_now,
            {name: schema for name, schema in self.schemas.items() if name in read},
            {name: table for name, table in self.tables.items() if name in asked},
            features,
        )

    def diff(self, other: Graph) -> GraphDiff:
        """Return what changes in meaning when OTHER takes this graph's place."""
        mine, theirs = self.feature_ids, other.feature_ids
        both = sorted(set(mine) & set(theirs))
        return GraphDiff(
            added=tuple(sorted(set(theirs) - set(mine))),
            removed=tuple(sorted(set(mine) - set(theirs))),
            changed=tuple(n for n in both if mine[n] != theirs[n]),
            unchanged=tuple(n for n in both if mine[n] == theirs[n]),
        )

    def explain(self) -> str:
        """Return the plan as text: nodes, what is shared, which windows each scan serves."""
        from featuregraph.explain import explain

        return explain(self.compile())

    def compile(self) -> Plan:
        """Return the plan that executors run."""
        from featuregraph.compiler import compile_graph

        return compile_graph(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        size = f"{len(self.features)} features of {len(self.schemas)} events"
        return f"<Graph {self.name!r}: {size}, id {self.id[:12]}>"


S = TypeVar("S", EventSchema, TableSchema)


def _declared(exprs: Mapping[str, Expr], kind: type[S], what: str) -> dict[str, S]:
    """Return the declarations of KIND that EXPRS are made of, by name; raise CompileError if two differ."""
    found: dict[str, S] = {}
    for feature, expr in exprs.items():
        mine = [schema for schema in expr.schemas if isinstance(schema, kind)]
        for schema in sorted(mine, key=lambda s: s.name):
            if found.setdefault(schema.name, schema) != schema:
                raise CompileError(
                    f"feature {feature!r}: expected one declaration of {what} {schema.name!r}, "
                    "found two; share one class"
                )
    return found


def _sha256(value: object) -> str:
    return hashlib.sha256(jsonform.canonical(value).encode()).hexdigest()


def _key(graph: str, key: object) -> str | tuple[str, ...]:
    """Return a key's one column, or two or more of them as a tuple (SEMANTICS 11.1)."""
    if not isinstance(key, (list, tuple)):
        return _key_column(graph, key)
    columns = tuple(_key_column(graph, column) for column in key)
    if len(columns) < 2:
        raise CompileError(
            f"graph {graph!r}: expected two key columns or more in a list, found {shown(list(key))}; "
            "write one column as a text"
        )
    if len(set(columns)) < len(columns):
        raise CompileError(
            f"graph {graph!r}: expected different key columns, found {shown(list(key))}; take one out"
        )
    return columns


def _key_column(graph: str, key: object) -> str:
    column = build.named(key, f"graph {graph!r}: expected a key column such as 'user_id'")
    if column in RESERVED:
        raise CompileError(
            f"graph {graph!r}: expected a key column, found {column!r}; name one such as 'user_id'"
        )
    return column


def _check_feature(name: str, node: Node, place: Place | None) -> None:
    """Raise CompileError unless NODE can stand as a feature."""
    build.named(name, "expected a feature name")
    if node.in_row:
        error = CompileError(
            f"feature {name!r}: expected one value per query, found one per row; "
            "aggregate it with fg.rows(...)"
        )
        raise with_place(error, place) if place else error


def _given(features: Mapping[str, Node], op: Op) -> dict[str, Type]:
    found: dict[str, Type] = {}
    for node in toposort(features.values()):
        if node.op is op and found.setdefault(node["name"], node.scalar) is not node.type:
            raise CompileError(
                f"{op.value} {node['name']!r}: expected one type, "
                f"found {found[node['name']]} and {node.type}; declare it once"
            )
    return dict(sorted(found.items()))
