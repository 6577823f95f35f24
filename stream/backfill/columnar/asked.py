"""Queries of a block as columns: key, time, requests, candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from featuregraph.arrays import Space, calendar
from featuregraph.arrays.column import Array, Column, Mask
from featuregraph.ir import Node, Op
from featuregraph.types import INT64_MIN
from stream.backfill.columnar.nested import Nested


@dataclass(frozen=True)
class Asked:
    """Queries by column.

    key: the number of each query's key, -1 for one without events. t: ms.
    as_known: which ask as known (SEMANTICS 3.5). history: where their histories start, INT64_MIN for none.
    requests: by name. candidates: one list a query, a part for each name.
    """

    key: Array
    t: Array
    as_known: Mask
    history: Array
    requests: Mapping[str, Column] = field(default_factory=dict)
    candidates: Nested | None = None

    def __len__(self) -> int:
        return len(self.t)

    def take(self, rows: Array) -> Asked:
        """Return the queries of the numbers ROWS."""
        return Asked(
            self.key[rows],
            self.t[rows],
            self.as_known[rows],
            self.history[rows],
            {name: one.take(rows) for name, one in self.requests.items()},
            None if self.candidates is None else self.candidates.take(rows),
        )

    @cached_property
    def begin(self) -> Array:
        """Return the least ts_ms that each query may count whatever its windows."""
        return np.where(self.as_known, self.history, INT64_MIN)

    def column(self, node: Node) -> Column:
        """Return the values of NODE, which only a query knows, one a query."""
        return self._space.column(node)

    @cached_property
    def _space(self) -> Space:
        return Space(len(self), self._leaf)

    def _leaf(self, node: Node) -> Column | None:
        match node.op:
            case Op.NOW:
                return Column(self.t)
            case Op.REQUEST:
                return self.requests[node["name"]]
            case Op.HOUR_OF_DAY | Op.DAY_OF_WEEK:
                return Column(calendar(node, self.t))
        return None
