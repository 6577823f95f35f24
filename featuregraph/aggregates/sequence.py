"""sequence(n, distinct): the n latest rows, or the n latest of those that are the latest of their key.

A state is pushed (key, row). The row is opaque and kept by reference; whoever asks turns rows into items.
A pop reads the key alone.
Only the oldest rows ever leave, so a row that n later ones stand before can not come back: it need not be
kept.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Self

from featuregraph.aggregates import codec
from featuregraph.aggregates.algebra import Aggregate, State, Takes
from featuregraph.aggregates.weight import weigh
from featuregraph.scalar import OVERFLOW
from featuregraph.types import RecordType, Type

NO_KEY = False  # what stands for the key of a row in a sequence without distinct


class LatestRows(State):
    """The n latest rows, and how many there are in all."""

    __slots__ = ("rows", "total")

    def __init__(self, config: Sequence) -> None:
        super().__init__(config)
        self.total = 0
        self.rows: deque[Any] = deque(maxlen=config.n)

    @property
    def weight(self) -> int:
        """Return about how many bytes of memory the state holds."""
        return super().weight + sys.getsizeof(self.rows) + weigh(self.rows)

    def push(self, x: Any) -> None:
        """Append (key, row); the key counts for nothing."""
        if x is None:
            return
        if x is OVERFLOW or x[0] is OVERFLOW:
            self.bad += 1
            return
        self.total += 1
        self.rows.append(x[1])

    def extend_rows(self, rows: Rows[Any]) -> None:
        """Append ROWS, whose keys count for nothing, in total order, later than all held."""
        self.total += len(rows)
        self.rows.extend(rows)

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW or x[0] is OVERFLOW:
            self.bad -= 1
            return
        if self.total == len(self.rows):
            self.rows.popleft()
        self.total -= 1

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        self.total += right.total
        self.rows.extend(right.rows)

    def value(self, t: int) -> Any:
        """Return the rows, oldest first."""
        return OVERFLOW if self.bad else list(self.rows)

    def replace(self, change: Callable[[Any], Any]) -> None:
        """Hold what CHANGE makes of each row in its place."""
        self.rows = deque(map(change, self.rows), self.config.n)

    def parts(self) -> list[Any]:
        """Return [bad, total, rows]."""
        return [self.bad, self.total, [codec.rowly(row) for row in self.rows]]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        self.bad, self.total, rows = codec.parts_of(parts, codec.count, codec.count, codec.listed(codec.row))
        if len(rows) != min(self.total, self.config.n):
            raise codec.bad(f"the latest {self.config.n} of {self.total} rows", rows)
        self.rows = deque(rows, self.config.n)


class LatestPerKey(State):
    """The latest row of each key, in total order, as key -> (number of the row, row).

    Rows are numbered as they are pushed. `gone` is the number of the earliest row held, so that a pop knows
    by the number whether the row that leaves is the one kept for its key. At most 2 * n keys are kept:
    cutting down to n once there are more costs a constant per push.
    """

    __slots__ = ("come", "gone", "latest")

    def __init__(self, config: Sequence) -> None:
        super().__init__(config)
        self.come = 0
        self.gone = 0
        self.latest: dict[Any, tuple[int, Any]] = {}

    @property
    def weight(self) -> int:
        """Return about how many bytes of memory the state holds."""
        held = weigh(self.latest) + weigh(self.latest.values())
        return super().weight + sys.getsizeof(self.latest) + held

    def push(self, x: Any) -> None:
        """Append (key, row); a row without a key is left out."""
        if x is None:
            return
        if x is OVERFLOW or x[0] is OVERFLOW:
            self.bad += 1
            return
        key, row = x
        if key is None:
            return
        latest = self.latest
        latest.pop(key, None)
        latest[key] = self.come, row
        self.come += 1
        if len(latest) > 2 * self.config.n:
            self.latest = dict(self._shown())

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW or x[0] is OVERFLOW:
            self.bad -= 1
            return
        key = x[0]
        if key is None:
            return
        kept = self.latest.get(key)
        if kept is not None and kept[0] == self.gone:
            del self.latest[key]
        self.gone += 1

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        shift = self.come - right.gone
        for key, (number, row) in right.latest.items():
            self.latest.pop(key, None)
            self.latest[key] = number + shift, row
        self.come += right.come - right.gone
        self.latest = dict(self._shown())

    def _shown(self) -> list[tuple[Any, tuple[int, Any]]]:
        """Return the n latest entries, oldest first."""
        return list(islice(reversed(self.latest.items()), self.config.n))[::-1]

    def value(self, t: int) -> Any:
        """Return the rows, oldest first."""
        if self.bad:
            return OVERFLOW
        rows = [row for _, row in islice(reversed(self.latest.values()), self.config.n)]
        rows.reverse()
        return rows

    def replace(self, change: Callable[[Any], Any]) -> None:
        """Hold what CHANGE makes of each row in its place."""
        self.latest = {key: (number, change(row)) for key, (number, row) in self.latest.items()}

    def parts(self) -> list[Any]:
        """Return [bad, rows held, [[key, number from the earliest row held, row], ...]]."""
        shown = [[key, number - self.gone, codec.rowly(row)] for key, (number, row) in self._shown()]
        return [self.bad, self.come - self.gone, shown]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        entry = codec.tupled(codec.value_of(self.config.distinct), codec.count, codec.row)
        self.bad, self.come, shown = codec.parts_of(parts, codec.count, codec.count, codec.listed(entry))
        self.gone = 0
        self.latest = {key: (number, row) for key, number, row in shown}
        numbers = [number for _, number, _ in shown]
        codec.ascending(numbers, strictly=True)
        if self.come != (numbers[-1] + 1 if numbers else 0):
            raise codec.bad(f"the latest of {self.come} rows", shown)
        if len(self.latest) < len(shown) or len(shown) > self.config.n:
            raise codec.bad(f"at most {self.config.n} keys, each once", shown)


@dataclass(frozen=True, slots=True)
class Sequence(Aggregate):
    """The n latest rows, oldest first; with distinct, only the latest of each key, none without a key."""

    n: int = 1
    distinct: Type | None = None
    items: tuple[tuple[str, Type], ...] = ()

    name: ClassVar[str] = "sequence"
    takes: ClassVar[Takes] = "key_row"

    @property
    def result(self) -> RecordType:
        """Return the record of the items."""
        return RecordType(self.items)

    @property
    def empty(self) -> list[Any]:
        """Return no rows."""
        return []

    def __str__(self) -> str:
        return f"{self.name}({self.n}, {self.distinct})"  # the items are no part of a state

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return LatestRows(self) if self.distinct is None else LatestPerKey(self)

    def of(self, xs: Rows[Any], t: int) -> Any:
        """Return the latest rows of XS."""
        if any(x is OVERFLOW or (x is not None and x[0] is OVERFLOW) for x in xs):
            return OVERFLOW
        found: dict[Any, Any] = {}
        for position, x in enumerate(reversed(xs)):
            if x is None or (self.distinct is not None and x[0] is None):
                continue
            found.setdefault(position if self.distinct is None else x[0], x[1])
            if len(found) == self.n:
                break
        return list(found.values())[::-1]
