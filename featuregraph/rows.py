"""The user's words for streams: rows(...) of events, narrowed by a window and a filter, then aggregated.

The chain's types follow SEMANTICS 3.4 (visible, window, where, last N, aggregate): after `last(n)` only
`group_by` and aggregates are left, so that no chain can contradict the order of evaluation. For the same
reason a chain says each of over, offset and last once: a second one would have to replace the first.

After `over([...])` the stream has several windows: what gave an Expr gives Windows, by the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar, cast, overload

from featuregraph import build
from featuregraph.errors import CompileError
from featuregraph.expr import Expr, GroupedExpr, GroupedWindows, Windows, lift, refuse_word
from featuregraph.ir import Node, Op, toposort
from featuregraph.place import here, placed
from featuregraph.schema import Event, EventSchema
from featuregraph.shown import shown
from featuregraph.tables import TableSchema, tables_of
from featuregraph.windows import parse_duration, parse_offset

V = TypeVar("V")  # what an aggregate gives: an expression, or one per window
L = TypeVar("L")  # the stream after last(n)
G = TypeVar("G")  # the stream after group_by(x)

_ALONE = ""  # the key of a stream without a list of windows
_ONE_LIST = "give all windows in one list"
_AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Stream:
    """What a chain of words says so far; `ahead` is a window from t on, in place of over and offset."""

    schemas: tuple[EventSchema, ...]
    where: Node | None = None
    by: Node | None = None
    over: int | None = None
    offset: int = 0
    ahead: int | None = None
    last: int | None = None
    tables: frozenset[TableSchema] = frozenset()  # that where and group_by look into
    said: tuple[tuple[str, object], ...] = ()  # the words that a chain says once, as they were written

    def saying(self, word: str, value: object, advice: str, **changes: Any) -> Stream:
        """Return the stream with CHANGES; raise CompileError with ADVICE if WORD was said before.

        ahead and what looks back exclude each other (SEMANTICS 9.1).
        """
        for said, first in self.said:
            if said == word:
                raise _twice(word, first, value, advice)
            if _AHEAD in (said, word):
                raise CompileError(
                    f"{word}: expected rows that look back or rows that look ahead, "
                    f"found {said}({shown(first)}) and then {word}({shown(value)}); make two features of them"
                )
        return replace(self, said=(*self.said, (word, value)), **changes)

    def check(self, expr: object, word: str) -> Node:
        """Return the node of what WORD takes of a row: its fields are those of all members, of one type.

        A bare text is refused: as a literal it would say the same of every row, where a field was meant.
        """
        if isinstance(expr, str):
            raise CompileError(
                f"{word}: expected a value of each row, found the text {shown(expr)}; write a field with "
                "its class, as in Purchase.quantity, or fg.lit(...) if this one text is meant for every row"
            )
        node = lift(expr).node
        for leaf in toposort([node]):
            if leaf.op is Op.FIELD:
                check_field(self.schemas, leaf)
        return node

    def aggregate(self, agg: str, x: object = None, **params: Any) -> Node:
        """Return the node of one aggregate over this stream."""
        return build.aggregate(
            agg,
            [s.name for s in self.schemas],
            x=None if x is None else self.check(x, agg),
            where=self.where,
            by=self.by,
            over=self.over,
            offset=self.offset,
            ahead=self.ahead,
            last=self.last,
            **params,
        )


def _twice(word: str, first: object, then: object, advice: str) -> CompileError:
    return CompileError(
        f"{word}: expected it once in a chain, found {shown(first)} and then {shown(then)}; "
        f"{advice}, or begin again at the rows before the first"
    )


def check_field(schemas: Sequence[EventSchema], field: Node) -> None:
    """Raise CompileError unless all SCHEMAS declare the field with its type."""
    for schema in schemas:
        found = schema.type_of(field["name"])
        if found is not field.type:
            raise CompileError(
                f"event {schema.name!r}, field {field['name']!r}: expected {field.type} "
                f"as in the other events of the stream, found {found}; "
                "declare both alike or cast in separate streams"
            )


class Aggregates(Generic[V]):
    """A stream with the aggregates; each gives one expression, or one per window."""

    def __init__(self, streams: Mapping[str, Stream]) -> None:
        """Take the stream of each window by its text; _ALONE where no list of windows was given."""
        self._streams = streams

    if not TYPE_CHECKING:  # as in Words

        def __getattr__(self, word: str) -> NoReturn:
            """Answer a word that rows have not, or no longer; hasattr and getattr work as ever."""
            said_late = hasattr(Rows, word) and not word.startswith("_")
            advice = "say it before last(n) and group_by" if said_late else None
            refuse_word(self, "rows", word, advice)

    @property
    def events(self) -> tuple[str, ...]:
        """Return the names of the stream's events."""
        return tuple(schema.name for schema in next(iter(self._streams.values())).schemas)

    def _aggregate(
        self, agg: str, x: object = None, tables: frozenset[TableSchema] = frozenset(), **params: Any
    ) -> V:
        with placed():
            made = {
                window: _value(stream.aggregate(agg, x, **params), stream, tables | tables_of(x))
                for window, stream in self._streams.items()
            }
        return cast("V", _gathered(made))

    def count(self, x: object = None) -> V:
        """Return the number of rows, or of rows with X."""
        return self._aggregate("count", x)

    def sum(self, x: object) -> V:
        """Return the exact sum of X; 0 without rows."""
        return self._aggregate("sum", x)

    def mean(self, x: object) -> V:
        """Return the exact mean of X, rounded once."""
        return self._aggregate("mean", x)

    def var(self, x: object) -> V:
        """Return the population variance of X."""
        return self._aggregate("var", x)

    def std(self, x: object) -> V:
        """Return the population standard deviation of X."""
        return self._aggregate("std", x)

    def min(self, x: object) -> V:
        """Return the smallest X; text by UTF-8 bytes."""
        return self._aggregate("min", x)

    def max(self, x: object) -> V:
        """Return the largest X; text by UTF-8 bytes."""
        return self._aggregate("max", x)

    def first(self, x: object) -> V:
        """Return X of the earliest row that has one."""
        return self._aggregate("first", x)

    def distinct(self, x: object) -> V:
        """Return the exact number of distinct X."""
        return self._aggregate("distinct", x)

    def quantile(self, x: object, q: float) -> V:
        """Return the nearest-rank quantile of X: sorted[ceil(Q * n) - 1]."""
        return self._aggregate("quantile", x, q=q)

    def decayed_sum(self, x: object, half_life: str) -> V:
        """Return the sum of X, each halved every HALF_LIFE since its row."""
        with placed():
            return self._aggregate("decayed_sum", x, half_life=parse_duration(half_life, "half_life"))

    def since_last(self) -> V:
        """Return the ms since the latest row."""
        return self._aggregate("since_last")

    def since_first(self) -> V:
        """Return the ms since the earliest row."""
        return self._aggregate("since_first")


