"""Expressions over columns: each shared node is computed once, its arguments first."""

from __future__ import annotations

from collections.abc import Callable

from featuregraph.arrays.column import Column, column
from featuregraph.arrays.kernels import apply
from featuregraph.ir import Node, Op


class Space:
    """The values of nodes in the rows of one kind: events, queries, candidates.

    Args:
        length: how many rows there are.
        leaf: gives the column of a node that is given, None for one that follows from its arguments. What
            stands below a given node is not looked at.
    """

    def __init__(self, length: int, leaf: Callable[[Node], Column | None]) -> None:
        self._length = length
        self._leaf = leaf
        self._made: dict[Node, Column] = {}

    def column(self, node: Node) -> Column:
        """Return the values of NODE, one a row; overflow in `over`, for the caller to say what needs it."""
        return self.narrow(node).spread(self._length)

    def narrow(self, node: Node) -> Column:
        """Return the values of NODE, one for all rows where it is a literal."""
        waiting = [node]
        while waiting:
            top = waiting[-1]
            if top not in self._made:
                found = column(top.scalar, [top["value"]]) if top.op is Op.LIT else self._leaf(top)
                if found is None and (missing := [arg for arg in top.args if arg not in self._made]):
                    waiting += missing
                    continue
                if found is None:
                    found = apply(top, [self._made[arg] for arg in top.args])
                self._made[top] = found
            waiting.pop()
        return self._made[node]
