"""Public values: when two are the same, and how JSON writes one (GRAPH_JSON)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from featuregraph.types import AnyType, ListType, MapType, RecordType

Json = Any


def same(left: object, right: object) -> bool:
    """Tell whether two values are equal exactly: 3 is not 3.0 or True, maps keep their order."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return struct.pack("<d", left) == struct.pack("<d", right)
    if isinstance(left, Decimal):
        assert isinstance(right, Decimal)
        return left.as_tuple() == right.as_tuple()  # 1.5 and 1.50 differ
    if isinstance(left, Mapping):
        assert isinstance(right, Mapping)
        return same(list(left.items()), list(right.items()))
    if isinstance(left, (list, tuple)):
        assert isinstance(right, (list, tuple))
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def json_value(type: AnyType, value: Any, *, per_candidate: bool = False) -> Json:
    """Return a value of TYPE as JSON; raise AssertionError, with asserts compiled away too, if it is none.

    per_candidate: it is a list with a value for each candidate.
    """
    if per_candidate:
        if not isinstance(value, list):
            raise AssertionError(f"expected a list with a value per candidate, found {value!r}")
        return [json_value(type, item) for item in value]
    if value is None:
        return None
    match type:
        case ListType(item):
            return [json_value(item, v) for v in value]
        case MapType(key, inner):
            return [[json_value(key, k), json_value(inner, v)] for k, v in value.items()]
        case RecordType(items):
            return {name: [json_value(item, v) for v in value[name]] for name, item in items}
    return _decimal_text(value, type.scale) if type.kind == "decimal" else value


def _decimal_text(value: object, scale: int) -> str:
    if not isinstance(value, Decimal) or value.as_tuple().exponent != -scale:
        raise AssertionError(f"expected a Decimal with {scale} digits after the point, found {value!r}")
    return f"{value:f}"
