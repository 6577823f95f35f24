"""quantile(x, q): nearest rank, sorted[ceil(q * n) - 1], with q exactly the decimal it is written as."""

from __future__ import annotations

import sys
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import merge
from typing import Any, ClassVar, Self

from featuregraph.aggregates import codec
from featuregraph.aggregates.algebra import Aggregate, State, kept
from featuregraph.aggregates.weight import weigh
from featuregraph.scalar import OVERFLOW
from featuregraph.types import AnyType


class Ordered(State):
    """All x in ascending order."""

    __slots__ = ("xs",)

    commutes: ClassVar[bool] = True

    def __init__(self, config: Quantile) -> None:
        super().__init__(config)
        self.xs: list[Any] = []

    @property
    def weight(self) -> int:
        """Return about how many bytes of memory the state holds."""
        return super().weight + sys.getsizeof(self.xs) + weigh(self.xs)

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
        else:
            insort(self.xs, x)

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad -= 1
        else:
            del self.xs[bisect_left(self.xs, x)]

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        self.xs = list(merge(self.xs, right.xs))

    def value(self, t: int) -> Any:
        """Return the x of the nearest rank."""
        if self.bad:
            return OVERFLOW
        return self.xs[self.config.rank(len(self.xs))] if self.xs else None

    def parts(self) -> list[Any]:
        """Return [bad, xs]."""
        return [self.bad, self.xs]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        self.bad, self.xs = codec.parts_of(parts, codec.count, codec.listed(codec.value_of(self.config.x)))
        codec.ascending(self.xs)


@dataclass(frozen=True, slots=True)
class Quantile(Aggregate):
    """The x of rank ceil(q * n), counted from 1; q is a decimal as text, 0 < q <= 1."""

    q: str = "0.5"
    _share: tuple[int, int] = field(init=False, repr=False, compare=False)  # q as numerator and denominator

    name: ClassVar[str] = "quantile"

    def __post_init__(self) -> None:
        object.__setattr__(self, "_share", Fraction(self.q).as_integer_ratio())

    @property
    def result(self) -> AnyType:
        """Return x's own type."""
        assert self.x is not None
        return self.x

    def rank(self, n: int) -> int:
        """Return the index, from 0, of the nearest rank among N values."""
        numerator, denominator = self._share
        return (numerator * n - 1) // denominator

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return Ordered(self)

    def of(self, xs: Sequence[Any], t: int) -> Any:
        """Return the x of the nearest rank in XS."""
        known = kept(xs)
        try:
            known.sort()
        except TypeError:
            return OVERFLOW
        return known[self.rank(len(known))] if known else None
