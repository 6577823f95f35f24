"""Rows of one track and the ranges of them that queries ask for: what kernels read."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask
from featuregraph.ir import OF_THE_QUERY, Node, Op
from stream.backfill.columnar.ages import ages
from stream.backfill.columnar.asked import Asked
from stream.backfill.columnar.coding import WordOrders
from stream.backfill.columnar.expansion import expanded
from stream.backfill.columnar.partition import Partition
from stream.backfill.columnar.tables import NO_TABLES, Tables, space

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class About:
    """What all events of a run stand on: the order of words, and the tables that they are looked up in."""

    orders: WordOrders = field(default_factory=WordOrders)
    tables: Tables = NO_TABLES


class Rows:
    """Rows in total order, key after key, and what was found out about them once for all features.

    ts: their times. longest: no range has more rows. source: the values of a node by row. about: what holds
    for all events.
    """

    def __init__(self, ts: Array, longest: int, source: Callable[[Node], Column], about: About) -> None:
        self.ts = ts
        self.longest = longest
        self.about = about
        self._source = source
        self._once: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def orders(self) -> WordOrders:
        """Return the order of words."""
        return self.about.orders

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return what MAKE returned when KEY was asked for first."""
        if key not in self._once:
            self._once[key] = make()
        found: Made = self._once[key]
        return found

    def column(self, node: Node) -> Column:
        """Return the values of NODE in each row."""
        return self.once(node, lambda: self._source(node).spread(len(self)))

    def partition(self, node: Node) -> Partition:
        """Return the rows by the value of NODE."""
        return self.once(("partition", node), lambda: Partition(node.scalar, self.column(node)))

    def by_value(self, node: Node) -> Rows:
        """Return the rows with a value of NODE, in the order of its partition."""

        def make() -> Rows:
            order = self.partition(node).rows
            return Rows(
                self.ts[order], self.longest, lambda inner: self.column(inner).take(order), self.about
            )

        return self.once(("by value", node), make)

    def running(self, key: Hashable, make: Callable[[], Array]) -> Array:
        """Return the sums of what MAKE gives by row, of the rows before each row and of all of them."""

        def total() -> Array:
            values = make()
            found = np.zeros(len(values) + 1, np.int64)
            np.cumsum(values, out=found[1:])
            return found

        return self.once(key, total)

    def any_over(self, node: Node | None, ranges: Ranges) -> Mask | None:
        """Return which of RANGES hold a row in which NODE overflows; None if none does."""
        over = None if node is None else self.column(node).over
        if over is None:
            return None
        running = self.running(("over", node), lambda: over)
        found: Mask = running[ranges.hi] > running[ranges.lo]
        return found

    def known_in(self, node: Node, ranges: Ranges) -> Array:
        """Return in how many rows of each of RANGES NODE has a value."""
        known = self.column(node).known
        if known is None:
            return ranges.hi - ranges.lo
        running = self.running(("known", node), lambda: known)
        return running[ranges.hi] - running[ranges.lo]


@dataclass(frozen=True)
class Ranges:
    """Ranges of rows: LO to before HI, each for the query of the number QUERY."""

    lo: Array
    hi: Array
    query: Array
    asked: Asked

    def __len__(self) -> int:
        return len(self.lo)

    @cached_property
    def t(self) -> Array:
        """Return the time of each range's query."""
        return self.asked.t[self.query]

    def within(self, lo: Array, hi: Array) -> Ranges:
        """Return other rows for the same queries."""
        return Ranges(lo, hi, self.query, self.asked)

    def of(self, numbers: Array, lo: Array, hi: Array) -> Ranges:
        """Return ranges LO to HI, each for the query of the range of its number."""
        return Ranges(lo, hi, self.query[numbers], self.asked)

    def part(self, chosen: slice | Array) -> Ranges:
        """Return the CHOSEN ranges."""
        return Ranges(self.lo[chosen], self.hi[chosen], self.query[chosen], self.asked)


def seen_from(rows: Rows, chosen: Array, query: Array, asked: Asked, *, longest: int) -> Rows:
    """Return the CHOSEN rows, each as it is seen from the query of its number: with ages and requests."""
    ts = rows.ts[chosen]

    def leaf(node: Node) -> Column | None:
        if node.op is Op.AGE:
            return ages(asked.t[query], ts)
        if node.op in OF_THE_QUERY:
            return asked.column(node).take(query)
        if is_of_the_row(node):
            return rows.column(node).take(chosen)
        return None

    return Rows(ts, longest, space(len(ts), leaf, rows.about.tables, lambda: ts).column, rows.about)


def is_of_the_row(node: Node) -> bool:
    """Tell whether NODE's value depends on its row alone."""
    from featuregraph.steps import is_static

    return is_static(node)


def spelled_out(rows: Rows, ranges: Ranges) -> tuple[Array, Rows]:
    """Return the number of its range for each row of RANGES, and the rows as they are seen from there."""
    numbers, chosen = expanded(ranges.lo, ranges.hi)
    longest = int((ranges.hi - ranges.lo).max(initial=0))
    return numbers, seen_from(rows, chosen, ranges.query[numbers], ranges.asked, longest=longest)
