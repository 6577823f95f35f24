"""The user's words for streams: rows(...) of events, narrowed by a window and a filter, then aggregated.

The chain's types follow SEMANTICS 3.4 (visible, window, where, last N, aggregate): after `last(n)` only
`group_by` and aggregates are left, so that no chain can contradict the order of evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, overload

from featuregraph import build
from featuregraph.errors import CompileError
from featuregraph.expr import Expr, GroupedExpr, GroupedWindows, Windows, lift
from featuregraph.ir import Node, Op, toposort
from featuregraph.place import here, placed
from featuregraph.schema import Event, EventSchema
from featuregraph.windows import format_duration, parse_duration, parse_offset

E = TypeVar("E", bound=Expr)

_ALONE = ""  # the key of a stream without a list of windows


@dataclass(frozen=True, slots=True)
class Stream:
    """What a chain of words says so far."""

    schemas: tuple[EventSchema, ...]
    where: Node | None = None
    by: Node | None = None
    over: int | None = None
    offset: int = 0
    last: int | None = None

    def check(self, expr: object) -> Node:
        """Return EXPR's node if every field in it is one of all members with the same type."""
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
            x=None if x is None else self.check(x),
            where=self.where,
            by=self.by,
            over=self.over,
            offset=self.offset,
            last=self.last,
            **params,
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


class _Aggregates(Generic[E]):
    """The aggregates; each gives one expression, or one per window."""

    _expr: type[E]  # what an aggregate gives
    _windows: Callable[[Mapping[str, E]], E]  # what it gives for a list of windows

    def __init__(self, streams: Mapping[str, Stream]) -> None:
        """Take the stream of each window by its text; _ALONE where no list of windows was given."""
        self._streams = streams

    def _aggregate(self, agg: str, x: object = None, **params: Any) -> E:
        with placed():
            made = {
                window: self._expr(stream.aggregate(agg, x, **params), frozenset(stream.schemas), here())
                for window, stream in self._streams.items()
            }
        return made[_ALONE] if _ALONE in made else self._windows(made)

    def count(self, x: object = None) -> E:
        """Return the number of rows, or of rows with X."""
        return self._aggregate("count", x)

    def sum(self, x: object) -> E:
        """Return the exact sum of X; 0 without rows."""
        return self._aggregate("sum", x)

    def mean(self, x: object) -> E:
        """Return the exact mean of X, rounded once."""
        return self._aggregate("mean", x)

    def var(self, x: object) -> E:
        """Return the population variance of X."""
        return self._aggregate("var", x)

    def std(self, x: object) -> E:
        """Return the population standard deviation of X."""
        return self._aggregate("std", x)

    def min(self, x: object) -> E:
        """Return the smallest X; text by UTF-8 bytes."""
        return self._aggregate("min", x)

    def max(self, x: object) -> E:
        """Return the largest X; text by UTF-8 bytes."""
        return self._aggregate("max", x)

    def first(self, x: object) -> E:
        """Return X of the earliest row that has one."""
        return self._aggregate("first", x)

    def distinct(self, x: object) -> E:
        """Return the exact number of distinct X."""
        return self._aggregate("distinct", x)

    def quantile(self, x: object, q: float) -> E:
        """Return the nearest-rank quantile of X: sorted[ceil(Q * n) - 1]."""
        return self._aggregate("quantile", x, q=q)

    def decayed_sum(self, x: object, half_life: str) -> E:
        """Return the sum of X, each halved every HALF_LIFE since its row."""
        with placed():
            return self._aggregate("decayed_sum", x, half_life=parse_duration(half_life, "half_life"))

    def since_last(self) -> E:
        """Return the ms since the latest row."""
        return self._aggregate("since_last")

    def since_first(self) -> E:
        """Return the ms since the earliest row."""
        return self._aggregate("since_first")


def _named_items(items: object) -> Mapping[str, object]:
    if not isinstance(items, Mapping):
        raise CompileError(
            f"sequence: expected items as a mapping of name to value, found {items!r:.60}; name each"
        )
    return items


class GroupedRows(_Aggregates[GroupedExpr]):
    """Rows in groups: every aggregate gives a map."""

    _expr = GroupedExpr
    _windows = GroupedWindows

    def last(self, x: object) -> GroupedExpr:
        """Return X of the latest row that has one."""
        return self._aggregate("last", x)


