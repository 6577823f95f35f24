"""Random legal graphs: every type, window, aggregate and operator, as GRAPH_JSON.

Generation is directed by types: `expr(type)` makes an expression of that type, out of leaves or out of an
operator whose arguments it makes in turn. Streams, filters and whole expressions are used again on purpose:
sharing is where executors differ from the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from random import Random
from typing import Any

from featuregraph.testing.values import World, choose, some
from featuregraph.types import (
    BOOLEAN,
    CATEGORY,
    FLOAT64,
    IDENTIFIER,
    INT64,
    MAX_SCALE,
    STRING,
    TIMESTAMP,
    Type,
    decimal,
    vector,
)

Json = dict[str, Any]
MakeOp = Callable[..., Json]  # from an operator's name, the types of its arguments and its parameters
Scope = Mapping[str, Type] | None  # the fields of the stream that an expression stands in, None outside

TEXTS = (STRING, CATEGORY, IDENTIFIER)
NUMBERS = (INT64, FLOAT64, TIMESTAMP, decimal(0), decimal(2), decimal(3), decimal(9), decimal(18))
TYPES = (*NUMBERS, BOOLEAN, *TEXTS)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")

EVENTS = ("view", "buy", "tap")
# Fields by name; a second type makes that a union of events may lose the field.
FIELDS: Mapping[str, tuple[Type, ...]] = {
    "n": (INT64,),
    "m": (INT64, decimal(0)),
    "x": (FLOAT64,),
    "d": (decimal(2), decimal(3)),
    "e": (decimal(9), decimal(18)),
    "ok": (BOOLEAN,),
    "s": (STRING,),
    "c": (CATEGORY, STRING),
    "i": (IDENTIFIER,),
    "at": (TIMESTAMP,),
    "item_id": (IDENTIFIER, INT64, STRING),
    "page_id": (IDENTIFIER, CATEGORY),
    "session_id": (IDENTIFIER,),
    "user_id": (IDENTIFIER,),
    "event_id": (STRING,),
    "seq": (INT64,),
    "event": (CATEGORY, STRING),
    "ts_ms": (TIMESTAMP,),
}
PAIRS = {"user_id+item_id": 1, "item_id+shop": 0.5}  # keys of two columns
KEYS = {"user_id": 8, "item_id": 1.5, "shop": 0.5}  # columns, and how often they are the key


def random_graph(
    rng: Random,
    world: World,
    *,
    features: int = 6,
    depth: int = 3,
    key: str | None = None,
    literals: float = 0.0,
    tables: bool = False,
    labels: bool = False,
) -> Json:
    """Return a legal graph of at most FEATURES features whose expressions are about DEPTH operators deep.

    key: its key column; a random one where None.
    literals: the share of leaves that are made a literal whatever else they could be.
    tables: draw tables and look-ups too (SEMANTICS 10).
    labels: draw streams that look ahead too, and keys of several columns (SEMANTICS 9, 11).
    """
    column = key or choose(rng, KEYS | PAIRS if labels else KEYS)
    maker = _Maker(rng, world, column, literals, tables=tables, labels=labels)
    return maker.graph(rng.randint(1, features), depth)


# Tables by name: the type of the key, whether rows change, and the fields.
TABLES: Mapping[str, tuple[tuple[Type, ...], Mapping[str, Type]]] = {
    "by text": (TEXTS, {"n": INT64, "s": STRING, "c": CATEGORY, "ok": BOOLEAN}),
    "by number": ((INT64, decimal(2), TIMESTAMP, BOOLEAN), {"x": FLOAT64, "d": decimal(2), "i": IDENTIFIER}),
    "vectors": ((IDENTIFIER, INT64), {"v": vector(3), "at": TIMESTAMP, "e": decimal(9)}),
}


class _Maker:
    """One graph in the making."""

    def __init__(
        self, rng: Random, world: World, key: str, literals: float, *, tables: bool, labels: bool
    ) -> None:
        self.rng = rng
        self.world = world
        self.key = key
        self.literals = literals
        self.labels = labels
        self.tables: dict[str, tuple[Type, bool, Mapping[str, Type]]] = {}
        if tables:
            for name in some(rng, list(TABLES)):
                keys, fields = TABLES[name]
                self.tables[name] = rng.choice(keys), rng.random() < 0.6, fields
        self.events = {name: self._fields() for name in some(rng, EVENTS)}
        self.features: dict[str, Json] = {}
        self.types: dict[str, Type] = {}  # of the features that others may refer to
        self.depth = 0
        self.candidates = False  # whether the feature in the making may be one value per candidate
        self._streams: list[tuple[list[str], Json | None]] = []
        self._used: list[tuple[Type, bool, Json]] = []

    def graph(self, count: int, depth: int) -> Json:
        self.depth = depth
        for place in range(count):
            name = f"{self.rng.choice('abxyé')}{place}"
            self.candidates = self.rng.random() < 0.2
            self.features[name] = self._feature(name)
        form: Json = {
            "format": 1,
            "graph": "random",
            "events": {e: {f: str(t) for f, t in fields.items()} for e, fields in self.events.items()},
            "features": dict(self.rng.sample(list(self.features.items()), len(self.features))),
        }
        if self.key != "user_id":
            form["key"] = self.key.split("+") if "+" in self.key else self.key
        if self.tables:
            form["tables"] = {
                name: {
                    "key": str(key),
                    "changing": changing,
                    "fields": {field: str(type) for field, type in fields.items()},
                }
                for name, (key, changing, fields) in self.tables.items()
            }
        if self.rng.random() < 0.3:
            form["include_now"] = True
        return form

    def _fields(self) -> dict[str, Type]:
        return {name: self.rng.choice(FIELDS[name]) for name in some(self.rng, list(FIELDS), 4)}

    def _feature(self, name: str) -> Json:
        make = choose(
            self.rng,
            {
                None: 10,
                self._map: 1.5,
                self._topk: 1.5,
                self._top: 1.5,
                self._sequence: 3,
                self._vector: 0.4,
                self._decayed: 1,
            },
        )
        if make is not None:
            made: Json = make()
            return made
        type = self._type()
        expr = self.expr(type, self.depth)
        if not self.candidates:
            self.types[name] = type
        return expr

    def _type(self) -> Type:
        found: Type = choose(
            self.rng,
            {INT64: 5, FLOAT64: 3, BOOLEAN: 1} | dict.fromkeys(TYPES[2:8], 0.7) | dict.fromkeys(TEXTS, 0.7),
        )
        return found

    # ------------------------------------------------------------ features that are no scalars

    def _map(self) -> Json:
        return self._agg(self._type(), by=self.rng.choice(TYPES))

    def _topk(self) -> Json:
        stream, scope = self._stream()
        return {
            "agg": "topk",
            "k": self.rng.randint(1, 4),
            "x": self._inside(self.rng.choice(TYPES), scope),
            "stream": stream,
        }

    def _top(self) -> Json:
        return {"top": self._agg(self._type(), by=self.rng.choice(TYPES)), "k": self.rng.randint(1, 3)}

    def _sequence(self) -> Json:
        stream, scope = self._stream()
        items = {name: self._item(scope) for name in some(self.rng, ["a", "b", "h", "z"])}
        form = {"agg": "sequence", "n": self.rng.choice((1, 2, 3, 5, 50)), "items": items, "stream": stream}
        if self.rng.random() < 0.5:
            form["distinct"] = self._inside(self.rng.choice(TYPES), scope)
        return form

    def _item(self, scope: Mapping[str, Type]) -> Json:
        if self.rng.random() < 0.2:
            return {"age": True}
        return self._inside(self.rng.choice(TYPES), scope)

    def _vector(self) -> Json:
        if "vectors" in self.tables and self.rng.random() < 0.7:
            return self._look_up("vectors", "v", None)
        if self.candidates:
            return {"candidate": "k vector", "type": str(vector(2))}
        return {"request": "q vector", "type": str(vector(2))}

    def _decayed(self) -> Json:
        """Make a bare decayed_sum: only there its tolerance can be told."""
        stream, scope = self._stream()
        form = {
            "agg": "decayed_sum",
            "half_life": f"{self.world.duration(self.rng)}ms",
            "x": self._inside(self.rng.choice(NUMBERS), scope),
            "stream": stream,
        }
        if self.rng.random() < 0.3:
            key = self._type()
            stream["by"] = self._inside(key, scope)
            form = {"lookup": form, "key": self.expr(key, 1)}
        return form

    # ------------------------------------------------------------ streams and aggregates

    def _stream(self, by: Type | None = None) -> tuple[Json, Mapping[str, Type]]:
        rng = self.rng
        if self._streams and rng.random() < 0.5:
            names, where = rng.choice(self._streams)
            scope = self._scope(names)
        else:
            names = some(rng, list(self.events))
            scope = self._scope(names)
            where = self._filter(scope) if rng.random() < 0.45 else None
            self._streams.append((names, where))
        stream: Json = {"events": names}
        if where is not None:
            stream["where"] = where
        if self.labels and rng.random() < 0.4:
            stream["ahead"] = f"{self.world.duration(rng)}ms"
        elif rng.random() < 0.75:
            stream["over"] = f"{self.world.duration(rng)}ms"
        if "ahead" not in stream and rng.random() < 0.25:
            stream["offset"] = f"{self.world.duration(rng) - rng.choice((0, 1))}ms"
        if rng.random() < 0.3:
            stream["last"] = rng.choice((1, 2, 2, 3, 5))
        if by is not None:
            stream["by"] = self._inside(by, scope)
        return stream, scope

    def _filter(self, scope: Mapping[str, Type]) -> Json:
        """Make a filter, mostly one that takes some rows and leaves others."""
        rng = self.rng
        name, type = rng.choice(list(scope.items())) if scope else ("", INT64)
        choice = rng.random()
        if choice < 0.4 or not scope:
            return self._inside(BOOLEAN, scope)
        if choice < 0.6:  # as of the query's time
            period = {"lit": rng.choice((2, 3, 5)) * self.world.unit, "type": "int64"}
            phase = {"op": "mod", "args": [{"age": True}, period]}
            left, limit = rng.choice(((phase, self.world.unit), ({"age": True}, self.world.duration(rng))))
            return {"op": rng.choice(("lt", "ge")), "args": [left, {"lit": limit, "type": "int64"}]}
        if choice < 0.8:  # as the request says
            asked = {"request": f"q {type}", "type": str(type)}
            return {"op": rng.choice(("ne", "ge", "le", "eq")), "args": [{"field": name}, asked]}
        return {
            "op": "is_in",
            "args": [{"field": name}],
            "values": [self.world.value(rng, type) for _ in range(4)],
        }

    def _scope(self, names: list[str]) -> Mapping[str, Type]:
        first, *rest = (self.events[name] for name in names)
        return {f: type for f, type in first.items() if all(other.get(f) == type for other in rest)}

    def _agg(self, type: Type, by: Type | None = None) -> Json:
        """Make an aggregate whose value, per group where BY is given, is of TYPE."""
        x: Type | None = type
        ends = {"min": 1, "max": 1, "first": 1, "last": 1}
        if type is INT64:
            rows = {"count": 4, "since_last": 1, "since_first": 1.5}
            agg = choose(self.rng, ends | rows | {"count x": 1.5, "distinct": 1.5, "sum": 3, "quantile": 1})
            if agg in rows:
                x = None
            elif agg in ("count x", "distinct"):
                agg, x = agg.split()[0], self.rng.choice(TYPES)
            elif agg == "sum":
                x = self.rng.choice((INT64, INT64, TIMESTAMP))
        elif type is FLOAT64:
            agg = choose(self.rng, ends | {"sum": 4, "quantile": 1, "mean": 2, "var": 2, "std": 1})
            if agg in ("mean", "var", "std"):
                x = self.rng.choice(NUMBERS)
        elif type.is_number:
            agg = choose(self.rng, ends | {"quantile": 1} | ({} if type is TIMESTAMP else {"sum": 3}))
        else:
            agg = choose(self.rng, ends)
        stream, scope = self._stream(by)
        form = {"agg": agg, "stream": stream}
        if x is not None:
            form["x"] = self._inside(x, scope)
        if agg == "quantile":
            form["q"] = self.rng.choice((0.1, 0.25, 0.5, 0.9, 1, 1.0, 0.3333333333333333, 1e-9))
        return form

    def _lookup(self, type: Type, depth: int) -> Json:
        by = self.rng.choice(TYPES)
        key = by
        if by in TEXTS:
            key = self.rng.choice(TEXTS)
        elif by in (INT64, TIMESTAMP):
            key = self.rng.choice((INT64, TIMESTAMP))
        return {"lookup": self._agg(type, by), "key": self.expr(key, min(depth, 1))}

    # ------------------------------------------------------------ expressions

    def _inside(self, type: Type, scope: Mapping[str, Type]) -> Json:
        """Make an expression over one row, a field more often than not."""
        return self.expr(type, choose(self.rng, {0: 6, 1: 3, 2: 1}), scope)

    def expr(self, type: Type, depth: int, scope: Scope = None) -> Json:
        """Make an expression of TYPE, at most about DEPTH operators deep."""
        again = [e for t, outside, e in self._used if t is type and outside and scope is None]
        if again and self.rng.random() < 0.15:
            return self.rng.choice(again)
        found = [
            (name, f) for name, (_, _, fields) in self.tables.items() for f, t in fields.items() if t is type
        ]
        if found and self.rng.random() < 0.4:
            made = self._look_up(*self.rng.choice(found), scope)
        elif depth > 0 and self.rng.random() < 0.75:
            made = self._operator(type, depth - 1, scope)
        elif self.rng.random() < self.literals:
            made = {"lit": self.world.literal(self.rng, type), "type": str(type)}
        else:
            made = self._leaf(type, depth) if scope is None else self._row_leaf(type, scope)
        if not self.candidates:
            self._used.append((type, scope is None, made))
        return made

    def _look_up(self, table: str, field: str, scope: Scope) -> Json:
        """Make a look-up by a shallow key, which finds a row more often than not."""
        key = self.tables[table][0]
        if key in TEXTS and self.rng.random() < 0.3:
            key = self.rng.choice(TEXTS)
        return {"table": table, "key": self.expr(key, 0, scope), "field": field}

    def _leaf(self, type: Type, depth: int) -> Json:
        chance = self.rng.random()
        if chance < 0.55:
            return self._agg(type)
        if chance < 0.7:
            return self._lookup(type, depth)
        referable = [name for name, t in self.types.items() if t is type]
        if chance < 0.78 and referable:
            return {"feature": self.rng.choice(referable)}
        if chance < 0.84 and type is TIMESTAMP:
            return {"now": True}
        if chance < 0.84 and type is INT64:
            return {self.rng.choice(("hour_of_day", "day_of_week")): self.rng.choice(ZONES)}
        if self.candidates and chance < 0.9:
            return {"candidate": f"k {type}", "type": str(type)}
        return self._given(type)

    def _row_leaf(self, type: Type, scope: Mapping[str, Type]) -> Json:
        fields = [name for name, t in scope.items() if t is type]
        chance = self.rng.random()
        if fields and chance < 0.8:
            return {"field": self.rng.choice(fields)}
        if type is CATEGORY and chance < 0.9:
            return {"event_name": True}
        if type is TIMESTAMP and chance < 0.9:
            return {self.rng.choice(("ts", "ts", "now")): True}
        if type is INT64 and chance < 0.85:
            return {"age": True}
        others = [name for name, t in scope.items() if type not in TEXTS or t is not FLOAT64]
        if others and chance < 0.93:
            return {"op": "cast", "args": [{"field": self.rng.choice(others)}], "to": str(type)}
        return self._given(type)

    def _given(self, type: Type) -> Json:
        if self.rng.random() < 0.4:
            return {"request": f"q {type}", "type": str(type)}
        return {"lit": self.world.literal(self.rng, type), "type": str(type)}

    def _operator(self, type: Type, depth: int, scope: Scope) -> Json:
        rng = self.rng

        def op(name: str, *types: Type, **attrs: Any) -> Json:
            return {"op": name, "args": [self.expr(t, depth, scope) for t in types], **attrs}

        choice = rng.random()
        if choice < 0.1:
            return op("fill", *self._pair(type))
        if choice < 0.2:
            return op("where", BOOLEAN, *self._pair(type))
        if choice < 0.28:
            return op("cast", rng.choice(_with_text(TYPES) if type in TEXTS else TYPES), to=str(type))
        if type is BOOLEAN:
            return self._test(op)
        if type in TEXTS:
            texts = _with_text(TYPES)
            return (
                op("cross", rng.choice(texts), rng.choice(texts))
                if type is STRING
                else op("fill", type, type)
            )
        if type is TIMESTAMP:
            return op("cast", rng.choice((INT64, STRING, FLOAT64)), to="timestamp")
        return self._number(type, op)

    def _number(self, type: Type, op: MakeOp) -> Json:
        rng = self.rng
        names = {"add": 2, "sub": 2, "mul": 2, "neg": 0.5, "abs": 0.5, "clip": 1}
        if type is INT64:
            names |= {"floordiv": 1, "mod": 1, "bucketize": 1, "hash": 1}
        elif type is FLOAT64:
            names |= {"div": 3, "floordiv": 1, "mod": 1, "log1p": 1, "sqrt": 1}
        name = choose(rng, names)
        same = rng.choice((INT64, TIMESTAMP)) if type is INT64 else type
        if name in ("floordiv", "mod"):
            return op(name, type, rng.choice((type, INT64, TIMESTAMP)))
        if name in ("add", "sub"):
            return op(name, *self._pair(type))
        if name == "mul":
            return op(name, *self._factors(type))
        if name == "div":
            return op(name, rng.choice(NUMBERS), rng.choice(NUMBERS))
        if name in ("log1p", "sqrt"):
            return op(name, rng.choice(NUMBERS))
        if name == "clip":
            bounds = sorted((self.world.value(rng, same) for _ in range(2)), key=Fraction)
            return op(name, same, **dict(some(rng, list(zip(("lo", "hi"), bounds, strict=True)))))
        if name == "bucketize":
            of = rng.choice(NUMBERS)
            return op(name, of, edges=[self.world.value(rng, of) for _ in range(rng.randint(0, 4))])
        if name == "hash":
            seed = {} if rng.random() < 0.5 else {"seed": rng.choice((0, 1, 2**64 - 1))}
            return op(
                name, rng.choice(_with_text(TYPES)), buckets=rng.choice((2, 3, 10, 50_000, 2**63)), **seed
            )
        return op(name, same)

    def _test(self, op: MakeOp) -> Json:
        rng = self.rng
        name = choose(rng, {"compare": 5, "logic": 3, "not": 1, "is_null": 1, "is_in": 1.5})
        if name == "compare":
            kinds = rng.choice((NUMBERS, NUMBERS, TEXTS, (BOOLEAN,)))
            return op(rng.choice(("eq", "ne", "lt", "le", "gt", "ge")), rng.choice(kinds), rng.choice(kinds))
        if name == "logic":
            word = rng.choice(("and", "or"))
            made = op(word, *[BOOLEAN] * rng.choice((2, 2, 3)))
            return made if rng.random() < 0.7 else {"op": word, "args": [made, *op(word, BOOLEAN)["args"]]}
        if name == "is_in":
            of = rng.choice(TYPES)
            return op(name, of, values=[self.world.literal(rng, of) for _ in range(rng.randint(0, 4))])
        return op(name, BOOLEAN if name == "not" else rng.choice(TYPES))

    def _pair(self, type: Type) -> tuple[Type, Type]:
        """Return two types whose common type, a timestamp acting as int64, is TYPE."""
        other: Type = type
        if type is INT64:
            other = self.rng.choice((INT64, TIMESTAMP))
        elif type is FLOAT64:
            other = self.rng.choice(NUMBERS)
        elif type is STRING:
            other = self.rng.choice(TEXTS)
        elif type.kind == "decimal":
            other = self.rng.choice([t for t in NUMBERS if t is not FLOAT64 and t.scale <= type.scale])
        return (type, other) if self.rng.random() < 0.5 else (other, type)

    def _factors(self, type: Type) -> tuple[Type, Type]:
        """Return two types whose product is of TYPE."""
        if type.kind != "decimal":
            return self._pair(type)
        scales = (0, 1, 2, 3, 9, MAX_SCALE)
        left = self.rng.choice([s for s in scales if type.scale - s in scales])
        right: Type = decimal(type.scale - left)
        if left == type.scale and self.rng.random() < 0.5:
            right = INT64
        return decimal(left), right


def _with_text(types: tuple[Type, ...]) -> list[Type]:
    """Return those of TYPES whose values have a text."""
    return [t for t in types if t is not FLOAT64]
