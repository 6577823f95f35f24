"""decayed_sum(x, half_life): sum of x * 2**(-(t - ts) / half_life).

The one aggregate with a tolerance (1e-12 of the sum of absolute terms), yet with the same bits everywhere:
each term is computed by the shared kernel, with the whole half-lives taken out as an exact power of two,
and the terms are summed exactly. It has no inverse: the terms change with t, so the state is the rows
themselves.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from featuregraph.aggregates import codec
from featuregraph.aggregates.algebra import Aggregate, Endless, Takes
from featuregraph.aggregates.sums import Sum, unit_of
from featuregraph.aggregates.weight import weigh
from featuregraph.scalar import OVERFLOW, exp2
from featuregraph.types import FLOAT64, Type


class Decaying(Endless):
    """All (ts_ms, x)."""

    __slots__ = ("rows",)

    def __init__(self, config: DecayedSum) -> None:
        super().__init__(config)
        self.rows: list[tuple[int, Any]] = []

    @property
    def weight(self) -> int:
        """Return about how many bytes of memory the state holds."""
        return super().weight + sys.getsizeof(self.rows) + weigh(self.rows)

    def push(self, x: Any) -> None:
        """Append (ts_ms, x), later than all held."""
        if x is None or x[1] is None:
            return
        if x[1] is OVERFLOW:
            self.bad += 1
        else:
            self.rows.append(x)

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        self.rows.extend(right.rows)

    def value(self, t: int) -> Any:
        """Return the sum as of T."""
        return OVERFLOW if self.bad else self.config.decayed(self.rows, t)

    def parts(self) -> list[Any]:
        """Return [bad, [[ts, x], ...]]."""
        return [self.bad, [list(row) for row in self.rows]]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        pair = codec.tupled(codec.value_of(None), codec.value_of(self.config.x))
        self.bad, self.rows = codec.parts_of(parts, codec.count, codec.listed(pair))


@dataclass(frozen=True, slots=True)
class DecayedSum(Aggregate):
    """Sum of x, each halved per half_life (ms) between its row and the query."""

    half_life: int = 1

    name: ClassVar[str] = "decayed_sum"
    takes: ClassVar[Takes] = "ts_x"
    invertible: ClassVar[bool] = False
    drifts: ClassVar[bool] = True

    @property
    def result(self) -> Type:
        """Return float64."""
        return FLOAT64

    @property
    def empty(self) -> float:
        """Return 0."""
        return 0.0

    def zero(self, *, forgets: bool = True) -> Decaying:
        """Return the state of no rows."""
        return Decaying(self)

    def decayed(self, rows: Iterable[tuple[int, Any]], t: int) -> Any:
        """Return the sum of ROWS, (ts_ms, x) with no null among the x, as of T."""
        unit, half_life = unit_of(self.x), self.half_life
        try:
            terms = [_term(x / unit, t - ts, half_life) for ts, x in rows]
        except OverflowError:  # only before its row (t < ts) can a term grow
            return OVERFLOW
        return Sum(FLOAT64).of(terms, t)

    def of(self, xs: Sequence[Any], t: int) -> Any:
        """Return the sum of the rows XS as of T."""
        rows = [x for x in xs if x is not None and x[1] is not None]
        return OVERFLOW if any(x is OVERFLOW for _, x in rows) else self.decayed(rows, t)


def _term(x: float, age: int, half_life: int) -> float:
    """Return x * 2**(-age / half_life), rounded after the kernel only once where x or the term is tiny."""
    halvings, part = divmod(age, half_life)
    fraction, exponent = math.frexp(x)
    return math.ldexp(fraction * exp2(-part / half_life), exponent - halvings)
