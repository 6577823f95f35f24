"""Any aggregate by group: one state per group that holds a row.

Groups stand in the order of their latest rows: a push takes its group out and puts it in again, at the end.
Popping the earliest row never changes that order: a group whose latest row leaves is gone.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any, ClassVar, Self

from featuregraph.aggregates import codec
from featuregraph.aggregates.algebra import Aggregate, State
from featuregraph.aggregates.counts import Count
from featuregraph.aggregates.weight import weigh
from featuregraph.scalar import OVERFLOW
from featuregraph.types import MapType, Type

_value = itemgetter(0)
_FEW = 8  # groups that are weighed for all


class Groups(ABC):
    """What a grouped aggregate remembers; made by `Grouped.zero`.

    The laws of the algebra hold, with (group, x) for x. A row whose group is null is no row of it. While a
    row whose group is OVERFLOW is held, every answer is OVERFLOW: it might belong to any group.
    """

    __slots__ = ("bad", "config", "empty")

    commutes: ClassVar[bool] = False  # groups stand in the order of their latest rows

    def __init__(self, config: Grouped) -> None:
        self.config = config
        self.bad = 0  # rows held whose group is OVERFLOW
        self.empty = config.aggregate.empty

    @abstractmethod
    def push(self, group: Any, x: Any) -> None:
        """Append a row, later than all held."""

    def extend(self, rows: Iterable[tuple[Any, Any]]) -> None:
        """Append ROWS, each a group and its x, in total order, later than all held."""
        push = self.push
        for group, x in rows:
            push(group, x)

    @abstractmethod
    def pop(self, group: Any, x: Any) -> None:
        """Forget the earliest row held; group and x are what was pushed for it."""

    @abstractmethod
    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""

    @abstractmethod
    def groups(self) -> Iterator[Any]:
        """Return the groups, that of the latest row first."""

    @abstractmethod
    def held(self) -> Container[Any]:
        """Return the table of the groups that hold a row."""

    @abstractmethod
    def at(self, group: Any, t: int) -> Any:
        """Return the value of a group at T, the empty value if it holds no row."""

    @property
    @abstractmethod
    def weight(self) -> int:
        """Return about how many bytes of memory the state holds."""

    @abstractmethod
    def parts(self) -> list[Any]:
        """Return what the state holds as plain values, the count of OVERFLOW groups first."""

    @abstractmethod
    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS; raise ValueError if none gives them."""

    def value(self, t: int) -> Any:
        """Return {group: value at T}, groups ascending."""
        if self.bad:
            return OVERFLOW
        found = {group: self.at(group, t) for group in sorted(self.groups())}
        return OVERFLOW if any(value is OVERFLOW for value in found.values()) else found

    def lookup(self, group: Any, t: int) -> Any:
        """Return the value of one group at T, the empty value if it is null or holds no row."""
        if group is None:
            return self.empty
        if self.bad or group is OVERFLOW:
            return OVERFLOW
        return self.at(group, t)

    def lookups(self, groups: list[Any], t: int) -> list[Any]:
        """Return `lookup` of each of GROUPS, most of which hold no row."""
        if self.bad:
            return [self.lookup(group, t) for group in groups]
        held, empty, at = self.held(), self.empty, self.at
        # A null group and OVERFLOW are in no table of groups.
        return [
            at(group, t) if group in held else OVERFLOW if group is OVERFLOW else empty for group in groups
        ]

    def top(self, k: int, t: int) -> Any:
        """Return the K groups with the largest values at T, nulls left out, ties by the latest row first."""
        if self.bad:
            return OVERFLOW
        pairs = [(value, group) for group in self.groups() if (value := self.at(group, t)) is not None]
        if any(value is OVERFLOW for value, _ in pairs):
            return OVERFLOW
        return [group for _, group in sorted(pairs, key=_value, reverse=True)[:k]]  # stable, as ties ask for

    def label(self) -> str:
        """Return the name under which the state is encoded."""
        return str(self.config)

    def encode(self) -> bytes:
        """Return canonical bytes of the state."""
        return codec.pack(self.label(), self.parts())


class Cell:
    """The rows of one group."""

    __slots__ = ("n", "state")

    def __init__(self, state: State) -> None:
        self.n = 0
        self.state = state


