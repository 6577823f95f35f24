"""Internal values -> their text (SEMANTICS 5.3), their public Python form, and their GRAPH_JSON form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from featuregraph.types import AnyType, ListType, MapType, RecordType, Type

Form = Callable[[Any], Any]


def text_of(type: Type) -> Callable[[Any], str]:
    """Return the function that gives the text of a value of TYPE; float64 and vector have none."""
    if type.is_text:
        return str
    if type.is_integral:
        return int.__repr__
    if type.kind == "boolean":
        return _boolean_text
    assert type.kind == "decimal", f"{type} has no text"
    return _decimal_text(type.scale)


def _boolean_text(value: bool) -> str:  # noqa: FBT001 - the value itself, no option
    return "true" if value else "false"


def _decimal_text(scale: int) -> Callable[[int], str]:
    if not scale:
        return int.__repr__

    def text(value: int) -> str:
        digits = str(abs(value)).zfill(scale + 1)
        return f"{'-' if value < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"

    return text


def to_public(type: AnyType) -> Form:
    """Return the function from an internal value of TYPE to a value that the caller owns."""
    match type:
        case MapType(key, value):
            of_key, of_value = to_public(key), to_public(value)
            return _or_null(lambda groups: {of_key(k): of_value(v) for k, v in groups.items()})
        case Type(kind="decimal"):
            exponent = f"E-{type.scale}"
            # From text: a Decimal made by arithmetic depends on the caller's context.
            return _or_null(lambda value: Decimal(f"{value}{exponent}"))
    return _shared_form(type, to_public)


def is_public(type: AnyType) -> bool:
    """Tell whether internal values of TYPE are public as they are, but for who owns them."""
    match type:
        case MapType(key, value):
            return is_public(key) and is_public(value)
        case RecordType(items):
            return all(is_public(item) for _, item in items)
        case ListType(item):
            return is_public(item)
    return type.kind not in ("decimal", "vector")


def changeable(type: AnyType, x: str) -> list[str]:
    """Return the texts of what a caller could change of X, a public value of TYPE made of rows."""
    match type:
        case RecordType(items):
            return [f"{x}[{name!r}]" for name, _ in items]
        case MapType() | ListType() | Type(kind="vector"):
            return [x]
    return []


def owned(type: AnyType, parts: Sequence[str]) -> str:
    """Return the text of a copy of a value of TYPE whose changeable PARTS are these texts."""
    match type:
        case RecordType(items):
            lists = ", ".join(f"{name!r}: [*{x}]" for (name, _), x in zip(items, parts, strict=True))
            return f"{{{lists}}}"
        case MapType():
            return f"{{**{parts[0]}}}"
    return f"[*{parts[0]}]"


def to_json_value(type: AnyType) -> Form:
    """Return the function from an internal value of TYPE to GRAPH_JSON: decimals as text, maps as pairs."""
    match type:
        case MapType(key, value):
            of_key, of_value = to_json_value(key), to_json_value(value)
            return _or_null(lambda groups: [[of_key(k), of_value(v)] for k, v in groups.items()])
        case Type(kind="decimal"):
            return _or_null(_decimal_text(type.scale))
    return _shared_form(type, to_json_value)


def _shared_form(type: AnyType, form: Callable[[AnyType], Form]) -> Form:
    """Return what both forms share: lists, records, vectors, and values that stand for themselves."""
    match type:
        case ListType(item):
            of_item = form(item)
            return _or_null(list if of_item is _itself else lambda values: [of_item(v) for v in values])
        case RecordType(items):
            of_lists = [(name, form(ListType(item))) for name, item in items]
            return _or_null(lambda record: {name: of_list(record[name]) for name, of_list in of_lists})
        case Type(kind="vector"):
            return _or_null(list)
    return _itself


def _itself(value: Any) -> Any:
    return value


def _or_null(form: Form) -> Form:
    return lambda value: None if value is None else form(value)
