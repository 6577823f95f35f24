"""The user's words for values.

    Words       the operators, written once
    Expr        one value: a typed node, its events, and its place in the user's file
    Windows     one Expr per window of `over=[...]`: each word applies to each of them

Single values meet each window of several; two lists of windows meet window by window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeAlias, TypeVar, cast, overload

from featuregraph import build, types
from featuregraph.errors import CompileError, UnknownWordError
from featuregraph.ir import Node, Op
from featuregraph.place import Place, here, placed
from featuregraph.shown import nearest
from featuregraph.types import AnyType, Type
from featuregraph.windows import parse_duration

if TYPE_CHECKING:
    from featuregraph.schema import EventSchema, TypeLike
    from featuregraph.tables import TableSchema

Schemas = frozenset["EventSchema | TableSchema"]  # what a value is made of
Value: TypeAlias = "Expr | bool | int | float | str | Decimal"  # what stands for one value
V = TypeVar("V")


class Words(Generic[V]):
    """The operators, each of them typed at once; V, what it gives, is Expr for one value, else Windows."""

    __slots__ = ()

    if not TYPE_CHECKING:  # type checkers find a slip by themselves, as long as they do not see this

        def __getattr__(self, word: str) -> NoReturn:
            """Answer a word that values have not; hasattr and getattr work as ever."""
            refuse_word(self, "a value", word, _value_advice(word))

    def _give(self, op: Op, *args: object, **attrs: Any) -> V:
        # Where one value meets Windows on its right, type checkers take the reflected word of Windows.
        return cast("V", apply(op, *args, **attrs))

    # ---- arithmetic
    def __add__(self, other: Value | V) -> V:
        return self._give(Op.ADD, self, other)

    def __radd__(self, other: Value | V) -> V:
        return self._give(Op.ADD, other, self)

    def __sub__(self, other: Value | V) -> V:
        return self._give(Op.SUB, self, other)

    def __rsub__(self, other: Value | V) -> V:
        return self._give(Op.SUB, other, self)

    def __mul__(self, other: Value | V) -> V:
        return self._give(Op.MUL, self, other)

    def __rmul__(self, other: Value | V) -> V:
        return self._give(Op.MUL, other, self)

    def __truediv__(self, other: Value | V) -> V:
        return self._give(Op.DIV, self, other)

    def __rtruediv__(self, other: Value | V) -> V:
        return self._give(Op.DIV, other, self)

    def __floordiv__(self, other: Value | V) -> V:
        return self._give(Op.FLOORDIV, self, other)

    def __rfloordiv__(self, other: Value | V) -> V:
        return self._give(Op.FLOORDIV, other, self)

    def __mod__(self, other: Value | V) -> V:
        return self._give(Op.MOD, self, other)

    def __rmod__(self, other: Value | V) -> V:
        return self._give(Op.MOD, other, self)

    def __neg__(self) -> V:
        return self._give(Op.NEG, self)

    def __abs__(self) -> V:
        return self._give(Op.ABS, self)

    def abs(self) -> V:
        """Return the value without its sign."""
        return self._give(Op.ABS, self)

    def log1p(self) -> V:
        """Return the natural logarithm of 1 + value; null at or below -1."""
        return self._give(Op.LOG1P, self)

    def sqrt(self) -> V:
        """Return the square root; null below 0."""
        return self._give(Op.SQRT, self)

    # ---- comparison and logic
    def __eq__(self, other: Value | V) -> V:  # type: ignore[override]
        return self._give(Op.EQ, self, other)

    def __ne__(self, other: Value | V) -> V:  # type: ignore[override]
        return self._give(Op.NE, self, other)

    def __lt__(self, other: Value | V) -> V:
        return self._give(Op.LT, self, other)

    def __le__(self, other: Value | V) -> V:
        return self._give(Op.LE, self, other)

    def __gt__(self, other: Value | V) -> V:
        return self._give(Op.GT, self, other)

    def __ge__(self, other: Value | V) -> V:
        return self._give(Op.GE, self, other)

    def __and__(self, other: Value | V) -> V:
        return self._give(Op.AND, self, other)

    def __rand__(self, other: Value | V) -> V:
        return self._give(Op.AND, other, self)

    def __or__(self, other: Value | V) -> V:
        return self._give(Op.OR, self, other)

    def __ror__(self, other: Value | V) -> V:
        return self._give(Op.OR, other, self)

    def __invert__(self) -> V:
        return self._give(Op.NOT, self)

    __hash__ = object.__hash__

    def __bool__(self) -> NoReturn:
        with placed():
            raise CompileError(
                "expected true or false, found an expression, whose value only a query knows; "
                "write & | ~ for and, or, not, (a < b) & (b < c) for a < b < c, and fg.where for if"
            )

    def is_null(self) -> V:
        """Return whether there is no value."""
        return self._give(Op.IS_NULL, self)

    def is_in(self, values: Sequence[object]) -> V:
        """Return whether the value is one of VALUES; false for null."""
        return self._give(Op.IS_IN, self, values=_raws(values))

    # ---- choice and conversion
    @overload
    def fill(self, value: Value | V) -> V: ...
    @overload
    def fill(self, value: Windows) -> Windows: ...
    def fill(self, value: Value | V | Windows) -> V | Windows:
        """Return the value, or VALUE where it is null."""
        return self._give(Op.FILL, self, value)

    def clip(self, lo: object = None, hi: object = None) -> V:
        """Return the value brought into [LO, HI]; either bound may be left out."""
        return self._give(Op.CLIP, self, lo=_raw(lo), hi=_raw(hi))

    def bucketize(self, edges: Sequence[object]) -> V:
        """Return the number of EDGES at or below the value."""
        return self._give(Op.BUCKETIZE, self, edges=_raws(edges))

    def cast(self, to: TypeLike) -> V:
        """Return the value as type TO; null where it does not fit."""
        from featuregraph.schema import type_of

        with placed():
            wanted = type_of(to)
        return self._give(Op.CAST, self, to=wanted)

    @overload
    def cross(self, other: Value | V) -> V: ...
    @overload
    def cross(self, other: Windows) -> Windows: ...
    def cross(self, other: Value | V | Windows) -> V | Windows:
        """Return both texts in one, apart by U+001F."""
        return self._give(Op.CROSS, self, other)

    def hash(self, buckets: int, seed: int = 0) -> V:
        """Return a stable row number in [1, BUCKETS); 0 for null (SEMANTICS 5.4)."""
        return self._give(Op.HASH, self, buckets=buckets, seed=seed)


class Expr(Words["Expr"]):
    """A value of the graph; operators on it give further expressions."""

    __slots__ = ("node", "place", "schemas")

    def __init__(self, node: Node, schemas: Schemas = frozenset(), place: Place | None = None) -> None:
        self.node = node
        self.schemas = schemas
        self.place = place

    @property
    def dtype(self) -> AnyType:
        """Return the value's type."""
        return self.node.type

    def __repr__(self) -> str:
        return f"<Expr {self.node.op.value}: {self.dtype}{f' at {self.place}' if self.place else ''}>"