def _value(node: Node, stream: Stream, tables: frozenset[TableSchema]) -> Expr:
    made = Expr if stream.by is None else GroupedExpr
    return made(node, frozenset(stream.schemas) | stream.tables | tables, here())


def _gathered(made: Mapping[str, Any]) -> Expr | Windows:
    """Return the one value of a stream without a list of windows, else all of them."""
    if _ALONE in made:
        return cast("Expr", made[_ALONE])
    grouped = all(isinstance(value, GroupedExpr) for value in made.values())
    return GroupedWindows(made) if grouped else Windows(made)


def _latest(x: object) -> Expr | str:
    """Return X if it can be taken of a row; a number is how many rows, which is said before."""
    if isinstance(x, (Expr, str)):  # a text is refused as in any aggregate
        return x
    raise CompileError(
        f"last: expected an expression, whose latest value is meant, found {shown(x)}; "
        "say last(n) once, and before group_by"
    )


def _named_items(items: object) -> Mapping[str, object]:
    if not isinstance(items, Mapping):
        raise CompileError(
            f"sequence: expected items as a mapping of name to value, found {items!r:.60}; name each"
        )
    return items


class _Groups(Aggregates[V]):
    def last(self, x: Expr) -> V:
        """Return X of the latest row that has one."""
        with placed():
            return self._aggregate("last", _latest(x))


