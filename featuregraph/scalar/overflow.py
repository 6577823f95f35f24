"""Overflow as a value: it is an error only where a feature's value needs it (SEMANTICS 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from featuregraph.types import INT64_MAX, INT64_MIN

Kernel = Callable[..., Any]


class Overflow(Enum):
    """A result outside its type; strict operators pass it on, before null."""

    OVERFLOW = "overflow"


OVERFLOW: Final = Overflow.OVERFLOW


def fits(number: int) -> int | Overflow:
    """Return NUMBER if it is an int64, else OVERFLOW."""
    return number if INT64_MIN <= number <= INT64_MAX else OVERFLOW


def strict1(function: Callable[[Any], Any]) -> Kernel:
    """Return FUNCTION of one value, passing null and OVERFLOW on."""
    return lambda a: a if a is None or a is OVERFLOW else function(a)


def strict2(function: Callable[[Any, Any], Any], empty: object = None) -> Kernel:
    """Return FUNCTION of two values; OVERFLOW if one is that, else EMPTY if one is null."""

    def kernel(a: Any, b: Any) -> Any:
        if a is None or b is None or a is OVERFLOW or b is OVERFLOW:
            return OVERFLOW if a is OVERFLOW or b is OVERFLOW else empty
        return function(a, b)

    return kernel
