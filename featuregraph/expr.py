"""The user's words for values: an Expr is a typed node, its events, and its place in the user's file."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from featuregraph import build, types
from featuregraph.errors import CompileError
from featuregraph.ir import Node, Op
from featuregraph.place import Place, here, placed
from featuregraph.shown import nearest, shown
from featuregraph.types import AnyType, Type

if TYPE_CHECKING:
    from featuregraph.schema import EventSchema, TypeLike

Schemas = frozenset["EventSchema"]


class Expr:
    """A value of the graph; operators on it give further expressions, all of them typed at once."""

    __slots__ = ("node", "place", "schemas")

    def __init__(self, node: Node, schemas: Schemas = frozenset(), place: Place | None = None) -> None:
        self.node = node
        self.schemas = schemas
        self.place = place

    @property
    def dtype(self) -> AnyType:
        """Return the value's type."""
        return self.node.type

    # ---- arithmetic
    def __add__(self, other: object) -> Expr:
        return _op(Op.ADD, self, other)

    def __radd__(self, other: object) -> Expr:
        return _op(Op.ADD, other, self)

    def __sub__(self, other: object) -> Expr:
        return _op(Op.SUB, self, other)

    def __rsub__(self, other: object) -> Expr:
        return _op(Op.SUB, other, self)

    def __mul__(self, other: object) -> Expr:
        return _op(Op.MUL, self, other)

    def __rmul__(self, other: object) -> Expr:
        return _op(Op.MUL, other, self)

    def __truediv__(self, other: object) -> Expr:
        return _op(Op.DIV, self, other)

    def __rtruediv__(self, other: object) -> Expr:
        return _op(Op.DIV, other, self)

    def __floordiv__(self, other: object) -> Expr:
        return _op(Op.FLOORDIV, self, other)

    def __rfloordiv__(self, other: object) -> Expr:
        return _op(Op.FLOORDIV, other, self)

    def __mod__(self, other: object) -> Expr:
        return _op(Op.MOD, self, other)

    def __rmod__(self, other: object) -> Expr:
        return _op(Op.MOD, other, self)

    def __neg__(self) -> Expr:
        return _op(Op.NEG, self)

    def __abs__(self) -> Expr:
        return _op(Op.ABS, self)

    def abs(self) -> Expr:
        """Return the value without its sign."""
        return _op(Op.ABS, self)

    def log1p(self) -> Expr:
        """Return the natural logarithm of 1 + value; null at or below -1."""
        return _op(Op.LOG1P, self)

    def sqrt(self) -> Expr:
        """Return the square root; null below 0."""
        return _op(Op.SQRT, self)

    # ---- comparison and logic
    def __eq__(self, other: object) -> Expr:  # type: ignore[override]
        return _op(Op.EQ, self, other)

    def __ne__(self, other: object) -> Expr:  # type: ignore[override]
        return _op(Op.NE, self, other)

    def __lt__(self, other: object) -> Expr:
        return _op(Op.LT, self, other)

    def __le__(self, other: object) -> Expr:
        return _op(Op.LE, self, other)

    def __gt__(self, other: object) -> Expr:
        return _op(Op.GT, self, other)

    def __ge__(self, other: object) -> Expr:
        return _op(Op.GE, self, other)

    def __and__(self, other: object) -> Expr:
        return _op(Op.AND, self, other)

    def __rand__(self, other: object) -> Expr:
        return _op(Op.AND, other, self)

    def __or__(self, other: object) -> Expr:
        return _op(Op.OR, self, other)

    def __ror__(self, other: object) -> Expr:
        return _op(Op.OR, other, self)

    def __invert__(self) -> Expr:
        return _op(Op.NOT, self)

    __hash__ = object.__hash__

    def __bool__(self) -> NoReturn:
        with placed():
            raise CompileError(
                "expected true or false, found an expression, whose value only a query knows; "
                "write & | ~ for and, or, not, (a < b) & (b < c) for a < b < c, and fg.where for if"
            )

    def is_null(self) -> Expr:
        """Return whether there is no value."""
        return _op(Op.IS_NULL, self)

    def is_in(self, values: Sequence[object]) -> Expr:
        """Return whether the value is one of VALUES; false for null."""
        return _op(Op.IS_IN, self, values=_raws(values))

    # ---- choice and conversion
    def fill(self, value: object) -> Expr:
        """Return the value, or VALUE where it is null."""
        return _op(Op.FILL, self, value)

    def clip(self, lo: object = None, hi: object = None) -> Expr:
        """Return the value brought into [LO, HI]; either bound may be left out."""
        return _op(Op.CLIP, self, lo=_raw(lo), hi=_raw(hi))

    def bucketize(self, edges: Sequence[object]) -> Expr:
        """Return the number of EDGES at or below the value."""
        return _op(Op.BUCKETIZE, self, edges=_raws(edges))

    def cast(self, to: TypeLike) -> Expr:
        """Return the value as type TO; null where it does not fit."""
        from featuregraph.schema import type_of

        with placed():
            wanted = type_of(to)
        return _op(Op.CAST, self, to=wanted)

    def cross(self, other: object) -> Expr:
        """Return both texts in one, apart by U+001F."""
        return _op(Op.CROSS, self, other)

    def hash(self, buckets: int, seed: int = 0) -> Expr:
        """Return a stable row number in [1, BUCKETS); 0 for null (SEMANTICS 5.4)."""
        return _op(Op.HASH, self, buckets=buckets, seed=seed)

    def __repr__(self) -> str:
        return f"<Expr {self.node.op.value}: {self.dtype}{f' at {self.place}' if self.place else ''}>"


