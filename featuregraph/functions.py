"""The user's words that are functions: of values (where, cross), of the query and of the row."""

from __future__ import annotations

from typing import overload

from featuregraph import build
from featuregraph.expr import Expr, Value, Windows, apply
from featuregraph.ir import Op
from featuregraph.place import here, placed


@overload
def where(cond: Value, then: Value, otherwise: Value) -> Expr: ...
@overload
def where(cond: Windows, then: Value | Windows, otherwise: Value | Windows) -> Windows: ...
@overload
def where(cond: Value, then: Windows, otherwise: Value | Windows) -> Windows: ...
@overload
def where(cond: Value, then: Value, otherwise: Windows) -> Windows: ...
def where(cond: Value | Windows, then: Value | Windows, otherwise: Value | Windows) -> Expr | Windows:
    """Return THEN where COND is true, else OTHERWISE; a null COND is false."""
    return apply(Op.WHERE, cond, then, otherwise)


@overload
def cross(a: Value, b: Value) -> Expr: ...
@overload
def cross(a: Windows, b: Value | Windows) -> Windows: ...
@overload
def cross(a: Value, b: Windows) -> Windows: ...
def cross(a: Value | Windows, b: Value | Windows) -> Expr | Windows:
    """Return both texts in one, apart by U+001F."""
    return apply(Op.CROSS, a, b)


def now() -> Expr:
    """Return the query's time, int64 ms."""
    return Expr(build.NOW, frozenset(), here())


def hour_of_day(tz: str = "UTC") -> Expr:
    """Return the hour, 0 to 23, of the query's time in an IANA zone."""
    with placed():
        return Expr(build.calendar(Op.HOUR_OF_DAY, tz), frozenset(), here())


def day_of_week(tz: str = "UTC") -> Expr:
    """Return the weekday of the query's time in an IANA zone, Monday 0."""
    with placed():
        return Expr(build.calendar(Op.DAY_OF_WEEK, tz), frozenset(), here())


def age() -> Expr:
    """Return, inside a stream, the query's time minus the row's, in ms."""
    return Expr(build.AGE, frozenset(), here())


def event_name() -> Expr:
    """Return, inside a stream, the name of the row's event."""
    return Expr(build.EVENT_NAME, frozenset(), here())


def ts_ms() -> Expr:
    """Return, inside a stream, the row's time, int64 ms."""
    return Expr(build.TS, frozenset(), here())