class GroupedExpr(Expr):
    """An aggregate by group: a map from group to value."""

    __slots__ = ()

    @overload
    def lookup(self, key: Value) -> Expr: ...
    @overload
    def lookup(self, key: Windows) -> Windows: ...
    def lookup(self, key: Value | Windows) -> Expr | Windows:
        """Return the value of the group KEY; the aggregate's empty value for one without rows."""
        return _lookup(self, key)

    def top(self, k: int) -> Expr:
        """Return the K groups with the largest value."""
        with placed():
            return Expr(build.top(self.node, k), self.schemas, here())


class Windows(Words["Windows"], Mapping[str, Expr]):  # type: ignore[misc]  # == is the words', not Mapping's
    """One expression per window, by its text; in a namespace each becomes the feature NAME_WINDOW."""

    def __init__(self, by_window: Mapping[str, Expr]) -> None:
        self._by_window = dict(by_window)

    def __getitem__(self, window: str) -> Expr:
        if window in self._by_window:
            return self._by_window[window]
        raise KeyError(f"expected one of the windows {list(self)}, found {window!r}; name one of them")

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_window)

    def __len__(self) -> int:
        return len(self._by_window)

    @property
    def by_duration(self) -> dict[int, Expr]:
        """Return the expressions by their windows in ms: "7d" and "1w" are one window."""
        return {parse_duration(window): expr for window, expr in self._by_window.items()}

    def __repr__(self) -> str:
        types_found = dict.fromkeys(str(expr.dtype) for expr in self._by_window.values())
        return f"<{type(self).__name__} {', '.join(self)}: {' | '.join(types_found)}>"


