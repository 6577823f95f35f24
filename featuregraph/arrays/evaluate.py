"""Expressions over columns: each shared node is computed once, at the level of rows where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from featuregraph import build
from featuregraph.arrays.column import Array, Column, column
from featuregraph.arrays.kernels import apply
from featuregraph.arrays.time import calendar
from featuregraph.ir import Node, Op

# An age is a difference as any other: checked (SEMANTICS 5.2).
_AGE = build.scalar(Op.SUB, [build.NOW, build.TS])


def evaluate(
    roots: Sequence[Node], inputs: Mapping[Node, Column], length: int, counts: Array | None = None
) -> list[Column]:
    """Return the values of ROOTS, one column each, overflow in its `over`: the caller says what needs it.

    Args:
        roots: expressions of scalars.
        inputs: the columns of the leaves that occur, and of all other nodes that are no scalar operators
            (aggregates, lookups, tops). From `now` follow hour_of_day and day_of_week, with `ts` the age.
        length: how many rows they have. A column of one row stands for all.
        counts: how many candidates each row has, int64 of LENGTH; inputs of candidates, and the values of
            expressions with one, have a row per candidate: those of row 0, of row 1, and so on.
    """
    known = dict(inputs)
    flat = length if counts is None else int(counts.sum())
    for node in _needed(roots, inputs):
        known[node] = _value(node, known, counts)
    return [known[root].spread(flat if root.per_candidate else length) for root in roots]


def _needed(roots: Sequence[Node], inputs: Mapping[Node, Column]) -> list[Node]:
    """Return the nodes to compute, arguments first: what stands below an input is not looked at."""
    done: dict[Node, None] = {}
    stack = [(root, iter(_arguments(root))) for root in reversed(roots) if root not in inputs]
    while stack:
        node, rest = stack[-1]
        for arg in rest:
            if arg not in done and arg not in inputs:
                stack.append((arg, iter(_arguments(arg))))
                break
        else:
            done[node] = None
            stack.pop()
    return list(done)


def _arguments(node: Node) -> Sequence[Node]:
    if node.op is Op.AGE:
        return [_AGE]
    return [build.NOW] if node.op in (Op.HOUR_OF_DAY, Op.DAY_OF_WEEK) else node.args


def _value(node: Node, known: Mapping[Node, Column], counts: Array | None) -> Column:
    if node.op is Op.LIT:
        return column(node.scalar, [node["value"]])
    if node.op is Op.AGE:
        return known[_AGE]
    if node.op in (Op.HOUR_OF_DAY, Op.DAY_OF_WEEK):
        return Column(calendar(node, known[build.NOW].values))
    assert node.args, f"{node.op} is no input"
    columns = [known[arg] for arg in node.args]
    if counts is not None and node.per_candidate:
        columns = [
            c if arg.per_candidate else c.repeat(counts) for c, arg in zip(columns, node.args, strict=True)
        ]
    return apply(node, columns)
