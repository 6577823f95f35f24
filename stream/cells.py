"""Aggregates bound to the rows of a track: what to take from a row, and what to read from the state.

A `CellKernel` is made once per cell and layout. `fold(rows, start, end, t, q)` computes a state from rows at
hand (naive, fused, cached); `running(rows)` gives a state that rows enter and leave (incremental). Both give
the same readable thing: `value(t)`, and for groups `lookup(key, t)` and `top(k, t)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from featuregraph.aggregates import NO_KEY, Grouped, aggregate_for
from featuregraph.aggregates.sequence import LatestRows
from featuregraph.build import TS
from featuregraph.ir import Node, Op
from featuregraph.layout import Cell
from featuregraph.scalar import OVERFLOW
from stream.batch import EventRow
from stream.decode import row_function, row_source
from stream.rows import Entering, Rows

if TYPE_CHECKING:
    from stream.span import RunningSpan

Move = Callable[[Rows | Entering, int, int], None]


class Readable(Protocol):
    """What a plan reads: a state of the aggregates, or something that answers like one."""

    def value(self, t: int, /) -> Any:
        """Return the aggregate's value at T."""


class Fixed:
    """A value that is known already."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def value(self, t: int) -> Any:
        """Return the value."""
        return self._value


class Broken:
    """The state of rows whose filter overflows: nothing about it is known, but what needs no row."""

    __slots__ = ("_empty",)

    def __init__(self, aggregate: Any) -> None:
        self._empty = aggregate.aggregate.empty if isinstance(aggregate, Grouped) else None

    def value(self, t: int) -> Any:
        """Return OVERFLOW."""
        return OVERFLOW

    def lookup(self, key: Any, t: int) -> Any:
        """Return OVERFLOW, the empty value for a null key."""
        return self._empty if key is None else OVERFLOW

    def lookups(self, keys: Sequence[Any], t: int) -> list[Any]:
        """Return `lookup` of each of KEYS."""
        return [self.lookup(key, t) for key in keys]

    def top(self, k: int, t: int) -> Any:
        """Return OVERFLOW."""
        return OVERFLOW


class Running:
    """One state that rows enter and leave; push, enter and leave are None where the window says the value.

    push(row) takes one row as it came; enter(rows, start, end) and leave(rows, start, end) take those numbers
    of ROWS.
    commutes: rows may enter in any order, and any of them may leave.
    encode: gives the bytes from which it can be opened again; None where there is nothing to keep.
    """

    __slots__ = ("commutes", "encode", "enter", "leave", "push", "readable")

    def __init__(
        self,
        readable: Callable[[RunningSpan], Any],
        push: Callable[[EventRow], None] | None = None,
        enter: Move | None = None,
        leave: Move | None = None,
        *,
        commutes: bool = True,
        encode: Callable[[], bytes] | None = None,
    ) -> None:
        self.encode = encode
        self.readable = readable
        self.commutes = commutes
        self.push = push
        self.enter = enter
        self.leave = leave


class CellKernel:
    """One aggregate with everything about its rows resolved."""

    def __init__(self, cell: Cell, places: Mapping[Node, int], *, filtered: bool) -> None:
        """Bind CELL to rows whose nodes stand at PLACES; FILTERED: its track keeps only rows that pass."""
        agg = cell.agg
        self.scanned = cell.scanned
        self.aggregate = aggregate_for(agg)
        self.broken = Broken(self.aggregate)
        where = agg.role("where")
        self._where = row_function(where, places) if where is not None and not filtered else None
        self._last: int | None = agg["last"] if self._where is not None else None
        self._take = Take(self.aggregate, agg, places)
        self._items = Items(agg, places) if agg["agg"] == "sequence" else None
        # Of a sequence without keys, only so many rows can be seen.
        self._latest: int | None = (
            agg["n"] if self._items is not None and agg.role("distinct") is None else None
        )
        self._counts_rows = agg["agg"] == "count" and agg["roles"] in ((), ("where",))

    # ---- from rows at hand

    def fold(self, rows: Rows, start: int, end: int, t: int, q: Mapping[str, Any]) -> Readable:
        """Return the readable state of ROWS from START to END, a span, at T with the request values Q."""
        if self._where is not None:
            return self._fold_filtered(rows.between(start, end), t, q)
        if self._counts_rows:
            return Fixed(end - start)
        if self._latest is not None:
            start = max(start, end - self._latest)
        return self._folded(self._take.of_range(rows, start, end, t, q), t, q)

    def _fold_filtered(self, rows: Sequence[EventRow], t: int, q: Mapping[str, Any]) -> Readable:
        where = self._where
        assert where is not None
        verdicts = [where(row, t, q) for row in rows]
        if any(v is OVERFLOW for v in verdicts):
            return self.broken
        rows = [row for row, verdict in zip(rows, verdicts, strict=True) if verdict is True]
        if self._last is not None:
            rows = rows[-self._last :]
        if self._counts_rows:
            return Fixed(len(rows))
        return self._folded(self._take.of_rows(rows, t, q), t, q)

    def _folded(self, taken: Sequence[Any], t: int, q: Mapping[str, Any]) -> Readable:
        if self._items is not None:
            return Lists(self._items, self.aggregate.fold(taken, forgets=False), q)
        if isinstance(self.aggregate, Grouped):
            return self.aggregate.fold(taken, forgets=False)
        return Fixed(self.aggregate.of(taken, t))

    # ---- entering and leaving

    def running(self, *, forgets: bool, data: bytes = b"") -> Running:
        """Return a new running state; only for cells that are not scanned. FORGETS: rows leave its window.

        data: what `encode` gave, for a state that goes on from there; raises ValueError if it did not.
        """
        if self._counts_rows:
            return Running(RowCount)
        aggregate = self.aggregate
        state = aggregate.decode(data, forgets=forgets) if data else aggregate.zero(forgets=forgets)
        push, enter, leave = self._take.bound(state)
        readable = state if self._items is None else Lists(self._items, state, {})
        return Running(
            lambda span: readable, push, enter, leave, commutes=state.commutes, encode=state.encode
        )


class RowCount:
    """count() of a running window: its length."""

    __slots__ = ("_span",)
    weight = 48  # of the object, whatever it counts

    def __init__(self, span: RunningSpan) -> None:
        self._span = span

    def value(self, t: int) -> int:
        """Return the number of rows in the window."""
        return self._span.end - self._span.start


class Part:
    """One of the values that a row gives: what stands at a place of it, or a literal."""

    __slots__ = ("_literal", "place")

    def __init__(self, node: Node | None, places: Mapping[Node, int], default: Any = None) -> None:
        self.place = None if node is None or node.op is Op.LIT else places[node]
        self._literal = default if node is None else node.get("value")

    def of(self, rows: Rows | Entering, start: int, end: int) -> Sequence[Any]:
        """Return the values of ROWS from START to before END."""
        if self.place is None:
            return [self._literal] * (end - start)
        return rows.values(self.place, start, end)


class Take:
    """What one row gives to a state, compiled for one row and for many."""

    def __init__(self, aggregate: Any, agg: Node, places: Mapping[Node, int]) -> None:
        nodes = [arg for arg in agg.args if arg is not agg.role("where")]
        self._source = row_source(nodes, places)
        self._takes = aggregate.takes
        self._grouped = isinstance(aggregate, Grouped)
        by, x = agg.role("by"), agg.role("distinct" if self._takes == "key_row" else "x")
        default = NO_KEY if self._takes == "key_row" else None
        what = self._what(x, default)
        self._arguments = f"{self._source.add([by])[0]}, {what}" if by is not None else what
        self._one = f"({self._arguments})" if self._grouped else self._arguments
        self.of_rows = self._many()
        # Whether a part has no place in the row, since it waits for the query.
        self._waits = any(n is not None and n.op is not Op.LIT and n not in places for n in (by, x))
        if not self._waits:
            self._by = Part(by, places)
            self._x = Part(x, places, default)
            self._ts = Part(TS, places)

    def _what(self, x: Node | None, default: object) -> str:
        value = self._source.add([x])[0] if x is not None else self._source.bind(default, "c")
        match self._takes:
            case "ts":
                return "r[0]"
            case "ts_x":
                return f"(r[0], {value})"
            case "key_row":
                return f"({value}, r)"
            case _:
                return value

    def _many(self) -> Callable[[Sequence[EventRow], int, Mapping[str, Any]], list[Any]]:
        one = self._one
        if not self._source.lines:
            return self._source.function("rows, t, q", f"[{one} for r in rows]")
        function = self._source.function("r, t, q", one)
        return lambda rows, t, q: [function(row, t, q) for row in rows]

    def of_range(
        self, rows: Rows | Entering, start: int, end: int, t: int, q: Mapping[str, Any]
    ) -> Sequence[Any]:
        """Return what ROWS give from START to before END."""
        if self._waits:
            return self.of_rows(rows.between(start, end), t, q)
        return self._range(rows, start, end)

    def _range(self, rows: Rows | Entering, start: int, end: int) -> Sequence[Any]:
        match self._takes:
            case "ts":
                found = self._ts.of(rows, start, end)
            case "ts_x":
                pairs = zip(self._ts.of(rows, start, end), self._x.of(rows, start, end), strict=True)
                found = list(pairs)
            case "key_row":
                found = list(zip(self._x.of(rows, start, end), rows.between(start, end), strict=True))
            case _:
                found = self._x.of(rows, start, end)
        return list(zip(self._by.of(rows, start, end), found, strict=True)) if self._grouped else found

    def bound(self, state: Any) -> tuple[Callable[[EventRow], None], Move, Move]:
        """Return what lets a row as it came enter STATE, and what lets ranges of rows enter and leave it.

        Only where nothing waits for the query.
        """
        assert not self._waits, "a part waits for the query"
        push = self._source.calling("r", state.push, self._arguments)
        return push, self._enters(state), self._leaves(state.pop)

    def _enters(self, state: Any) -> Move:
        given, extend = self._range, state.extend
        if not self._grouped and self._takes == "x" and self._x.place is not None:
            place = self._x.place
            return lambda rows, start, end: extend(rows.values(place, start, end))
        if isinstance(state, LatestRows):
            extend_rows = state.extend_rows
            return lambda rows, start, end: extend_rows(rows.between(start, end))
        return lambda rows, start, end: extend(given(rows, start, end))

    def _leaving(self, rows: Rows | Entering, start: int, end: int) -> Sequence[Any]:
        """Return what `_range` does, but for the rows themselves, which nobody asks for when they leave."""
        if self._takes == "key_row":
            return [(key, None) for key in self._x.of(rows, start, end)]
        return self._range(rows, start, end)

    def _leaves(self, pop: Callable[..., None]) -> Move:
        def each(rows: Rows | Entering, start: int, end: int) -> None:
            for x in self._leaving(rows, start, end):
                pop(x)

        def each_of_group(rows: Rows | Entering, start: int, end: int) -> None:
            for group, x in self._leaving(rows, start, end):
                pop(group, x)

        return each_of_group if self._grouped else each


class Items:
    """The items of a sequence: each a list over the rows that the state kept."""

    def __init__(self, agg: Node, places: Mapping[Node, int]) -> None:
        self.lists = []
        # A field is never out of range; an age may be.
        self._computed = [n for n, node in agg.items if node.op not in (Op.FIELD, Op.TS, Op.EVENT_NAME)]
        for name, node in agg.items:
            source = row_source([node], places)
            self.lists.append((name, source.lister(node, "rows, t, q", "r", "rows")))

    def read(self, rows: Sequence[EventRow], t: int, q: Mapping[str, Any]) -> Any:
        """Return {item: list}, or OVERFLOW."""
        made = {name: values(rows, t, q) for name, values in self.lists}
        return OVERFLOW if any(OVERFLOW in made[name] for name in self._computed) else made


class Lists:
    """A sequence's state, read as aligned lists."""

    __slots__ = ("_items", "_q", "_state")

    def __init__(self, items: Items, state: Any, q: Mapping[str, Any]) -> None:
        self._items = items
        self._state = state
        self._q = q

    @property
    def weight(self) -> int:
        """Return about how many bytes of memory are held."""
        return int(self._state.weight)

    def value(self, t: int) -> Any:
        """Return {item: list}, oldest to newest, or OVERFLOW."""
        rows = self._state.value(t)
        return OVERFLOW if rows is OVERFLOW else self._items.read(rows, t, self._q)
