"""distinct(x) and topk(x, k): from how often each x occurs among the rows held."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, ClassVar, Self

from featuregraph.aggregates import codec
from featuregraph.aggregates.algebra import Aggregate, State, kept
from featuregraph.aggregates.weight import weigh
from featuregraph.scalar import OVERFLOW
from featuregraph.types import AnyType, ListType

_count = itemgetter(1)


class Occurrences(State):
    """How often each x occurs."""

    __slots__ = ("counts",)

    commutes: ClassVar[bool] = True

    def __init__(self, config: Aggregate) -> None:
        super().__init__(config)
        self.counts: dict[Any, int] = {}

    @property
    def weight(self) -> int:
        """Return about how many bytes of memory the state holds."""
        return super().weight + sys.getsizeof(self.counts) + weigh(self.counts)

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
            return
        counts = self.counts
        counts[x] = counts.get(x, 0) + 1

    def extend(self, xs: Sequence[Any]) -> None:
        """Append the rows XS, in total order, later than all held."""
        counts = self.counts
        get = counts.get
        for x in xs:
            counts[x] = get(x, 0) + 1
        self._take_out()

    def _take_out(self) -> None:
        """Count what is no value where it belongs."""
        self.counts.pop(None, 0)
        self.bad += self.counts.pop(OVERFLOW, 0)

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad -= 1
            return
        counts = self.counts
        left = counts[x] - 1
        if left:
            counts[x] = left
        else:
            del counts[x]

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        counts = self.counts
        for x, n in right.counts.items():
            counts[x] = counts.get(x, 0) + n

    def value(self, t: int) -> Any:
        """Return how many different x there are."""
        return OVERFLOW if self.bad else len(self.counts)

    def parts(self) -> list[Any]:
        """Return [bad, [[x, n] in ascending x]]."""
        return [self.bad, [[x, n] for x, n in sorted(self.counts.items())]]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        pair = codec.tupled(codec.value_of(self.config.x), codec.positive)
        self.bad, pairs = codec.parts_of(parts, codec.count, codec.listed(pair))
        self.counts = dict(pairs)
        if len(self.counts) < len(pairs):
            raise codec.bad("each value once", pairs)


class Ranking(Occurrences):
    """How often each x occurs, in the order of their latest occurrences.

    A push takes x out and puts it in again, at the end. A pop never changes the order: an x whose latest
    occurrence leaves is gone.
    """

    __slots__ = ("top",)

    commutes: ClassVar[bool] = False  # a table keeps the order of latest rows

    def __init__(self, config: TopK) -> None:
        super().__init__(config)
        self.top: list[Any] | None = None  # the value, until the next change

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
            return
        self.top = None
        counts = self.counts
        counts[x] = counts.pop(x, 0) + 1

    def extend(self, xs: Sequence[Any]) -> None:
        """Append the rows XS, in total order, later than all held."""
        self.top = None
        counts = self.counts
        pop = counts.pop
        for x in xs:
            counts[x] = pop(x, 0) + 1
        self._take_out()

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad -= 1
            return
        self.top = None
        counts = self.counts
        left = counts[x] - 1
        if left:
            counts[x] = left
        else:
            del counts[x]

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.top = None
        self.bad += right.bad
        counts = self.counts
        for x, n in right.counts.items():
            counts[x] = counts.pop(x, 0) + n

    def value(self, t: int) -> Any:
        """Return the k most frequent x."""
        if self.bad:
            return OVERFLOW
        if self.top is None:
            self.top = _leaders(self.config.k, reversed(self.counts.items()))
        return self.top.copy()

    def parts(self) -> list[Any]:
        """Return [bad, [[x, n] in the order of latest occurrences]]."""
        return [self.bad, [[x, n] for x, n in self.counts.items()]]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        self.top = None
        super().restore(parts)


def _leaders(k: int, counts: Iterable[tuple[Any, int]]) -> list[Any]:
    """Return the K most frequent values; COUNTS give those that occurred latest first, so they win ties."""
    return [x for x, _ in sorted(counts, key=_count, reverse=True)[:k]]  # stable, as ties ask for


@dataclass(frozen=True, slots=True)
class Distinct(Aggregate):
    """Exact number of different x."""

    name: ClassVar[str] = "distinct"

    @property
    def empty(self) -> int:
        """Return 0."""
        return 0

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return Occurrences(self)

    def of(self, xs: Sequence[Any], t: int) -> Any:
        """Return how many different values XS holds."""
        found = set(xs)
        found.discard(None)
        return OVERFLOW if OVERFLOW in found else len(found)


@dataclass(frozen=True, slots=True)
class TopK(Aggregate):
    """The k most frequent x; of equally frequent ones, those that occurred latest."""

    k: int = 1

    name: ClassVar[str] = "topk"

    @property
    def result(self) -> AnyType:
        """Return a list of x's type."""
        assert self.x is not None
        return ListType(self.x)

    @property
    def empty(self) -> list[Any]:
        """Return no values."""
        return []

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return Ranking(self)

    def of(self, xs: Sequence[Any], t: int) -> Any:
        """Return the most frequent values of XS."""
        counts = Counter(reversed(kept(xs)))  # in the order of latest occurrences, latest first
        return OVERFLOW if OVERFLOW in counts else _leaders(self.k, counts.items())