class GroupedWindows(Windows):
    """One aggregate by group per window."""

    if TYPE_CHECKING:

        def __getitem__(self, window: str) -> GroupedExpr: ...

    def lookup(self, key: Value | Windows) -> Windows:
        """Return the value of the group KEY in each window."""
        return cast("Windows", _lookup(self, key))

    def top(self, k: int) -> Windows:
        """Return the K groups with the largest value in each window."""
        return Windows({window: self[window].top(k) for window in self})


def refuse_word(owner: object, what: str, word: str, advice: str | None) -> NoReturn:
    """Raise for a WORD that OWNER, which is WHAT, has not; ADVICE defaults to the nearest words."""
    if word.startswith("_"):  # Python's own protocols ask for those
        raise AttributeError(word)
    with placed():
        words = [name for name in dir(type(owner)) if not name.startswith("_")]
        raise UnknownWordError(
            f"{word}: expected a word of {what}, found none of that name; {advice or nearest(word, words)}"
        )


def _value_advice(word: str) -> str | None:
    """Return where WORD stands if it is one of groups or streams."""
    if word in ("lookup", "top"):
        return "group the rows by group_by(...) before they are aggregated"
    if word in build.AGGREGATES:
        return f"aggregate rows, as in fg.rows(Purchase).{word}(...)"
    return None


def each_window(what: str, one: Callable[..., Expr], *args: object) -> Expr | Windows:
    """Return ONE of ARGS, or one per window where any of them has several.

    Raises:
        CompileError: two of them have different windows; WHAT is named.
    """
    several = [arg for arg in args if isinstance(arg, Windows)]
    if not several:
        return one(*args)
    first, *others = several
    for other in others:
        if other.by_duration.keys() != first.by_duration.keys():
            raise CompileError(
                f"{what}: expected the same windows on both sides, found {list(first)} and {list(other)}; "
                f"give both one list, or take one window by its text, as in [{next(iter(other))!r}]"
            )
    operands = [arg.by_duration if isinstance(arg, Windows) else arg for arg in args]
    return Windows(
        {
            window: one(*(o[ms] if isinstance(o, dict) else o for o in operands))
            for window, ms in zip(first, first.by_duration, strict=True)
        }
    )


def lift(value: object) -> Expr:
    """Return VALUE as an expression: a Python value becomes a literal of the type it shows."""
    if isinstance(value, Expr):
        if not hasattr(value, "node"):
            raise CompileError(_unbound(value))
        return value
    if isinstance(value, Windows):
        raise CompileError(
            f"expected one value, found one for each of the windows {list(value)}; "
            f"take one window by its text, as in [{next(iter(value))!r}]"
        )
    return lit(value)


def _unbound(field: Any) -> str:
    """Return what is wrong with a declared FIELD that is no expression by itself."""
    if field.of_table:
        return (
            f"expected the field {field.field_name!r} of one row, found that of the whole table; "
            f"look it up by a key, as {field.of_table}[View.item_id].{field.field_name}"
        )
    return (
        "expected a declared field, found one outside an Event, Request or Candidate class; declare it in one"
    )


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


def apply(op: Op, *args: object, **attrs: Any) -> Expr | Windows:
    """Return the operator OP on ARGS, in each window where any of them has several."""

    def one(*operands: object) -> Expr:
        exprs = [lift(operand) for operand in operands]
        node = build.scalar(op, [e.node for e in exprs], **attrs)
        return Expr(node, frozenset().union(*(e.schemas for e in exprs)), here())

    with placed():
        return each_window(op.value, one, *args)


def _lookup(grouped: GroupedExpr | GroupedWindows, key: object) -> Expr | Windows:
    def one(grouped: Expr, key: object) -> Expr:
        key = lift(key)
        return Expr(build.lookup(grouped.node, key.node), grouped.schemas | key.schemas, here())

    with placed():
        return each_window("lookup", one, grouped, key)
