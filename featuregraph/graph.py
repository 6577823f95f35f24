"""The graph: named features over declared events, under one key, with one meaning."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from featuregraph import build, jsonform
from featuregraph.errors import CompileError
from featuregraph.expr import Expr, Windows, lift
from featuregraph.ir import Node, Op, toposort
from featuregraph.place import Place, placed, with_place
from featuregraph.rows import GroupedRows, LastRows, Rows
from featuregraph.schema import RESERVED, EventSchema
from featuregraph.shown import shown
from featuregraph.types import Type

if TYPE_CHECKING:
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
            CompileError: a name, key or feature breaks a rule; the message names the place in the file.
        """
        with placed():
            exprs = _features_of(features)
            schemas: dict[str, EventSchema] = {}
            for feature, expr in exprs.items():
                for schema in sorted(expr.schemas, key=lambda s: s.name):
                    if schemas.setdefault(schema.name, schema) != schema:
                        raise CompileError(
                            f"feature {feature!r}: expected one declaration of event {schema.name!r}, "
                            "found two; share one class"
                        )
            places = {feature: expr.place for feature, expr in exprs.items()}
            self._fill(name, key, include_now, schemas, {n: e.node for n, e in exprs.items()}, places)

    def _fill(
        self,
        name: object,
        key: object,
        include_now: object,
        schemas: Mapping[str, EventSchema],
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

    @cached_property
    def id(self) -> str:
        """Return the SHA-256 (64 hex digits) of the meaning: features by name, key and include_now."""
        return _sha256({**self._frame, "features": {name: node.id for name, node in self.features.items()}})

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
            form["key"] = self.key
        if self.include_now:
            form["include_now"] = True
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
        graph = cls.__new__(cls)
        graph._fill(  # noqa: SLF001 - a second constructor of this class
            form.get("graph"),
            form.get("key", DEFAULT_KEY),
            form.get("include_now", False),
            schemas,
            jsonform.read_features(schemas, form.get("features")),
            {},
        )
        return graph

    def serving(self) -> Graph:
        """Return the graph without labels: what devices and the cloud compute."""
        return self

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


def _sha256(value: object) -> str:
    return hashlib.sha256(jsonform.canonical(value).encode()).hexdigest()


def _features_of(namespace: object) -> dict[str, Expr]:
    """Return the features in NAMESPACE by name, one per window where an attribute has several."""
    found: dict[str, Expr] = {}
    for name, value in _attributes(namespace).items():
        if name.startswith("_"):
            continue
        if isinstance(value, Windows):
            made = {f"{name}_{window}": expr for window, expr in value.items()}
        elif isinstance(value, Expr):
            made = {name: lift(value)}
        else:
            _refuse_lost(namespace, name, value)
            continue
        if twice := sorted(set(made) & set(found)):
            raise CompileError(
                f"feature {twice[0]!r}: expected one feature of this name, found two; "
                "a list of windows makes NAME_WINDOW of each, rename one"
            )
        found |= made
    return found


# What a class may hold beside features; a module may hold anything.
_NO_VALUES = (type, ModuleType, FunctionType, classmethod, staticmethod, property, Graph)


def _refuse_lost(namespace: object, name: str, value: object) -> None:
    """Refuse a VALUE that looks like a feature and is none, rather than leave it out in silence."""
    if value is None or isinstance(namespace, ModuleType) or isinstance(value, _NO_VALUES):
        return  # None takes an inherited feature away
    if isinstance(value, Rows | LastRows | GroupedRows):
        raise CompileError(
            f"feature {name!r}: expected one value per query, found rows; "
            f"aggregate them, as in .count(), or name them _{name} to use them in others"
        )
    raise CompileError(
        f"feature {name!r}: expected an expression, found {shown(value)}; "
        f"write fg.lit(...) for a constant feature, or name it _{name}"
    )


def _attributes(namespace: object) -> dict[str, object]:
    """Return what NAMESPACE holds: items, attributes with inherited ones, or a module's names."""
    if isinstance(namespace, Mapping):
        return {str(name): value for name, value in namespace.items()}
    merged: dict[str, object] = {}
    for base in reversed(getattr(namespace, "__mro__", ())):
        merged.update(vars(base))
    return merged or dict(getattr(namespace, "__dict__", {}))


def _key(graph: str, key: object) -> str:
    if isinstance(key, (list, tuple)):
        raise CompileError(
            f"graph {graph!r}: expected a key of one column, found {shown(list(key))}; "
            "keys of several columns come with columnar replay"
        )
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
