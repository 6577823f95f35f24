"""When is asked, and for whom: the rows of an event, one by one or together, as queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from featuregraph import CompileError, Expr
from featuregraph.arrays import Space
from featuregraph.arrays.column import Array, Column
from featuregraph.ir import Node, Op, toposort
from featuregraph.types import BOOLEAN, IDENTIFIER
from stream.backfill.bucket import hash_keys
from stream.backfill.columnar.expansion import expanded
from stream.backfill.columnar.nested import offsets_of
from stream.backfill.columnar.order import group_starts, sorted_order
from stream.backfill.known import History
from stream.trainset.recipe import ROW, TIME, Recipe
from stream.trainset.split import shifted

_SCALARS = frozenset({Op.FIELD, Op.LIT})


@dataclass(frozen=True, slots=True)
class Moments:
    """Queries by (t, identity).

    Args:
        keys: the columns of the key.
        t: int64, shape (queries,).
        last: the ts_ms of each query's last row.
        identity: a hash of each query's key, time and place that other queries do not change: uint64.
        rows: numbers of events, those of a query together and in the order of time.
        offsets: where each query's rows begin, then their number: int64, shape (queries + 1,).
    """

    keys: Mapping[str, pa.Array]
    t: Array
    last: Array
    identity: Array
    rows: Array
    offsets: Array

    def __len__(self) -> int:
        return len(self.t)

    def take(self, chosen: Array) -> Moments:
        """Return the queries of the numbers CHOSEN."""
        lo, hi = self.offsets[:-1][chosen], self.offsets[1:][chosen]
        _, places = expanded(lo, hi)
        rows, offsets = self.rows[places], offsets_of(hi - lo)
        keys = {name: column.take(pa.array(chosen)) for name, column in self.keys.items()}
        return Moments(keys, self.t[chosen], self.last[chosen], self.identity[chosen], rows, offsets)


def moments(
    recipe: Recipe, events: History, key: Sequence[str], *, include_now: bool
) -> tuple[Moments, dict[str, int]]:
    """Return the queries that RECIPE takes from EVENTS, and how many rows ask nothing, by reason."""
    rows = events.of(recipe.at)
    passed = rows if recipe.where is None else rows[_passing(recipe.where, events, rows)]
    reasons = {"rows that where leaves out": len(rows) - len(passed)}
    owners = [events.values(name, IDENTIFIER) for name in key]
    if recipe.each == ROW:
        by = [np.arange(len(passed))]
    elif recipe.each == TIME:
        by = [events.ts[passed]]
    else:
        value = events.values(recipe.each, IDENTIFIER)
        if value.known is not None:
            has = value.known[passed]
            reasons[f"rows without a {recipe.each}"] = int((~has).sum())
            passed = passed[has]
        by = [value.values[passed]]
    columns = [*(owner.values[passed] for owner in owners), *by]
    order = sorted_order(columns, len(passed))
    starts = group_starts([column[order] for column in columns]) if len(order) else order
    grouped = passed[order]
    offsets = np.append(starts, len(grouped))
    first = grouped[starts]
    # Events count strictly before t, or with include_now up to t: either way the row itself is not seen.
    t = shifted(events.ts[first], -recipe.before_ms - include_now)
    last = events.ts[grouped[offsets[1:] - 1]] if len(first) else t
    keys = {name: _texts(owner.take(first)) for name, owner in zip(key, owners, strict=True)}
    places = _place(recipe, events, first, keys, t)
    identity = hash_keys([*keys.values(), pa.array(t).cast(pa.string()), places])
    found = Moments(keys, t, last, identity, grouped, offsets)
    ordered = sorted_order([t, identity.view(np.int64)], len(t))
    return found.take(ordered), {reason: n for reason, n in reasons.items() if n}


def _place(recipe: Recipe, events: History, first: Array, keys: Mapping[str, Any], t: Array) -> pa.Array:
    """Return what tells apart the queries of one key and time."""
    if recipe.each not in (ROW, TIME):
        return _texts(events.values(recipe.each, IDENTIFIER).take(first))
    counts = np.zeros(len(t), np.int64)
    if recipe.each == ROW and len(t):
        codes = [column.dictionary_encode().indices.to_numpy() for column in keys.values()]
        order = sorted_order([*codes, t], len(t))
        starts = group_starts([column[order] for column in (*codes, t)])
        sizes = np.diff(np.append(starts, len(t)))
        counts[order] = np.arange(len(t)) - np.repeat(starts, sizes)
    return pa.array(counts).cast(pa.string())


def _texts(column: Column) -> pa.Array:
    mask = None if column.known is None else ~column.known
    return pa.array(column.words or (), pa.string()).take(pa.array(column.values, mask=mask))


def _passing(where: Expr, events: History, rows: Array) -> Array:
    """Return which of ROWS WHERE is true of."""
    check_filter(where)

    def leaf(node: Node) -> Column | None:
        return events.values(node["name"], node.scalar).take(rows) if node.op is Op.FIELD else None

    column = Space(len(rows), leaf).column(where.node)
    if column.over is not None:
        raise CompileError("where: expected a value in every row, found an overflow; take smaller numbers")
    passing: Array = column.values if column.known is None else column.values & column.known
    return passing


def check_filter(where: Expr) -> None:
    """Raise CompileError unless WHERE is true or false by an event's fields alone."""
    from featuregraph.arrays import KERNELS

    other = [node.op.value for node in toposort([where.node]) if node.op not in _SCALARS | KERNELS.keys()]
    if other:
        raise CompileError(
            f"where: expected an expression of the event's fields, found {other[0]}; take it out"
        )
    if where.node.type is not BOOLEAN:
        raise CompileError(
            f"where: expected true or false, found {where.node.type}; compare it with something"
        )


def fields_of(where: Expr | None) -> set[str]:
    """Return the fields that WHERE reads."""
    nodes = [] if where is None else toposort([where.node])
    return {node["name"] for node in nodes if node.op is Op.FIELD}
