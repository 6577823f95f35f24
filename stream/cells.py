"""Aggregates bound to the rows of a track: what to take from a row, and what to read from the state.

A `CellKernel` is made once per cell and layout. `fold(rows, t, q)` computes a state from rows at hand (naive,
fused, cached); `running()` gives a state that rows enter and leave (incremental). Both give the same readable
thing: `value(t)`, and for groups `lookup(key, t)` and `top(k, t)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from featuregraph.aggregates import NO_KEY, Grouped, aggregate_for
from featuregraph.codegen import Source
from featuregraph.ir import Node, Op
from featuregraph.layout import Cell
from featuregraph.scalar import OVERFLOW
from stream.decode import EventRow, row_function, row_source

if TYPE_CHECKING:
    from stream.span import RunningSpan


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
    """One state that rows enter and leave; push and pop are None where the window alone says the value.

    commutes: rows may enter in any order, and any of them may leave.
    encode: gives the bytes from which it can be opened again; None where there is nothing to keep.
    """

    __slots__ = ("commutes", "encode", "pop", "push", "readable")

    def __init__(
        self,
        readable: Callable[[RunningSpan], Any],
        push: Callable[[EventRow], None] | None = None,
        pop: Callable[[EventRow], None] | None = None,
        *,
        commutes: bool = True,
        encode: Callable[[], bytes] | None = None,
    ) -> None:
        self.encode = encode
        self.readable = readable
        self.commutes = commutes
        self.push = push
        self.pop = pop


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
        self._counts_rows = agg["agg"] == "count" and agg["roles"] in ((), ("where",))

    # ---- from rows at hand

    def fold(self, rows: Sequence[EventRow], t: int, q: Mapping[str, Any]) -> Readable:
        """Return the readable state of ROWS, a span's rows in total order, at T with the request values Q."""
        if self._where is not None:
            where = self._where
            verdicts = [where(row, t, q) for row in rows]
            if any(v is OVERFLOW for v in verdicts):
                return self.broken
            rows = [row for row, verdict in zip(rows, verdicts, strict=True) if verdict is True]
            if self._last is not None:
                rows = rows[-self._last :]
        if self._counts_rows:
            return Fixed(len(rows))
        taken = self._take.many(rows, t, q)
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
        push, pop = self._take.bind(state.push), self._take.bind(state.pop)
        readable = state if self._items is None else Lists(self._items, state, {})
        return Running(lambda span: readable, push, pop, commutes=state.commutes, encode=state.encode)


class RowCount:
    """count() of a running window: its length."""

    __slots__ = ("_span",)
    size = 1

    def __init__(self, span: RunningSpan) -> None:
        self._span = span

    def value(self, t: int) -> int:
        """Return the number of rows in the window."""
        return self._span.end - self._span.start


class Take:
    """What one row gives to a state, compiled for one row and for many."""

    def __init__(self, aggregate: Any, agg: Node, places: Mapping[Node, int]) -> None:
        self._source = row_source([arg for arg in agg.args if arg is not agg.role("where")], places)
        self._grouped = isinstance(aggregate, Grouped)
        what = self._what(aggregate.takes, agg)
        by = agg.role("by")
        self._arguments = f"{self._source.add([by])[0]}, {what}" if by is not None else what
        self.many = self._many()

    def _what(self, takes: str, agg: Node) -> str:
        match takes:
            case "ts":
                return "r[0]"
            case "ts_x":
                return f"(r[0], {self._role(agg, 'x', None)})"
            case "key_row":
                return f"({self._role(agg, 'distinct', NO_KEY)}, r)"
            case _:
                return self._role(agg, "x", None)

    def _role(self, agg: Node, name: str, default: object) -> str:
        node = agg.role(name)
        return self._source.add([node])[0] if node is not None else self._source.bind(default, "c")

    def _many(self) -> Callable[[Sequence[EventRow], int, Mapping[str, Any]], list[Any]]:
        one = f"({self._arguments})" if self._grouped else self._arguments
        if not self._source.lines:
            return self._source.function("rows, t, q", f"[{one} for r in rows]")
        function = self._source.function("r, t, q", one)
        return lambda rows, t, q: [function(row, t, q) for row in rows]

    def bind(self, push: Callable[..., None]) -> Callable[[EventRow], None]:
        """Return the function that gives a row to PUSH; only where nothing waits for the query."""
        assert not self._source.lines, "a part waits for the query"
        return self._source.calling("r", push, self._arguments)


class Items:
    """The items of a sequence: each a list over the rows that the state kept."""

    def __init__(self, agg: Node, places: Mapping[Node, int]) -> None:
        self.lists = []
        # A field is never out of range; an age may be.
        self._computed = [n for n, node in agg.items if node.op not in (Op.FIELD, Op.TS, Op.EVENT_NAME)]
        for name, node in agg.items:
            source = row_source([node], places)
            (text,) = source.add([node])
            if source.lines:
                one, source = source.function("r, t, q", text), Source({})
                text = f"{source.bind(one)}(r, t, q)"
            self.lists.append((name, source.function("rows, t, q", f"[{text} for r in rows]")))

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
    def size(self) -> int:
        """Return about how many values are held."""
        return int(self._state.size)

    def value(self, t: int) -> Any:
        """Return {item: list}, oldest to newest, or OVERFLOW."""
        rows = self._state.value(t)
        return OVERFLOW if rows is OVERFLOW else self._items.read(rows, t, self._q)
