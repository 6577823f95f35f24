"""Literals: the values that a graph itself holds. They must be of their type, so that nothing is guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

from featuregraph.convert.numeric import BAD
from featuregraph.convert.raw import converter
from featuregraph.errors import CompileError
from featuregraph.types import Type


class _Form(NamedTuple):
    classes: tuple[type, ...]
    example: str


_TEXT: Final = _Form((str,), 'a text of valid UTF-8 such as "a"')
_FORMS: Final = {
    "int64": _Form((int,), "a whole number of 64 bits such as 3"),
    "timestamp": _Form((int,), "milliseconds such as 1700000000000"),
    "float64": _Form((int, float), "a finite number such as 0.5"),
    "boolean": _Form((bool,), "true or false"),
    "decimal": _Form((str, int, float, Decimal), 'a decimal that fits 64 bits, such as "1.25"'),
    "identifier": _Form((str, int), 'a text such as "a", or a whole number of 64 bits'),
    "string": _TEXT,
    "category": _TEXT,
    "vector": _Form((), "a request or a candidate in its place"),
}


def literal(type: Type, raw: object) -> Any:
    """Return the internal value of the literal RAW (None: null); raise CompileError if RAW is not of TYPE."""
    if raw is None:
        return None
    form = _FORMS[type.kind]
    of_form = isinstance(raw, form.classes) and (raw.__class__ is not bool or type.kind == "boolean")
    value = converter(type)(raw) if of_form else BAD
    if value is BAD:
        raise CompileError(f"expected a literal of type {type}, found {_shown(raw)}; write {form.example}")
    return value


def _shown(raw: object) -> str:
    # repr() of an int of more than 4300 digits raises.
    if isinstance(raw, int) and raw.bit_length() > 128:
        return f"a whole number of {raw.bit_length()} bits"
    return f"{raw!r:.60}"
