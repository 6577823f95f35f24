"""first(x), last(x), since_first() and since_last(): the two ends of the rows held.

The latest x is known for as long as any row is held: one value and a count. The earliest one is not, once
rows are forgotten: then all x wait in a queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from featuregraph.aggregates import codec
from featuregraph.aggregates.algebra import Aggregate, State, Takes, in_int64, kept
from featuregraph.aggregates.held import EndlessOne, Queue
from featuregraph.scalar import OVERFLOW
from featuregraph.types import INT64, Type


class Latest(State):
    """The latest x, and how many there are."""

    __slots__ = ("n", "x")

    def __init__(self, config: End) -> None:
        super().__init__(config)
        self.n = 0
        self.x: Any = None

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
            return
        self.n += 1
        self.x = x

    def extend(self, xs: Sequence[Any]) -> None:
        """Append the rows XS, in total order, later than all held."""
        known = [x for x in xs if x is not None and x is not OVERFLOW]
        if len(known) < len(xs):
            self.bad += sum(x is OVERFLOW for x in xs)
        if known:
            self.n += len(known)
            self.x = known[-1]

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad -= 1
            return
        self.n -= 1
        if not self.n:
            self.x = None

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        if right.n:
            self.n += right.n
            self.x = right.x

    def value(self, t: int) -> Any:
        """Return the latest x."""
        return OVERFLOW if self.bad else self.x

    def parts(self) -> list[Any]:
        """Return [bad, n, x]."""
        return [self.bad, self.n, self.x]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        check = codec.optional(codec.value_of(self.config.x))
        self.bad, self.n, self.x = codec.parts_of(parts, codec.count, codec.count, check)
        if (self.n == 0) != (self.x is None):
            raise codec.bad("a value if and only if there are rows", (self.n, self.x))


class SinceLatest(Latest):
    """The ts_ms of the latest row."""

    __slots__ = ()

    def value(self, t: int) -> Any:
        """Return the ms from it to T."""
        if self.bad:
            return OVERFLOW
        return None if self.x is None else in_int64(t - self.x)


class Earliest(Queue):
    """All x, so that each can be the earliest."""

    __slots__ = ()

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
        else:
            self.queue.append(x)

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad -= 1
        else:
            self.queue.popleft()

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        self.queue.extend(right.queue)


class SinceEarliest(Earliest):
    """The ts_ms of all rows."""

    __slots__ = ()

    def value(self, t: int) -> Any:
        """Return the ms from the earliest to T."""
        if self.bad:
            return OVERFLOW
        return in_int64(t - self.queue[0]) if self.queue else None


class EndlessEarliest(EndlessOne):
    """The earliest x of rows that are never forgotten."""

    __slots__ = ()

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is OVERFLOW:
            self.bad += 1
        elif self.x is None:
            self.x = x


class EndlessSinceEarliest(EndlessEarliest):
    """The ts_ms of the earliest row, never forgotten."""

    __slots__ = ()

    def value(self, t: int) -> Any:
        """Return the ms from it to T."""
        if self.bad:
            return OVERFLOW
        return None if self.x is None else in_int64(t - self.x)


@dataclass(frozen=True, slots=True)
class End(Aggregate):
    """One end of the rows."""

    at: ClassVar[int]  # index of the row among those with an x

    @property
    def result(self) -> Type:
        """Return x's own type, int64 (ms) for since_*."""
        return INT64 if self.x is None else self.x

    def of(self, xs: Sequence[Any], t: int) -> Any:
        """Return the value of the row at the end of XS."""
        known = kept(xs)
        if OVERFLOW in known:
            return OVERFLOW
        if not known:
            return None
        return known[self.at] if self.takes == "x" else in_int64(t - known[self.at])


@dataclass(frozen=True, slots=True)
class First(End):
    """x of the earliest row that has one."""

    name: ClassVar[str] = "first"
    at: ClassVar[int] = 0

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return Earliest(self) if forgets else EndlessEarliest(self)


@dataclass(frozen=True, slots=True)
class Last(End):
    """x of the latest row that has one."""

    name: ClassVar[str] = "last"
    at: ClassVar[int] = -1

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return Latest(self)


@dataclass(frozen=True, slots=True)
class SinceFirst(End):
    """Milliseconds from the earliest row to the query."""

    name: ClassVar[str] = "since_first"
    takes: ClassVar[Takes] = "ts"
    drifts: ClassVar[bool] = True
    at: ClassVar[int] = 0

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return SinceEarliest(self) if forgets else EndlessSinceEarliest(self)


@dataclass(frozen=True, slots=True)
class SinceLast(End):
    """Milliseconds from the latest row to the query."""

    name: ClassVar[str] = "since_last"
    takes: ClassVar[Takes] = "ts"
    drifts: ClassVar[bool] = True
    at: ClassVar[int] = -1

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return SinceLatest(self)
