"""count(): rows; count(x): rows whose x is not null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from featuregraph.aggregates import codec
from featuregraph.aggregates.algebra import Aggregate, State, kept
from featuregraph.scalar import OVERFLOW


class RowCount(State):
    """How many rows."""

    __slots__ = ("n",)

    commutes: ClassVar[bool] = True

    def __init__(self, config: Count) -> None:
        super().__init__(config)
        self.n = 0

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        self.n += 1

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        self.n -= 1

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        self.n += right.n

    def value(self, t: int) -> Any:
        """Return the number of rows."""
        return OVERFLOW if self.bad else self.n

    def parts(self) -> list[Any]:
        """Return [bad, n]."""
        return [self.bad, self.n]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        self.bad, self.n = codec.parts_of(parts, codec.count, codec.count)


class ValueCount(RowCount):
    """How many rows with an x."""

    __slots__ = ()

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is OVERFLOW:
            self.bad += 1
        elif x is not None:
            self.n += 1

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is OVERFLOW:
            self.bad -= 1
        elif x is not None:
            self.n -= 1


@dataclass(frozen=True, slots=True)
class Count(Aggregate):
    """Number of rows; with x, of rows whose x is not null."""

    name: ClassVar[str] = "count"

    @property
    def empty(self) -> int:
        """Return 0."""
        return 0

    def zero(self, *, forgets: bool = True) -> RowCount:
        """Return the state of no rows."""
        return RowCount(self) if self.x is None else ValueCount(self)

    def of(self, xs: Sequence[Any], t: int) -> Any:
        """Return the number of rows in XS."""
        counted = xs if self.x is None else kept(xs)
        return OVERFLOW if any(x is OVERFLOW for x in counted) else len(counted)