class GroupedStates(Groups):
    """A state, and the number of its rows, per group."""

    __slots__ = ("cells", "forgets")

    def __init__(self, config: Grouped, *, forgets: bool) -> None:
        super().__init__(config)
        self.forgets = forgets
        self.cells: dict[Any, Cell] = {}

    def label(self) -> str:
        """Return the name under which the state is encoded."""
        return f"{self._cell().state.label()} by {self.config.by}"

    def _cell(self) -> Cell:
        return Cell(self.config.aggregate.zero(forgets=self.forgets))

    @property
    def weight(self) -> int:
        """Return about how many bytes of memory the state holds."""
        few = list(islice(self.cells.values(), _FEW))
        inner = sum(sys.getsizeof(cell) + cell.state.weight for cell in few)
        table = sys.getsizeof(self.cells) + weigh(self.cells)
        return sys.getsizeof(self) + table + inner * len(self.cells) // max(1, len(few))

    def push(self, group: Any, x: Any) -> None:
        """Append a row, later than all held."""
        if group is None:
            return
        if group is OVERFLOW:
            self.bad += 1
            return
        cells = self.cells
        cell = cells.pop(group, None)
        if cell is None:
            cell = self._cell()
        cells[group] = cell
        cell.n += 1
        cell.state.push(x)

    def pop(self, group: Any, x: Any) -> None:
        """Forget the earliest row held."""
        if group is None:
            return
        if group is OVERFLOW:
            self.bad -= 1
            return
        cell = self.cells[group]
        cell.state.pop(x)
        cell.n -= 1
        if not cell.n:
            del self.cells[group]

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        for group, later in right.cells.items():
            cell = self.cells.pop(group, None) or self._cell()
            cell.state.join(later.state)
            cell.n += later.n
            self.cells[group] = cell

    def groups(self) -> Iterator[Any]:
        """Return the groups, that of the latest row first."""
        yield from reversed(self.cells)

    def held(self) -> Container[Any]:
        """Return the table of the groups that hold a row."""
        return self.cells

    def at(self, group: Any, t: int) -> Any:
        """Return the value of a group at T, the empty value if it holds no row."""
        cell = self.cells.get(group)
        return self.empty if cell is None else cell.state.value(t)

    def parts(self) -> list[Any]:
        """Return [bad, [[group, rows, parts of its state], ...] in the order of latest rows]."""
        return [self.bad, [[group, cell.n, cell.state.parts()] for group, cell in self.cells.items()]]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        entry = codec.tupled(codec.value_of(self.config.by), codec.positive, _unchecked)
        self.bad, entries = codec.parts_of(parts, codec.count, codec.listed(entry))
        self.cells = {}
        for group, n, inner in entries:
            cell = self.cells[group] = self._cell()
            cell.n = n
            cell.state.restore(inner)
        if len(self.cells) < len(entries):
            raise codec.bad("each group once", entries)


def _unchecked(found: object) -> object:
    """Return a part that the state of a group checks."""
    return found


class GroupedCount(Groups):
    """How many rows each group holds: count() by group, without a state per group."""

    __slots__ = ("counts",)

    def __init__(self, config: Grouped) -> None:
        super().__init__(config)
        self.counts: dict[Any, int] = {}

    @property
    def weight(self) -> int:
        """Return about how many bytes of memory the state holds."""
        return sys.getsizeof(self) + sys.getsizeof(self.counts) + weigh(self.counts)

    def push(self, group: Any, x: Any) -> None:
        """Append a row, later than all held."""
        if group is None:
            return
        if group is OVERFLOW:
            self.bad += 1
            return
        counts = self.counts
        counts[group] = counts.pop(group, 0) + 1

    def pop(self, group: Any, x: Any) -> None:
        """Forget the earliest row held."""
        if group is None:
            return
        if group is OVERFLOW:
            self.bad -= 1
            return
        left = self.counts[group] - 1
        if left:
            self.counts[group] = left
        else:
            del self.counts[group]

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        for group, n in right.counts.items():
            self.counts[group] = self.counts.pop(group, 0) + n

    def groups(self) -> Iterator[Any]:
        """Return the groups, that of the latest row first."""
        yield from reversed(self.counts)

    def held(self) -> Container[Any]:
        """Return the table of the groups that hold a row."""
        return self.counts

    def at(self, group: Any, t: int) -> Any:
        """Return the number of rows of a group."""
        return self.counts.get(group, 0)

    def parts(self) -> list[Any]:
        """Return [bad, [[group, rows], ...] in the order of latest rows]."""
        return [self.bad, [[group, n] for group, n in self.counts.items()]]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        entry = codec.tupled(codec.value_of(self.config.by), codec.positive)
        self.bad, entries = codec.parts_of(parts, codec.count, codec.listed(entry))
        self.counts = dict(entries)
        if len(self.counts) < len(entries):
            raise codec.bad("each group once", entries)


@dataclass(frozen=True, slots=True)
class Grouped:
    """An aggregate per group; BY is the type of the groups."""

    aggregate: Aggregate
    by: Type

    @property
    def name(self) -> str:
        """Return the aggregate's name."""
        return self.aggregate.name

    @property
    def takes(self) -> str:
        """Return what is pushed beside the group."""
        return self.aggregate.takes

    @property
    def invertible(self) -> bool:
        """Tell whether states have a pop."""
        return self.aggregate.invertible

    @property
    def result(self) -> MapType:
        """Return the map from group to value."""
        value = self.aggregate.result
        assert isinstance(value, Type)
        return MapType(self.by, value)

    @property
    def empty(self) -> dict[Any, Any]:
        """Return the value of no rows."""
        return {}

    def zero(self, *, forgets: bool = True) -> Groups:
        """Return the state of no rows; forgets=False promises that it is never popped."""
        if isinstance(self.aggregate, Count) and self.aggregate.x is None:
            return GroupedCount(self)
        return GroupedStates(self, forgets=forgets)

    def fold(self, pairs: Iterable[tuple[Any, Any]], *, forgets: bool = True) -> Groups:
        """Return the state of the rows (group, x), oldest first."""
        state = self.zero(forgets=forgets)
        state.extend(pairs)
        return state

    def of(self, pairs: Iterable[tuple[Any, Any]], t: int) -> Any:
        """Return the map of the rows (group, x), oldest first, at query time T."""
        return self.fold(pairs, forgets=False).value(t)

    def decode(self, data: bytes, *, forgets: bool = True) -> Groups:
        """Return the state that encoded to DATA; raise ValueError if there is none of this aggregate."""
        state = self.zero(forgets=forgets)
        state.restore(codec.unpack(state.label(), data))
        return state

    def __str__(self) -> str:
        return f"{self.aggregate} by {self.by}"
