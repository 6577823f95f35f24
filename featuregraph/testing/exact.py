"""Equality as SEMANTICS means it: same type, same bits, same order."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from decimal import Decimal


def same(left: object, right: object) -> bool:
    """Tell whether two public values are equal exactly: 3 is not 3.0 or True, maps keep their order."""
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


def near(left: object, right: object, relative: float) -> bool:
    """Tell whether two values are the same but for floats, which may differ by RELATIVE of the right one."""
    if type(left) is float and type(right) is float:
        return same(left, right) or abs(left - right) <= relative * abs(right)
    if isinstance(left, Sequence) and not isinstance(left, str) and type(left) is type(right):
        assert isinstance(right, Sequence)
        return len(left) == len(right) and all(near(a, b, relative) for a, b in zip(left, right, strict=True))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return near([list(i) for i in left.items()], [list(i) for i in right.items()], relative)
    return same(left, right)
