"""Expressions over whole columns: each node once, its arguments first."""

from __future__ import annotations

from collections.abc import Callable

from featuregraph.arrays import apply
from featuregraph.arrays.column import Array, Column, column
from featuregraph.ir import Node, Op

Leaf = Callable[[Node], Column | None]


class Space:
    """Values of nodes for each of LENGTH rows: what LEAF gives, and what is computed of it."""

    def __init__(self, length: int, leaf: Leaf) -> None:
        self.length = length
        self._leaf = leaf
        self._made: dict[Node, Column] = {}

    def column(self, node: Node) -> Column:
        """Return the values of NODE; one row stands for all where they are equal."""
        waiting = [node]
        while waiting:
            top = waiting[-1]
            if top not in self._made:
                found = literal(top) if top.op is Op.LIT else self._leaf(top)
                if found is None and (missing := [arg for arg in top.args if arg not in self._made]):
                    waiting += missing
                    continue
                if found is None:
                    found = apply(top, [self._made[arg] for arg in top.args])
                self._made[top] = found
            waiting.pop()
        return self._made[node]


def literal(node: Node) -> Column:
    """Return a literal, as one row that stands for all."""
    return column(node.scalar, [node["value"]])


def ages(t: Array, ts: Array) -> Column:
    """Return T minus TS where it is an int64; it is never below 0 of rows that are visible."""
    age = t - ts
    over = age < 0  # beyond int64
    return Column(age, ~over, None, over) if over.any() else Column(age)
