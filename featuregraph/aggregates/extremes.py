"""min(x) and max(x): of a sliding window in amortised constant time.

The sliding state keeps, oldest first, the x that no later x beats: for min they ascend, so the first is the
value. Of equal x all are kept: then the earliest row held is the first one kept if and only if its x equals
it, and a pop needs no row numbers. Text compares by code point, which is the order of its UTF-8 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from featuregraph.aggregates import codec
from featuregraph.aggregates.algebra import Aggregate, State, kept
from featuregraph.aggregates.held import EndlessOne, Queue
from featuregraph.scalar import OVERFLOW
from featuregraph.types import AnyType


class SlidingMin(Queue):
    """The x that no later x is below."""

    __slots__ = ()

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
            return
        queue = self.queue
        while queue and queue[-1] > x:
            queue.pop()
        queue.append(x)

    def extend(self, xs: Sequence[Any]) -> None:
        """Append the rows XS, in total order, later than all held."""
        if not xs:
            return
        least, kept = xs[-1], []
        try:
            for x in reversed(xs):
                if x <= least:
                    least = x
                    kept.append(x)
        except TypeError:  # a null or an OVERFLOW, even against itself
            super().extend(xs)
            return
        queue = self.queue
        while queue and queue[-1] > least:
            queue.pop()
        queue.extend(reversed(kept))

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad -= 1
        elif self.queue[0] == x:
            self.queue.popleft()

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        if right.queue:
            queue, least = self.queue, right.queue[0]
            while queue and queue[-1] > least:
                queue.pop()
            queue.extend(right.queue)

    def check(self, queue: list[Any]) -> None:
        """Raise ValueError unless rows give QUEUE."""
        codec.ascending(queue)


class SlidingMax(SlidingMin):
    """The x that no later x is above."""

    __slots__ = ()

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
            return
        queue = self.queue
        while queue and queue[-1] < x:
            queue.pop()
        queue.append(x)

    def extend(self, xs: Sequence[Any]) -> None:
        """Append the rows XS, in total order, later than all held."""
        if not xs:
            return
        most, kept = xs[-1], []
        try:
            for x in reversed(xs):
                if x >= most:
                    most = x
                    kept.append(x)
        except TypeError:  # a null or an OVERFLOW, even against itself
            super().extend(xs)
            return
        queue = self.queue
        while queue and queue[-1] < most:
            queue.pop()
        queue.extend(reversed(kept))

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        if right.queue:
            queue, most = self.queue, right.queue[0]
            while queue and queue[-1] < most:
                queue.pop()
            queue.extend(right.queue)

    def check(self, queue: list[Any]) -> None:
        """Raise ValueError unless rows give QUEUE."""
        codec.ascending(queue[::-1])


class EndlessMin(EndlessOne):
    """The least x of rows that are never forgotten."""

    __slots__ = ()

    commutes: ClassVar[bool] = True

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
        elif self.x is None or x < self.x:
            self.x = x


class EndlessMax(EndlessMin):
    """The greatest x of rows that are never forgotten."""

    __slots__ = ()

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
        elif self.x is None or x > self.x:
            self.x = x


@dataclass(frozen=True, slots=True)
class Min(Aggregate):
    """Smallest x; text by UTF-8 bytes, false before true."""

    name: ClassVar[str] = "min"

    @property
    def result(self) -> AnyType:
        """Return x's own type."""
        assert self.x is not None
        return self.x

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return SlidingMin(self) if forgets else EndlessMin(self)

    def of(self, xs: Sequence[Any], t: int) -> Any:
        """Return the smallest of XS."""
        try:
            return min(xs, default=None)
        except TypeError:  # there is a null or an OVERFLOW
            known = kept(xs)
            return self.of(known, t) if len(known) < len(xs) else OVERFLOW


@dataclass(frozen=True, slots=True)
class Max(Min):
    """Largest x; text by UTF-8 bytes, false before true."""

    name: ClassVar[str] = "max"

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return SlidingMax(self) if forgets else EndlessMax(self)

    def of(self, xs: Sequence[Any], t: int) -> Any:
        """Return the largest of XS."""
        try:
            return max(xs, default=None)
        except TypeError:  # there is a null or an OVERFLOW
            known = kept(xs)
            return self.of(known, t) if len(known) < len(xs) else OVERFLOW