class GroupedRows(_Groups[GroupedExpr]):
    """Rows in groups: every aggregate gives a map."""


class GroupedWindowRows(_Groups[GroupedWindows]):
    """Rows in groups, in several windows: every aggregate gives a map per window."""


class _Narrowed(Aggregates[V], Generic[V, G]):
    _grouped: type[Any]  # G: the stream after group_by

    def last(self, x: Expr) -> V:
        """Return X of the latest row that has one."""
        with placed():
            return self._aggregate("last", _latest(x))

    def topk(self, x: object, k: int) -> V:
        """Return the at most K most frequent X; ties by latest occurrence first."""
        return self._aggregate("topk", x, k=k)

    def sequence(self, n: int, items: Mapping[str, object], distinct: object = None) -> V:
        """Return aligned lists of the latest N rows, oldest to newest.

        Args:
            n: how many rows at most.
            items: what each row gives, by name.
            distinct: keeps the latest row of each of its values, before the cut to N.
        """
        with placed():
            stream = next(iter(self._streams.values()))
            checked = {
                name: stream.check(item, f"sequence, item {shown(name)}")
                for name, item in _named_items(items).items()
            }
            key = None if distinct is None else stream.check(distinct, "sequence, distinct")
            tables = tables_of(distinct, *_named_items(items).values())
            return self._aggregate("sequence", None, tables, n=n, items=checked, distinct=key)

    def group_by(self, x: object) -> G:
        """Group the rows by X; rows with a null X are left out."""
        with placed():
            streams = {
                w: replace(s, by=s.check(x, "group_by"), tables=s.tables | tables_of(x))
                for w, s in self._streams.items()
            }
            return cast("G", self._grouped(streams))


class LastRows(_Narrowed[Expr, GroupedRows]):
    """The latest N rows: only group_by and aggregates may follow."""

    _grouped = GroupedRows


class LastWindowRows(_Narrowed[Windows, GroupedWindowRows]):
    """The latest N rows of each of several windows."""

    _grouped = GroupedWindowRows


class _Open(_Narrowed[V, G], Generic[V, G, L]):
    _last: type[Any]  # L: the stream after last(n)

    def where(self, cond: object) -> Self:
        """Keep the rows for which COND is true; a second where narrows further."""
        with placed():
            streams = {}
            for window, stream in self._streams.items():
                node = build.condition(stream.check(cond, "where"))
                both = node if stream.where is None else build.scalar(Op.AND, [stream.where, node])
                streams[window] = replace(stream, where=both, tables=stream.tables | tables_of(cond))
            return type(self)(streams)

    def offset(self, duration: str) -> Self:
        """See the rows as they were DURATION ago ("1d")."""
        with placed():
            ms = parse_offset(duration)
            return type(self)(
                {
                    window: stream.saying("offset", duration, "give their sum", offset=ms)
                    for window, stream in self._streams.items()
                }
            )

    @overload
    def last(self, x: int) -> L: ...
    @overload
    def last(self, x: Expr) -> V: ...
    def last(self, x: int | Expr) -> L | V:
        """Keep the latest N rows (a number), or return X of the latest row that has one (an expression)."""
        if isinstance(x, (Expr, str)):
            return self._aggregate("last", x)
        with placed():
            n = build.whole(x, "last", 1, build.MAX_LAST)
            return cast("L", self._last({w: replace(s, last=n) for w, s in self._streams.items()}))