class LastRows(_Aggregates[Expr]):
    """The latest N rows: only group_by and aggregates may follow."""

    _expr = Expr
    _windows = Windows

    def last(self, x: object) -> Expr:
        """Return X of the latest row that has one."""
        return self._aggregate("last", x)

    def topk(self, x: object, k: int) -> Expr:
        """Return the at most K most frequent X; ties by latest occurrence first."""
        return self._aggregate("topk", x, k=k)

    def sequence(self, n: int, items: Mapping[str, object], distinct: object = None) -> Expr:
        """Return aligned lists of the latest N rows, oldest to newest.

        Args:
            n: how many rows at most.
            items: what each row gives, by name.
            distinct: keeps the latest row of each of its values, before the cut to N.
        """
        with placed():
            stream = next(iter(self._streams.values()))
            checked = {name: stream.check(item) for name, item in _named_items(items).items()}
            key = None if distinct is None else stream.check(distinct)
            return self._aggregate("sequence", None, n=n, items=checked, distinct=key)

    def group_by(self, x: object) -> GroupedRows:
        """Group the rows by X; rows with a null X are left out."""
        with placed():
            return GroupedRows({w: replace(s, by=s.check(x)) for w, s in self._streams.items()})


class Rows(LastRows):
    """Rows of one or several events, not yet cut to the latest N."""

    def _with(self, **changes: Any) -> Rows:
        return Rows({w: replace(s, **changes) for w, s in self._streams.items()})

    def where(self, cond: object) -> Rows:
        """Keep the rows for which COND is true; a second where narrows further."""
        with placed():
            streams = {}
            for window, stream in self._streams.items():
                node = build.condition(stream.check(cond))
                both = node if stream.where is None else build.scalar(Op.AND, [stream.where, node])
                streams[window] = replace(stream, where=both)
            return Rows(streams)

    def over(self, window: str | Sequence[str] | None) -> Rows:
        """Keep the rows of the last WINDOW ("30m", "7d"); None is lifetime, a list gives one value each."""
        with placed():
            if _ALONE not in self._streams:
                raise CompileError(
                    f"over: expected no window after the list {list(self._streams)}, found {window!r}; "
                    "give all windows in one list"
                )
            if (before := self._streams[_ALONE].over) is not None:
                raise CompileError(
                    f"over: expected one window, found {window!r} after {format_duration(before)!r}; "
                    "write the one that is meant, or both in one list"
                )
            if not isinstance(window, (list, tuple)):
                return self._with(over=None if window is None else parse_duration(window))
            if not window:
                raise CompileError("over: expected at least one window, found an empty list; name one")
            stream = self._streams[_ALONE]
            return Rows({text: replace(stream, over=parse_duration(text)) for text in window})

    def offset(self, duration: str) -> Rows:
        """See the rows as they were DURATION ago ("1d")."""
        with placed():
            if before := next(iter(self._streams.values())).offset:
                raise CompileError(
                    f"offset: expected one offset, found {duration!r} after {format_duration(before)!r}; "
                    "write their sum, or the one that is meant"
                )
            return self._with(offset=parse_offset(duration))

    def ahead(self, window: str) -> Rows:
        """Refuse: labels are not part of this version."""
        with placed():
            raise CompileError(
                f"ahead={window!r}: expected a window that looks back, found a label; "
                "labels come with columnar replay"
            )

    @overload  # type: ignore[override]
    def last(self, x: int) -> LastRows: ...
    @overload
    def last(self, x: Expr) -> Expr: ...
    def last(self, x: int | Expr) -> LastRows | Expr:
        """Keep the latest N rows (a number), or return X of the latest row that has one (an expression)."""
        if isinstance(x, Expr):
            return self._aggregate("last", x)
        with placed():
            n = build.whole(x, "last", 1, build.MAX_LAST)
            return LastRows({w: replace(s, last=n) for w, s in self._streams.items()})


def rows(*events: type[Event]) -> Rows:
    """Return the rows of one event, or of several in total order."""
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
        return Rows({_ALONE: Stream(tuple(schemas[name] for name in sorted(schemas)))})
