"""Aggregates bound to the rows of a track: what to take from a row, and what to read from the state.

A `CellKernel` is made once per cell and layout. `fold(rows, t, q)` computes a state from rows at hand (naive, fused,
cached); `running()` gives a state that rows enter and leave (incremental). Both give the same readable thing:
`value(t)`, and for groups `lookup(key, t)` and `top(k, t)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from featuregraph.aggregates import NO_KEY, Grouped, aggregate_for
from featuregraph.ir import Node, Op
from featuregraph.layout import FIRST_SLOT, Cell, Track, is_static, static_parts
from featuregraph.scalar import OVERFLOW
from stream.decode import TrackRow, row_function

if TYPE_CHECKING:
    from stream.state import RunningSpan

Get = Callable[[TrackRow, int, Mapping[str, Any]], Any]


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

    def lookup(self, key: Any, t: int) -> Any:
        """Return the value, which is that of every group."""
        return self._value

    def top(self, k: int, t: int) -> Any:
        """Return the value."""
        return self._value


BROKEN = Fixed(OVERFLOW)


class Running:
    """One state that rows enter and leave; push and pop are None where the window alone says the value."""

    __slots__ = ("pop", "push", "readable")

    def __init__(
        self,
        readable: Callable[[RunningSpan], Any],
        push: Callable[[TrackRow], None] | None = None,
        pop: Callable[[TrackRow], None] | None = None,
    ) -> None:
        self.readable = readable
        self.push = push
        self.pop = pop


class CellKernel:
    """One aggregate with everything about its rows resolved."""

    def __init__(self, cell: Cell, track: Track) -> None:
        agg = cell.agg
        self.scanned = cell.scanned
        self.aggregate = aggregate_for(agg)
        slots = {node: FIRST_SLOT + i for i, node in enumerate(track.slots)}
        self._where = self._late_filter(agg, track, slots)
        self._last: int | None = agg["last"] if self._where is not None else None
        self._grouped = isinstance(self.aggregate, Grouped)
        self._by = _part(agg.role("by"), slots)
        self._what = _Rows(agg, slots) if agg["agg"] == "sequence" else _part_taken(self.aggregate, agg, slots)
        self._plain_count = agg["agg"] == "count" and agg.role("x") is None and not self._grouped

    @staticmethod
    def _late_filter(agg: Node, track: Track, slots: Mapping[Node, int]) -> Get | None:
        where = agg.role("where")
        return row_function(where, slots) if where is not None and track.where is not where else None

    # ---- from rows at hand

    def fold(self, rows: Sequence[TrackRow], t: int, q: Mapping[str, Any]) -> Readable:
        """Return the readable state of ROWS, a span's rows in total order, at T with the request values Q."""
        if self._where is not None:
            where = self._where
            verdicts = [where(row, t, q) for row in rows]
            if any(v is OVERFLOW for v in verdicts):
                return BROKEN
            rows = [row for row, verdict in zip(rows, verdicts, strict=True) if verdict is True]
            if self._last is not None:
                rows = rows[-self._last :]
        if self._plain_count:
            return Fixed(len(rows))
        what = self._what
        if isinstance(what, _Rows):
            return what.read(self.aggregate.fold([what.keyed(row, t, q) for row in rows], forgets=False), q)
        if self._grouped:
            by = self._by
            assert by is not None
            return self.aggregate.fold([(by(row, t, q), what(row, t, q)) for row in rows], forgets=False)
        return Fixed(self.aggregate.of([what(row, t, q) for row in rows], t))

    # ---- entering and leaving

    def running(self) -> Running:
        """Return a new running state; only for cells that are not scanned."""
        if self._plain_count:
            return Running(lambda span: _RowCount(span))
        what, nothing = self._what, {}
        if isinstance(what, _Rows):
            state = self.aggregate.zero()
            reader = what.read(state, nothing)
            push, pop, keyed = state.push, state.pop, what.keyed
            return Running(lambda span: reader, lambda r: push(keyed(r, 0, nothing)), lambda r: pop(keyed(r, 0, nothing)))
        if self._grouped:
            groups, by = self.aggregate.zero(), self._by
            push, pop = groups.push, groups.pop
            return Running(
                lambda span: groups,
                lambda r: push(by(r, 0, nothing), what(r, 0, nothing)),
                lambda r: pop(by(r, 0, nothing), what(r, 0, nothing)),
            )
        state = self.aggregate.zero()
        push, pop = state.push, state.pop
        return Running(lambda span: state, lambda r: push(what(r, 0, nothing)), lambda r: pop(what(r, 0, nothing)))


class _RowCount:
    """count() of a running window: its length."""

    __slots__ = ("_span",)

    def __init__(self, span: RunningSpan) -> None:
        self._span = span

    def value(self, t: int) -> int:
        """Return the number of rows in the window."""
        return self._span.end - self._span.start


class _Rows:
    """A sequence: keeps whole rows, and makes its items of them when it is read."""

    def __init__(self, agg: Node, slots: Mapping[Node, int]) -> None:
        distinct = agg.role("distinct")
        self._key = None if distinct is None else _part(distinct, slots)
        self.items = [(name, _part(node, slots), slots.get(node), node.op is Op.AGE) for name, node in agg.items]
        self.still = all(is_static(node) for _, node in agg.items)

    def keyed(self, row: TrackRow, t: int, q: Mapping[str, Any]) -> tuple[Any, TrackRow]:
        """Return (distinct key, row)."""
        return (NO_KEY if self._key is None else self._key(row, t, q)), row

    def read(self, state: Any, q: Mapping[str, Any]) -> Sequence_:
        """Return what reads STATE's rows as aligned lists."""
        return Sequence_(self, state, q)


class Sequence_:
    """The aligned lists of a sequence's state."""

    __slots__ = ("_q", "_rows", "_state")

    def __init__(self, rows: _Rows, state: Any, q: Mapping[str, Any]) -> None:
        self._rows = rows
        self._state = state
        self._q = q

    def value(self, t: int) -> Any:
        """Return {item: list}, oldest to newest, or OVERFLOW."""
        rows = self._state.value(t)
        if rows is OVERFLOW:
            return OVERFLOW
        made: dict[str, list[Any]] = {}
        for name, get, slot, is_age in self._rows.items:
            if slot is not None:
                made[name] = [row[slot] for row in rows]
            elif is_age:
                made[name] = [t - row[0] for row in rows]
            else:
                made[name] = [get(row, t, self._q) for row in rows]
            if OVERFLOW in made[name]:
                return OVERFLOW
        return made


def _part_taken(aggregate: Any, agg: Node, slots: Mapping[Node, int]) -> Get:
    """Return what one row gives to a state that takes x, a time, or both."""
    x = _part(agg.role("x"), slots)
    match aggregate.takes:
        case "ts":
            return lambda row, t, q: row[0]
        case "ts_x":
            assert x is not None
            return lambda row, t, q: (row[0], x(row, t, q))
        case _:
            return x or (lambda row, t, q: True)


def _part(node: Node | None, slots: Mapping[Node, int]) -> Any:
    """Return the function from a row to NODE's value; None for no node."""
    if node is None:
        return None
    if node in slots:
        slot = slots[node]
        return lambda row, t, q: row[slot]
    return row_function(node, {part: slots[part] for part in static_parts(node)})
