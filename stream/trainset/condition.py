"""Conditions as they stand on a command line, `quantity > 0`, as expressions of an event's fields. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from featuregraph import Event, Expr
from featuregraph.convert import BAD, converter, to_json_value
from featuregraph.expr import lit
from featuregraph.shown import nearest
from featuregraph.types import IDENTIFIER, INT64, TIMESTAMP, Type
from stream.errors import BackfillError

_FORM = re.compile(r"\s*(?P<field>[^<>=!]+?)\s*(?P<op><=|>=|!=|==?|<|>)\s*(?P<value>.*?)\s*")
_NULL = re.compile(r"\s*(?P<field>.+?)\s+is\s+(?P<isnt>not\s+)?null\s*")
_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# What every event has, whoever declares it (SEMANTICS 1.1).
_COLUMNS: Final[Mapping[str, Type]] = {
    "event_id": IDENTIFIER,
    "user_id": IDENTIFIER,
    "session_id": IDENTIFIER,
    "page_id": IDENTIFIER,
    "item_id": IDENTIFIER,
    "ts_ms": TIMESTAMP,
    "seq": INT64,
}


def conditions(texts: Sequence[str], event: str, declared: Mapping[str, Type]) -> Expr | None:
    """Return what is true where all of TEXTS are; None if there are none.

    Args:
        texts: each FIELD OP VALUE with one of = != < <= > >=, or FIELD is null, FIELD is not null.
        event: whose fields they speak of.
        declared: their types; those of all events' columns are known.

    Raises:
        BackfillError: one has no such form, or its field or value is not as declared.
    """
    found: Expr | None = None
    for text in texts:
        one = _condition(text, event, {**_COLUMNS, **declared})
        found = one if found is None else found & one
    return found


def _condition(text: str, event: str, types: Mapping[str, Type]) -> Expr:
    null = _NULL.fullmatch(text)
    match = null or _FORM.fullmatch(text)
    if match is None:
        raise BackfillError(
            f"where: expected FIELD OP VALUE, found {text!r:.100}; write it like 'n > 0' or 'n is null'"
        )
    name = match["field"]
    if name not in types:
        raise BackfillError(
            f"where: expected a field of {event}, found {name!r:.60}; {nearest(name, sorted(types))}"
        )
    field = Event.of(event, {name: types[name]})[name]
    if null is not None:
        return ~field.is_null() if null["isnt"] else field.is_null()
    value = converter(types[name])(match["value"])
    if value is BAD or value is None:
        raise BackfillError(
            f"where: expected {types[name]} beside {name}, found {match['value']!r:.60}; correct it"
        )
    compared: Expr = _OPERATORS[match["op"]](field, lit(to_json_value(types[name])(value), types[name]))
    return compared
