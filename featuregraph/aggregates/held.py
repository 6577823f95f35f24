"""What the ends and the extremes of rows have in common: the row that answers, or those that may come to."""

from __future__ import annotations

import sys
from collections import deque
from typing import Any, Self

from featuregraph.aggregates import codec
from featuregraph.aggregates.algebra import Aggregate, Endless, State
from featuregraph.aggregates.weight import weigh
from featuregraph.scalar import OVERFLOW


class Queue(State):
    """The x that can come to answer, oldest first: the first one does."""

    __slots__ = ("queue",)

    def __init__(self, config: Aggregate) -> None:
        super().__init__(config)
        self.queue: deque[Any] = deque()

    @property
    def weight(self) -> int:
        """Return about how many bytes of memory the state holds."""
        return super().weight + sys.getsizeof(self.queue) + weigh(self.queue)

    def value(self, t: int) -> Any:
        """Return the first x."""
        if self.bad:
            return OVERFLOW
        return self.queue[0] if self.queue else None

    def parts(self) -> list[Any]:
        """Return [bad, queue]."""
        return [self.bad, list(self.queue)]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        self.bad, queue = codec.parts_of(parts, codec.count, codec.listed(codec.value_of(self.config.x)))
        self.check(queue)
        self.queue = deque(queue)

    def check(self, queue: list[Any]) -> None:
        """Raise ValueError unless rows give QUEUE."""


class EndlessOne(Endless):
    """The x that answers, of rows that are never forgotten."""

    __slots__ = ("x",)

    def __init__(self, config: Aggregate) -> None:
        super().__init__(config)
        self.x: Any = None

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        self.push(right.x)

    def value(self, t: int) -> Any:
        """Return the x."""
        return OVERFLOW if self.bad else self.x

    def parts(self) -> list[Any]:
        """Return [bad, x]."""
        return [self.bad, self.x]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        self.bad, self.x = codec.parts_of(parts, codec.count, codec.optional(codec.value_of(self.config.x)))
