"""What the installed plans declare of events: who finds a misspelt name, or a value of another type.

`Declared` is made once for a set of plans; `Unknown` counts what it does not know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from featuregraph import EventError, Graph
from featuregraph.convert import BAD, converter
from featuregraph.shown import nearest, shown
from featuregraph.types import IDENTIFIER, TIMESTAMP, Type
from stream.event import COLUMNS

Field = str | None  # the name of a field, None for the event's own name
Typed = tuple[str, Type, Callable[[Any], Any]]

OTHERS = ""  # stands for the names beyond the bound
_MOST_HELD = 8_192  # names of the shapes that wait

_TYPED_COLUMNS = (("user_id", IDENTIFIER), ("event_id", IDENTIFIER), ("known_ms", TIMESTAMP))
_NO_FIELDS = COLUMNS | {"attrs"}
_NO_ATTRS: Mapping[str, Any] = MappingProxyType({})

_identifier = converter(IDENTIFIER)


class Declared:
    """The events of GRAPHS with their fields, over a log with the key KEY."""

    def __init__(self, graphs: Iterable[Graph], key: str) -> None:
        self.key = key
        fields: dict[str, dict[tuple[str, Type], None]] = {}  # two graphs may give one field two types
        self._any = False
        for graph in graphs:
            self._any = True
            for event, schema in graph.schemas.items():
                fields.setdefault(event, {}).update(dict.fromkeys(schema.fields))
        always = {(key, IDENTIFIER): None, **dict.fromkeys(_TYPED_COLUMNS)}
        self._columns = _typed(always)
        self._typed = {event: _typed({**always, **typed}) for event, typed in fields.items()}
        self._names = {
            event: frozenset({*_NO_FIELDS, key, *(name for name, _ in typed)})
            for event, typed in fields.items()
        }

    def unknown(self, event: str, fields: Iterable[str]) -> list[Field]:
        """Return those of FIELDS that no graph declares for EVENT; None alone stands for EVENT itself."""
        names = self._names.get(event)
        if names is None:
            return [None] if self._any else []
        return [field for field in dict.fromkeys(fields) if field not in names]

    def check_names(self, event: object) -> None:
        """Refuse EVENT if it has a name that no graph declares; what is no event is the log's to refuse."""
        if not isinstance(event, Mapping) or not isinstance(_identifier(event.get("event")), str):
            return
        name = name_of(event.get("event"))
        found = self.unknown(name, (*event, *_attrs(event)))
        if not found:
            return
        given, known = found[0], self._names.get(name, _NO_FIELDS) - _NO_FIELDS
        what = f"event {shown(name)}: expected a field"
        if given is None:
            what, given, known = "expected an event", name, frozenset(self._names)
        raise EventError(
            f"{what} that an installed plan declares, found {shown(given)}; {nearest(given, known)} correct "
            "it, install the plan that declares it, or open the engine without declared_only"
        )

    def check_values(self, event: object) -> None:
        """Refuse EVENT if a value is not of its type: of the contract, or declared by a graph."""
        if not isinstance(event, Mapping):
            return  # the log says why it takes none
        attrs = _attrs(event)

        def read(name: str) -> Any:
            return event.get(name) if name in event or name in COLUMNS else attrs.get(name)

        if read(self.key) is None:
            return  # it is dropped (SEMANTICS 1.1)
        for name, type, convert in self._typed.get(name_of(event.get("event")), self._columns):
            if convert(read(name)) is BAD:
                raise EventError(
                    f"event {shown(event.get('event'))}, field {name!r}: expected {type}, "
                    f"found {shown(read(name))}; "
                    "correct it, or open the engine without strict"
                )


class Unknown:
    """How often names came that no plan declares: MOST of them one by one, the others together.

    Events of one shape (name and fields) are counted together, at the cost of one look-up; which of their
    names are unknown is told when somebody asks, when the plans change, or when many shapes have come.
    """

    def __init__(self, most: int) -> None:
        self._declared = Declared((), "")  # by the plans that stood when the shapes came
        self._shapes: dict[tuple[Any, ...], list[int]] = {}  # a list of one, so that a shape is hashed once
        self._held = 0  # names in shapes
        self._room = most
        self._counts: dict[str, dict[Field, int]] = {}  # by event
        self._others = 0

    def add(self, events: Iterable[Mapping[str, Any]], declared: Declared) -> None:
        """Count EVENTS that the log has taken."""
        if declared is not self._declared:
            self._settle()
            self._declared = declared
        shapes = self._shapes
        for event in events:
            shape = (event.get("event"), *event, *(event.get("attrs") or ()))
            if times := shapes.get(shape):
                times[0] += 1
                continue
            shapes[shape] = [1]
            self._held += len(shape)
            if self._held > _MOST_HELD:
                self._settle()

    def _settle(self) -> None:
        """Count the unknown names of the shapes by themselves."""
        for (name, *fields), (times,) in self._shapes.items():
            event = name_of(name)
            for field in self._declared.unknown(event, fields):
                self._count(event, field, times)
        self._shapes.clear()
        self._held = 0

    def _count(self, event: str, field: Field, times: int) -> None:
        counts = self._counts.get(event, {})
        if field in counts:
            counts[field] += times
        elif self._room:
            self._room -= 1
            self._counts.setdefault(event, {})[field] = times
        else:
            self._others += times

    def drop(self, graph: Graph) -> None:
        """Count no longer what GRAPH declares: it was no mistake."""
        self._settle()
        for event, schema in graph.schemas.items():
            counts = self._counts.get(event, {})
            for field in (None, *(name for name, _ in schema.fields)):
                self._room += counts.pop(field, 0) > 0
            if not counts:
                self._counts.pop(event, None)

    def counts(self) -> Mapping[str, int]:
        """Return how often, by "event" and "event.field"; OTHERS stands for what is counted together."""
        self._settle()
        found = Counter[str]()
        for event, counts in self._counts.items():
            for field, count in counts.items():
                found[event if field is None else f"{event}.{field}"] += count
        if self._others:
            found[OTHERS] += self._others
        return MappingProxyType(dict(found))


def name_of(event: object) -> str:
    """Return the name EVENT as the identifier it stands for."""
    return event if isinstance(event, str) else str(_identifier(event))


def _attrs(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes of EVENT; what is no mapping has none, and the log says so."""
    attrs = event.get("attrs")
    return attrs if isinstance(attrs, Mapping) else _NO_ATTRS


def _typed(fields: Iterable[tuple[str, Type]]) -> list[Typed]:
    return [(name, type, converter(type)) for name, type in fields]
