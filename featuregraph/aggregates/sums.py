"""sum(x) and mean(x): exact, rounded once.

int64 and decimal sums are Python integers, checked at the value: in between they may pass over the top.
float64 sums are integers on the grids of featuregraph.aggregates.grid: s on the coarse one, rest on the
fine one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from featuregraph.aggregates import codec, grid
from featuregraph.aggregates.algebra import Aggregate, State, in_int64, kept, ratio
from featuregraph.aggregates.grid import COARSE_UNIT, FINE_UNIT, HIGH, LOW, SCALE, STEPS, fine
from featuregraph.scalar import OVERFLOW
from featuregraph.types import FLOAT64, INT64, Type

_FEW = 8  # doubles that are added one by one as fast as together


class IntSum(State):
    """Sum of int64, or of decimals times 10**scale."""

    __slots__ = ("s",)

    commutes: ClassVar[bool] = True

    def __init__(self, config: Sum) -> None:
        super().__init__(config)
        self.s = 0

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
            return
        self.s += x

    def extend(self, xs: Sequence[Any]) -> None:
        """Append the rows XS, in total order, later than all held."""
        try:
            self.s += sum(xs)
        except TypeError:  # there is a null or an OVERFLOW
            super().extend(xs)

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad -= 1
            return
        self.s -= x

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        self.s += right.s

    def value(self, t: int) -> Any:
        """Return the sum, OVERFLOW outside int64."""
        return OVERFLOW if self.bad else in_int64(self.s)

    def parts(self) -> list[Any]:
        """Return [bad, s]."""
        return [self.bad, codec.widely(self.s)]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        self.bad, self.s = codec.parts_of(parts, codec.count, codec.wide)


class FloatSum(State):
    """Exact sum of doubles: s * 2**-128 + rest * 2**-1074."""

    __slots__ = ("rest", "s")

    commutes: ClassVar[bool] = True

    def __init__(self, config: Sum) -> None:
        super().__init__(config)
        self.s = 0
        self.rest = 0

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
        elif LOW <= x <= HIGH or -HIGH <= x <= -LOW:
            self.s += int(x * SCALE)
        elif x:
            self.rest += fine(x)

    def extend(self, xs: Sequence[Any]) -> None:
        """Append the rows XS, in total order, later than all held."""
        s = _total(xs)
        if s is None:
            super().extend(xs)
        else:
            self.s += s

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad -= 1
        elif LOW <= x <= HIGH or -HIGH <= x <= -LOW:
            self.s -= int(x * SCALE)
        elif x:
            self.rest -= fine(x)

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        self.s += right.s
        self.rest += right.rest

    def value(self, t: int) -> Any:
        """Return the sum rounded once, OVERFLOW outside float64."""
        if self.bad:
            return OVERFLOW
        if not self.rest:
            return ratio(self.s, COARSE_UNIT)
        return ratio((self.s << STEPS) + self.rest, FINE_UNIT)

    def parts(self) -> list[Any]:
        """Return [bad, s, rest]."""
        return [self.bad, codec.widely(self.s), codec.widely(self.rest)]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        self.bad, self.s, self.rest = codec.parts_of(parts, codec.count, codec.wide, codec.wide)


class IntMean(State):
    """Mean of integers that stand for x * unit."""

    __slots__ = ("n", "s", "unit")

    commutes: ClassVar[bool] = True

    def __init__(self, config: Mean) -> None:
        super().__init__(config)
        self.n = 0
        self.s = 0
        self.unit = unit_of(config.x)

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
            return
        self.n += 1
        self.s += x

    def extend(self, xs: Sequence[Any]) -> None:
        """Append the rows XS, in total order, later than all held."""
        try:
            self.s += sum(xs)
            self.n += len(xs)
        except TypeError:  # there is a null or an OVERFLOW
            super().extend(xs)

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad -= 1
            return
        self.n -= 1
        self.s -= x

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        self.n += right.n
        self.s += right.s

    def value(self, t: int) -> Any:
        """Return the mean rounded once."""
        if self.bad:
            return OVERFLOW
        return ratio(self.s, self.n * self.unit) if self.n else None

    def parts(self) -> list[Any]:
        """Return [bad, n, s]."""
        return [self.bad, self.n, codec.widely(self.s)]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        self.bad, self.n, self.s = codec.parts_of(parts, codec.count, codec.count, codec.wide)


class FloatMean(FloatSum):
    """Mean of doubles."""

    __slots__ = ("n",)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.n = 0

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
            return
        self.n += 1
        if LOW <= x <= HIGH or -HIGH <= x <= -LOW:
            self.s += int(x * SCALE)
        elif x:
            self.rest += fine(x)

    def extend(self, xs: Sequence[Any]) -> None:
        """Append the rows XS, in total order, later than all held."""
        s = _total(xs)
        if s is None:
            State.extend(self, xs)
        else:
            self.s += s
            self.n += len(xs)

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad -= 1
            return
        self.n -= 1
        if LOW <= x <= HIGH or -HIGH <= x <= -LOW:
            self.s -= int(x * SCALE)
        elif x:
            self.rest -= fine(x)

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        super().join(right)
        self.n += right.n

    def value(self, t: int) -> Any:
        """Return the mean rounded once."""
        if self.bad:
            return OVERFLOW
        if not self.n:
            return None
        if not self.rest:
            return ratio(self.s, self.n * COARSE_UNIT)
        return ratio((self.s << STEPS) + self.rest, self.n * FINE_UNIT)

    def parts(self) -> list[Any]:
        """Return [bad, s, rest, n]."""
        return [*super().parts(), self.n]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        checked = codec.parts_of(parts, codec.count, codec.wide, codec.wide, codec.count)
        self.bad, self.s, self.rest, self.n = checked


def _total(xs: Sequence[Any]) -> int | None:
    """Return the sum of XS on the coarse grid, None where they are few or not all of them doubles on it."""
    try:
        return grid.total(xs) if len(xs) > _FEW else None
    except TypeError:  # there is a null or an OVERFLOW
        return None


def unit_of(x: Type | None) -> int:
    """Return the integer that stands for 1."""
    return 10**x.scale if x else 1


def is_float(x: Type | None) -> bool:
    """Tell whether values are doubles."""
    return x is not None and x.kind == "float64"


@dataclass(frozen=True, slots=True)
class Sum(Aggregate):
    """Exact sum; of doubles, rounded once to nearest even."""

    name: ClassVar[str] = "sum"

    @property
    def result(self) -> Type:
        """Return x's own type, a timestamp acting as int64."""
        assert self.x is not None
        return INT64 if self.x.is_integral else self.x

    @property
    def empty(self) -> int | float:
        """Return 0 of x's type."""
        return 0.0 if is_float(self.x) else 0

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return FloatSum(self) if is_float(self.x) else IntSum(self)

    def of(self, xs: Sequence[Any], t: int) -> Any:
        """Return the sum of XS."""
        try:
            return math.fsum(xs) + 0.0 if is_float(self.x) else in_int64(sum(xs))
        except TypeError:  # there is a null or an OVERFLOW
            known = kept(xs)
            return self.of(known, t) if len(known) < len(xs) else OVERFLOW
        except OverflowError:  # doubles that pass over the top on their way
            return self.fold(xs).value(t)


@dataclass(frozen=True, slots=True)
class Mean(Aggregate):
    """Exact rational mean, rounded once."""

    name: ClassVar[str] = "mean"

    @property
    def result(self) -> Type:
        """Return float64."""
        return FLOAT64

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return FloatMean(self) if is_float(self.x) else IntMean(self)

    def of(self, xs: Sequence[Any], t: int) -> Any:
        """Return the mean of XS."""
        if not xs:
            return None
        try:
            total = grid.total(xs) if is_float(self.x) else sum(xs)
        except TypeError:  # there is a null or an OVERFLOW
            known = kept(xs)
            return self.of(known, t) if len(known) < len(xs) else OVERFLOW
        if total is None:
            return self.fold(xs).value(t)
        return ratio(total, len(xs) * (COARSE_UNIT if is_float(self.x) else unit_of(self.x)))
