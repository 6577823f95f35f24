"""One answer as a log keeps it: enough to compute it again from the events that were known then.

What was known then is told by an id, not by a time: the id of the newest row that had arrived. `known_ms`
cannot tell it alone: two events around an answer may come to be known in one millisecond, a clock that was
set back gives the same `known_ms` for long, and imported events bring their own.

Values are written as MessagePack in the order of their names, which keeps every public value exactly: int64,
the bits of floats, text, booleans, null, lists, maps in their order, decimals as text with all digits. Names
and types stand in the plan, kept once; whoever reads is told what must be there, so that damage is no value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypedDict

import msgspec

from featuregraph import FeatureVector, Graph, Plan
from featuregraph.convert import is_public, to_public
from featuregraph.types import AnyType, ListType, MapType, RecordType, Type


class Seen(NamedTuple):
    """The newest event that had arrived in the log, of any key."""

    id: int  # of its row: all rows up to it were known; 0: none had ever come
    # Where it stands in a file of events. None where that is not known, or was forgotten since.
    ts_ms: int | None = None
    seq: int | None = None
    known_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer was asked for, beside the graph and the time."""

    key: str
    request: Mapping[str, object]  # public values as the engine read them, null where none was given
    candidates: Mapping[str, Sequence[object]]
    as_known: bool = False
    history_start_ms: int | None = None  # as asked: it means something with as_known only
    request_id: str | None = None  # the caller's own name of it


@dataclass(frozen=True, slots=True)
class Served:
    """One answer that was given, and what it was computed from."""

    id: int  # in the order of serving, never used twice
    asked: Asked
    seen: Seen
    held_from_ms: int | None  # from when on the log held all events; None: it held all there ever were
    vector: FeatureVector


class Shape:
    """What the answers of one graph look like: bytes to and fro."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._features = list(graph.features)
        self._places = {name: place for place, name in enumerate(self._features)}
        self._decode = msgspec.msgpack.Decoder(_body(graph)).decode

    def encode(self, asked: Asked, held_from_ms: int | None, vector: FeatureVector) -> bytes:
        """Return what no column holds as bytes."""
        return _encode(
            (
                asked.request_id,
                asked.as_known,
                asked.history_start_ms,
                held_from_ms,
                vector.known_until,
                [*asked.request.values()],
                [*asked.candidates.values()],
                [*vector.values.values()],
                [self._places[name] for name in vector.partial],
            )
        )

    def decode(self, id: int, key: str, at_ms: int, seen: Seen, body: bytes) -> Served:
        """Return the record of its columns; raise ValueError if BODY is none of this graph."""
        request_id, as_known, start, held_from, known_until, request, lists, values, partial = self._decode(
            body
        )
        if not all(0 <= place < len(self._features) for place in partial):
            raise ValueError("expected the places of features as partial, found others")
        vector = FeatureVector(
            dict(zip(self._features, values, strict=True)),
            self._graph.id,
            at_ms,
            known_until,
            tuple(self._features[place] for place in partial),
        )
        given = dict(zip(self._graph.requests, request, strict=True))
        named = dict(zip(self._graph.candidates, lists, strict=True))
        return Served(id, Asked(key, given, named, as_known, start, request_id), seen, held_from, vector)


def public(graph: Graph, given: Mapping[str, Any]) -> tuple[dict[str, object], dict[str, Sequence[object]]]:
    """Return the public request values and candidate lists of what Plan.bind_request made."""
    request = {name: _public(type, given[name]) for name, type in graph.requests.items()}
    lists = {name: _public(ListType(type), given[name]) for name, type in graph.candidates.items()}
    return request, lists


def _public(type: AnyType, value: Any) -> Any:
    return value if is_public(type) else to_public(type)(value)


def start_of(record: Served) -> int | None:
    """Return from when on the history of RECORD counts (SEMANTICS 3.5); None: from the first event."""
    starts = record.held_from_ms, record.asked.history_start_ms
    return max((ms for ms in starts if ms is not None), default=None)


def reach_of(plan: Plan) -> int | None:
    """Return how many ms back from a query's time PLAN looks; None: to the first event."""
    reaches = [ms for name, ms in plan.reach.items() if name not in plan.windowless]
    return None if None in reaches else max(filter(None, reaches), default=0)


_encode: Final = msgspec.msgpack.Encoder().encode
_INT: Final[Any] = int | None


def _body(graph: Graph) -> Any:
    """Return the type of the bytes of GRAPH's answers."""
    features = (_type(node.type, per_candidate=node.per_candidate) for node in graph.features.values())
    request = _exactly(_type(type) for type in graph.requests.values())
    lists = _exactly(_type(type, per_candidate=True) for type in graph.candidates.values())
    text: Any = str | None
    return _exactly((text, bool, _INT, _INT, _INT, request, lists, _exactly(features), list[int]))


def _exactly(types: Any) -> Any:
    """Return the type of an array of one value of each of TYPES."""
    return tuple[tuple(types)]  # type: ignore[misc]


def _type(type: AnyType, *, per_candidate: bool = False) -> Any:
    """Return the Python type of public values of TYPE."""
    if per_candidate:
        return list[_type(type)]  # type: ignore[misc]
    return _plain(type) | None


def _plain(type: AnyType) -> Any:
    match type:
        case ListType(item):
            return list[_type(item)]  # type: ignore[misc]
        case MapType(key, value):
            return dict[_plain(key), _type(value)]  # type: ignore[misc]
        case RecordType(items):
            columns = {name: list[_type(item)] for name, item in items}  # type: ignore[misc]
            return TypedDict("Columns", columns)  # type: ignore[operator]
        case Type(kind="vector"):
            return list[float]
    return str if type.is_text else _SCALARS.get(type.kind, int)


_SCALARS: Final[Mapping[str, type]] = {"float64": float, "boolean": bool, "decimal": Decimal}