class GroupedExpr(Expr):
    """An aggregate by group: a map from group to value."""

    __slots__ = ()

    def lookup(self, key: object) -> Expr:
        """Return the value of the group KEY; the aggregate's empty value for one without rows."""
        return _each(lambda groups, key: build.lookup(groups.node, key.node), self, key)

    def top(self, k: int) -> Expr:
        """Return the K groups with the largest value."""
        return _each(lambda groups: build.top(groups.node, k), self)


class Windows(Expr):
    """One expression per window, by its text; in a namespace each becomes the feature NAME_WINDOW.

    The words of an expression apply to each window. Two of them go together window by window, so that they
    must have the same ones.
    """

    __slots__ = ("_by_window",)

    def __init__(self, by_window: Mapping[str, Expr]) -> None:
        self._by_window = dict(by_window)
        self.schemas = frozenset().union(*(expr.schemas for expr in self._by_window.values()))
        self.place = next(iter(self._by_window.values())).place

    @property
    def dtype(self) -> AnyType:
        """Return the type that the values of all windows have."""
        return next(iter(self._by_window.values())).dtype

    def __getitem__(self, window: str) -> Expr:
        with placed():
            if window not in self._by_window:
                raise CompileError(
                    f"expected one of the windows, found {shown(window)}; {nearest(window, self._by_window)}"
                )
        return self._by_window[window]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_window)

    def __len__(self) -> int:
        return len(self._by_window)

    def keys(self) -> KeysView[str]:
        """Return the windows' texts, in the order of the list."""
        return self._by_window.keys()

    def values(self) -> ValuesView[Expr]:
        """Return the expressions."""
        return self._by_window.values()

    def items(self) -> ItemsView[str, Expr]:
        """Return the expressions with their windows' texts."""
        return self._by_window.items()

    def __repr__(self) -> str:
        return f"<Windows {', '.join(self)}: {self.dtype}{f' at {self.place}' if self.place else ''}>"


class GroupedWindows(Windows, GroupedExpr):
    """One aggregate by group per window."""

    __slots__ = ()


def lift(value: object) -> Expr:
    """Return VALUE as an expression: a Python value becomes a literal of the type it shows."""
    if isinstance(value, Windows):
        raise CompileError(
            f"expected one value, found one for each window of {', '.join(value)}; "
            f'choose one, as in it["{next(iter(value))}"]'
        )
    if isinstance(value, Expr):
        if not hasattr(value, "node"):
            raise CompileError(
                "expected a declared field, found one outside an Event, Request or Candidate class; "
                "declare it in one"
            )
        return value
    return lit(value)


def lit(value: object, type: TypeLike | None = None) -> Expr:
    """Return a literal; TYPE defaults to what the Python value shows."""
    from featuregraph.schema import type_of

    with placed():
        wanted = _shown(value) if type is None else type_of(type)
        return Expr(build.lit(wanted, _raw(value)), frozenset(), here())


def _shown(value: object) -> Type:
    match value:
        case bool():
            return types.BOOLEAN
        case int():
            return types.INT64
        case float():
            return types.FLOAT64
        case str():
            return types.STRING
        case Decimal() if value.is_finite():
            return types.decimal(max(0, -int(value.as_tuple().exponent)))
        case None:
            raise CompileError(
                "expected a number, a text, true or false, found None; "
                "ask with is_null(), or write fg.lit(None, type) for a null"
            )
        case _:
            raise CompileError(
                f"expected a number, a text, true or false, found {value!r:.60}; "
                "give a Python value, or its type with fg.lit(value, type)"
            )


def _raw(value: object) -> object:
    """Return VALUE as it stands in JSON."""
    return format(value, "f") if isinstance(value, Decimal) and value.is_finite() else value


def _raws(values: object) -> object:
    """Return the list VALUES as it stands in JSON; what is no list is left to be refused."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        return values
    return [_raw(v) for v in values]


def _op(op: Op, *args: object, **attrs: Any) -> Expr:
    return _each(lambda *exprs: build.scalar(op, [e.node for e in exprs], **attrs), *args)


def _each(make: Callable[..., Node], *args: object) -> Expr:
    """Return the expression that MAKE gives for ARGS, or one per window where some of them have several."""
    with placed():
        lists = [list(arg) for arg in args if isinstance(arg, Windows)]
        if not lists:
            exprs = [lift(arg) for arg in args]
            return Expr(make(*exprs), frozenset().union(*(e.schemas for e in exprs)), here())
        if other := next((windows for windows in lists if set(windows) != set(lists[0])), None):
            raise CompileError(
                f"expected the same windows on both sides, found {', '.join(lists[0])} and"
                f" {', '.join(other)}; give both streams one list"
            )
        return Windows(
            {
                window: _each(make, *(arg[window] if isinstance(arg, Windows) else arg for arg in args))
                for window in lists[0]
            }
        )


def where(cond: object, then: object, otherwise: object) -> Expr:
    """Return THEN where COND is true, else OTHERWISE; a null COND is false."""
    return _op(Op.WHERE, cond, then, otherwise)


def cross(a: object, b: object) -> Expr:
    """Return both texts in one, apart by U+001F."""
    return _op(Op.CROSS, a, b)


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
