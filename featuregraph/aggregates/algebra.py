"""The algebra of aggregates: what every executor but the reference folds rows with.

Let fold(R) be the state that results from pushing the rows R, in total order, onto zero.

1. Order: `push(x)` appends a row that is later, in total order, than all rows held.
2. Inverse: `pop(x)` forgets the earliest row held; the caller passes what it pushed for it. After any
   interleaving the state equals fold of the rows still held, bit for bit. An aggregate with `invertible =
   False` has no pop.
3. Combine: fold(A).join(fold(B)) equals fold(A + B); B is left as it was, and shares nothing with the result.
4. Code: decode(encode(s)) continues exactly like s. Equal rows held give equal bytes, whatever came before.
5. Batch: `of(xs, t)` equals fold(xs).value(t).
6. Value: `value(t)` changes nothing a caller can see, and never raises. None is null; the caller owns the
   value.
7. Null: a row whose x is None changes nothing (count() of rows counts it). It is pushed and popped all the
   same.
8. Commuting: a state whose class says `commutes` may be pushed rows in any order, and pop any row it holds.
9. Many: `extend(xs)` is `push` of each of xs, in their order.
10. Overflow: while a held row has OVERFLOW for x, the value is OVERFLOW; so it is where it leaves its type.

x is an internal value: int (int64, timestamp, a decimal times 10**scale), finite float without -0.0, bool,
str.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Self

from featuregraph.aggregates import codec
from featuregraph.scalar import OVERFLOW
from featuregraph.types import INT64, INT64_MAX, INT64_MIN, AnyType, Type

NUMBERS_BYTES = 96  # of a few integers, such as sums on a grid

# What an aggregate is pushed: x of the row; its ts_ms; (ts_ms, x); (distinct key, the row itself).
Takes = Literal["x", "ts", "ts_x", "key_row"]


class State(ABC):
    """What an aggregate remembers of the rows it holds; mutable, made by `Aggregate.zero`."""

    __slots__ = ("bad", "config")

    commutes: ClassVar[bool] = False

    def __init__(self, config: Any) -> None:
        self.config = config
        self.bad = 0  # rows held whose x is OVERFLOW

    @abstractmethod
    def push(self, x: Any) -> None:
        """Append a row, later than all held."""

    def extend(self, xs: Sequence[Any]) -> None:
        """Append the rows XS, in total order, later than all held."""
        push = self.push
        for x in xs:
            push(x)

    @abstractmethod
    def pop(self, x: Any) -> None:
        """Forget the earliest row held; x is what was pushed for it."""

    @abstractmethod
    def join(self, right: Self) -> None:
        """Append all rows of RIGHT, later than all held."""

    @abstractmethod
    def value(self, t: int) -> Any:
        """Return the value at query time T (ms): an owned internal value, None or OVERFLOW."""

    @property
    def weight(self) -> int:
        """Return about how many bytes of memory the state holds."""
        return sys.getsizeof(self) + NUMBERS_BYTES

    @abstractmethod
    def parts(self) -> list[Any]:
        """Return what the state holds as plain values, the count of OVERFLOW rows first."""

    @abstractmethod
    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS; raise ValueError if none gives them."""

    def label(self) -> str:
        """Return the name under which the state is encoded."""
        return str(self.config)

    def encode(self) -> bytes:
        """Return canonical bytes of the state."""
        return codec.pack(self.label(), self.parts())


class Endless(State):
    """A state that never forgets a row, and so may keep less."""

    __slots__ = ()

    def pop(self, x: Any) -> None:
        """Refuse: this state was asked for with forgets=False, or its aggregate has no inverse."""
        raise TypeError(
            f"{self.config}: expected a state that forgets, found an endless one; fold the rows anew"
        )

    def label(self) -> str:
        """Return the name under which the state is encoded."""
        return f"endless {self.config}"


@dataclass(frozen=True, slots=True)
class Aggregate(ABC):
    """One aggregate with its parameters; x is the type of what it aggregates, None if it needs none."""

    x: Type | None = None

    name: ClassVar[str]
    takes: ClassVar[Takes] = "x"
    invertible: ClassVar[bool] = True
    drifts: ClassVar[bool] = False  # its value changes as time goes by, with no row coming or going

    @abstractmethod
    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows; forgets=False promises that it is never popped: it may keep less."""

    @property
    def result(self) -> AnyType:
        """Return the type of the value."""
        return INT64

    @property
    def empty(self) -> Any:
        """Return the value of no rows."""
        return None

    def fold(self, xs: Iterable[Any], *, forgets: bool = True) -> State:
        """Return the state of the rows XS, oldest first."""
        state = self.zero(forgets=forgets)
        state.extend(list(xs))
        return state

    def of(self, xs: Sequence[Any], t: int) -> Any:
        """Return the value of the rows XS, oldest first, at query time T."""
        return self.fold(xs, forgets=False).value(t)

    def decode(self, data: bytes, *, forgets: bool = True) -> State:
        """Return the state that encoded to DATA; raise ValueError if there is none of this aggregate."""
        state = self.zero(forgets=forgets)
        state.restore(codec.unpack(state.label(), data))
        return state

    def __str__(self) -> str:
        values = [str(getattr(self, field.name)) for field in fields(self) if field.init]
        return f"{self.name}({', '.join(values)})"


def kept(xs: Iterable[Any]) -> list[Any]:
    """Return XS without nulls."""
    return [x for x in xs if x is not None]


def ratio(numerator: int, denominator: int) -> Any:
    """Return the float64 nearest to a fraction, ties to even, or OVERFLOW."""
    try:
        return numerator / denominator + 0.0  # + 0.0: a negative fraction that rounds to zero is 0.0
    except OverflowError:
        return OVERFLOW


def in_int64(number: int) -> Any:
    """Return NUMBER, or OVERFLOW outside int64."""
    return number if INT64_MIN <= number <= INT64_MAX else OVERFLOW
