"""The features of a plan at the queries of one block: aggregates, and what is computed of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from featuregraph import Plan
from featuregraph.arrays.column import Array, Column
from featuregraph.ir import Node, Op
from featuregraph.layout import Layout
from featuregraph.types import Type
from stream.backfill.columnar.asked import Asked
from stream.backfill.columnar.block import Block, Edges
from stream.backfill.columnar.cells import Cell
from stream.backfill.columnar.nested import Nested, Values
from stream.backfill.columnar.spans import Spans
from stream.backfill.columnar.tables import space
from stream.backfill.columnar.tracks import Tracks

_BROUGHT = frozenset({Op.NOW, Op.HOUR_OF_DAY, Op.DAY_OF_WEEK, Op.REQUEST})


class Shared:
    """What all plans at one block's queries share: the layout, its tracks, the edges of windows."""

    def __init__(self, layout: Layout, block: Block, tracks: Tracks, asked: Asked) -> None:
        self.layout = layout
        self.asked = asked
        self.tracks = tracks
        self.edges = Edges(block, asked)
        self.tables = block.about.tables


class Features:
    """The values of PLAN's features at the queries ASKED."""

    def __init__(self, plan: Plan, shared: Shared, asked: Asked) -> None:
        self._plan = plan
        self._asked = asked
        self._shared = shared
        self._spans = Spans(shared.tracks, shared.edges, asked)
        self._by_query = space(len(asked), self._of_query, shared.tables, lambda: asked.t)
        candidates = asked.candidates
        self._members = 0 if candidates is None else int(candidates.offsets[-1])
        self._by_candidate = space(
            self._members, self._of_candidate, shared.tables, lambda: asked.t[self._queries]
        )

    def values(self) -> Mapping[str, Values]:
        """Return the values by feature, in the order of names."""
        return {name: self._value(node) for name, node in self._plan.features.items()}

    def _value(self, node: Node) -> Values:
        if node.per_candidate:
            items = self._by_candidate.column(node)
            assert self._asked.candidates is not None
            return _listed(self._asked.candidates.offsets, items)
        if isinstance(node.type, Type):
            return self._by_query.column(node)
        return self._cell(node.args[0]).top(node["k"]) if node.op is Op.TOP else self._cell(node).value()

    def _cell(self, agg: Node) -> Cell:
        shared = self._shared
        cell = shared.layout.cells[shared.layout.index[agg, self._plan.graph.include_now]]
        span = shared.layout.spans[cell.span]
        return Cell(agg, span, shared.layout.tracks[span.track], self._spans, self._asked)

    def _of_query(self, node: Node) -> Column | None:
        if node.op in _BROUGHT:
            return self._asked.column(node)
        found: Values | None = None
        if node.op is Op.AGG:
            found = self._cell(node).value()
        elif node.op is Op.LOOKUP:
            grouped, key = node.args
            every = np.arange(len(self._asked))
            found = self._cell(grouped).lookup(self._by_query.column(key), every)
        assert not isinstance(found, Nested), f"{node.op} has no place inside an expression"
        return found

    def _of_candidate(self, node: Node) -> Column | None:
        if not node.per_candidate:
            column = self._by_query.narrow(node)
            return column if len(column) == 1 else column.take(self._queries)
        if node.op is Op.CANDIDATE:
            assert self._asked.candidates is not None
            return self._asked.candidates.parts[node["name"]]
        if node.op is Op.LOOKUP:
            grouped, key = node.args
            wanted = self._by_candidate.column(key)
            return self._cell(grouped).lookup(wanted, self._queries)
        return None

    @cached_property
    def _queries(self) -> Array:
        """Return the number of each candidate's query."""
        assert self._asked.candidates is not None
        return np.repeat(np.arange(len(self._asked)), np.diff(self._asked.candidates.offsets))


def _listed(offsets: Array, items: Column) -> Nested:
    """Return one list a query; one with an overflow in it overflows."""
    over = None
    if items.over is not None:
        running = np.concatenate(([0], np.cumsum(items.over)))
        over = running[offsets[1:]] > running[offsets[:-1]]
    return Nested(offsets, {"item": items}, over)
