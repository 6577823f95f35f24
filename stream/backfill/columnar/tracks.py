"""The tracks of a layout in one block: the rows of some events that pass a filter, once for all features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask, Words
from featuregraph.ir import Node, Op
from stream.backfill.columnar.block import Block
from stream.backfill.columnar.rows import Rows
from stream.backfill.columnar.tables import space


@dataclass(frozen=True, slots=True)
class Track:
    """Rows of a block.

    before: how many of them come before each event of the block, and all; None: all events are rows.
    wild: the same of those whose filter overflows, None if there are none.
    known: their known_ms, as in the block.
    """

    rows: Rows
    before: Array | None
    wild: Array | None = None
    known: Array | None = None


class Tracks:
    """The tracks of BLOCK by events and filter."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._made: dict[tuple[Sequence[str], Node | None], Track] = {}

    def of(self, events: Sequence[str], where: Node | None) -> Track:
        """Return the rows of EVENTS for which WHERE holds, None for all of them."""
        key = (events, where)
        if key not in self._made:
            self._made[key] = self._all(events) if where is None else self._passing(events, where)
        return self._made[key]

    def _all(self, events: Sequence[str]) -> Track:
        block = self._block
        chosen = block.of_events(events)
        every = bool(chosen.all())
        places = None if every else np.flatnonzero(chosen)
        ts = block.ts if places is None else block.ts[places]

        def leaf(node: Node) -> Column | None:
            match node.op:
                case Op.TS:
                    return Column(ts)
                case Op.EVENT_NAME:
                    names = block.names if places is None else block.names[places]
                    return Column(names.astype(np.int32), None, Words(block.numbers))
            found = block.field(node)
            return found if found is None or places is None else found.take(places)

        before = None if every else counted(chosen)
        values = space(len(ts), leaf, block.about.tables, lambda: ts)
        rows = Rows(ts, self._longest(before), values.column, block.about)
        known = block.known
        return Track(rows, before, known=known if known is None or places is None else known[places])

    def _passing(self, events: Sequence[str], where: Node) -> Track:
        whole = self.of(events, None)
        verdict = whole.rows.column(where)
        passes: Mask = verdict.values if verdict.known is None else verdict.values & verdict.known
        places = np.flatnonzero(passes)
        rows = whole.rows
        before, wild = counted(passes), None if verdict.over is None else counted(verdict.over)
        if whole.before is not None:
            before, wild = before[whole.before], None if wild is None else wild[whole.before]
        kept = Rows(
            rows.ts[places],
            self._longest(before),
            lambda node: rows.column(node).take(places),
            self._block.about,
        )
        return Track(kept, before, wild)

    def _longest(self, before: Array | None) -> int:
        starts = self._block.starts
        return int(np.diff(starts if before is None else before[starts]).max(initial=0))


def counted(chosen: Mask) -> Array:
    """Return how many rows are CHOSEN before each, and of all."""
    before = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(chosen, out=before[1:])
    return before