class Rows(_Open[Expr, GroupedRows, LastRows], LastRows):
    """Rows of one or several events, not yet cut to the latest N."""

    _last = LastRows

    @overload
    def over(self, window: str | None) -> Rows: ...
    @overload
    def over(self, window: list[str] | tuple[str, ...]) -> WindowRows: ...
    def over(self, window: str | list[str] | tuple[str, ...] | None) -> Rows | WindowRows:
        """Keep the rows of the last WINDOW ("30m", "7d"); None is lifetime, a list gives one value each."""
        with placed():
            stream = self._streams[_ALONE]
            if isinstance(window, (list, tuple)):
                return WindowRows({text: _over(stream, window, ms) for text, ms in _each(window).items()})
            ms = None if window is None else parse_duration(window)
            return Rows({_ALONE: _over(stream, window, ms)})

    @overload
    def ahead(self, window: str) -> Rows: ...
    @overload
    def ahead(self, window: list[str] | tuple[str, ...]) -> WindowRows: ...
    def ahead(self, window: str | list[str] | tuple[str, ...]) -> Rows | WindowRows:
        """Keep the rows of the WINDOW ("24h") that begins at t: what is made of them is a label.

        Labels are computed in history only (SEMANTICS 9); Graph.serving() leaves them out.
        """
        with placed():
            stream = self._streams[_ALONE]
            if isinstance(window, (list, tuple)):
                return WindowRows(
                    {text: _ahead(stream, window, ms) for text, ms in _each(window, _AHEAD).items()}
                )
            return Rows({_ALONE: _ahead(stream, window, parse_duration(window, _AHEAD))})


class WindowRows(_Open[Windows, GroupedWindowRows, LastWindowRows], LastWindowRows):
    """Rows in several windows, not yet cut to the latest N: every aggregate gives one value per window."""

    _last = LastWindowRows

    def over(self, window: object) -> NoReturn:
        """Refuse: the windows were given in one list."""
        with placed():
            raise _twice("over", list(self._streams), window, _ONE_LIST)

    def ahead(self, window: object) -> NoReturn:
        """Refuse: the windows were given in one list."""
        with placed():
            raise _twice(_AHEAD, list(self._streams), window, _ONE_LIST)


def _over(stream: Stream, window: object, ms: int | None) -> Stream:
    return stream.saying("over", window, _ONE_LIST, over=ms)


def _ahead(stream: Stream, window: object, ms: int) -> Stream:
    return stream.saying(_AHEAD, window, _ONE_LIST, ahead=ms)


def _each(windows: Sequence[str], word: str = "over") -> dict[str, int]:
    """Return the ms of each of WINDOWS by its text; WORD is named where they are none."""
    if not windows:
        raise CompileError(f"{word}: expected at least one window, found an empty list; name one")
    found: dict[int, str] = {}
    for text in windows:
        ms = parse_duration(text, word)
        if ms in found:
            raise CompileError(
                f"{word}: expected windows of different lengths, found {found[ms]!r} and {text!r}; "
                "take one out"
            )
        found[ms] = text
    return {text: ms for ms, text in found.items()}


def rows(*events: type[Event], ahead: str | None = None) -> Rows:
    """Return the rows of one event, or of several in total order.

    ahead: as the word of this name says, for labels: fg.rows(Purchase, ahead="24h").
    """
    with placed():
        schemas: dict[str, EventSchema] = {}
        for event in events:
            schema = getattr(event, "schema", None)
            if not isinstance(schema, EventSchema):
                raise CompileError(
                    f"rows: expected event classes, found {event!r}; declare class X(fg.Event)"
                )
            if schemas.setdefault(schema.name, schema) != schema:
                raise CompileError(
                    f"rows: expected one declaration of event {schema.name!r}, found two; share one class"
                )
        if not schemas:
            raise CompileError("rows: expected at least one event, found none; write fg.rows(Purchase)")
        found = Rows({_ALONE: Stream(tuple(schemas[name] for name in sorted(schemas)))})
        return found if ahead is None else found.ahead(ahead)
