"""Events of some keys in total order, key after key, and where the windows of queries begin and end there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask
from featuregraph.ir import Node
from featuregraph.types import INT64_MIN
from featuregraph.windows import Window
from stream.backfill.columnar.asked import Asked
from stream.backfill.columnar.kernels.extremes import reduced
from stream.backfill.columnar.rows import About

_ROOM = 2**62  # a key and a time are searched as one number below it


class Block:
    """Events sorted by (key, ts_ms, seq, tie).

    starts: where each key's events begin, and where the last one's end. names: gives the number of each
    event's name once somebody asks; NUMBERS says whose it is. known: the known_ms of each, INT64_MIN for
    null; None if there are none.
    field: the values in each event of a node that stands on one field; None for a node that does not.
    """

    def __init__(
        self,
        ts: Array,
        starts: Array,
        names: Callable[[], Array],
        numbers: Mapping[str, int],
        known: Array | None,
        field: Callable[[Node], Column | None],
        about: About,
    ) -> None:
        self.ts = ts
        self.starts = starts
        self.numbers = numbers
        self.known = known
        self.about = about
        self._names = names
        self._field = field
        self._fields: dict[Node, Column | None] = {}

    def __len__(self) -> int:
        return len(self.ts)

    def field(self, node: Node) -> Column | None:
        """Return the values in each event of NODE, read once; None if it does not stand on one field."""
        if node not in self._fields:
            self._fields[node] = self._field(node)
        return self._fields[node]

    @cached_property
    def names(self) -> Array:
        """Return the number of each event's name."""
        return self._names()

    def of_events(self, events: Sequence[str]) -> Mask:
        """Return which events have a name of EVENTS."""
        if self.numbers.keys() <= set(events):
            return np.ones(len(self), np.bool_)
        chosen = np.zeros(len(self.numbers) + 1, np.bool_)
        chosen[[self.numbers[event] for event in events if event in self.numbers]] = True
        found: Mask = chosen[self.names]
        return found

    # ---- times as numbers that tell keys apart

    @cached_property
    def _dense(self) -> Array | None:
        """Return the different times, where times themselves are too far apart; else None."""
        if not len(self.ts):
            return None
        span = int(self.ts.max()) - int(self.ts.min()) + 2
        return None if span * len(self.starts) < _ROOM else np.unique(self.ts)

    @cached_property
    def _first(self) -> int:
        return int(self.ts.min()) if len(self.ts) else 0

    @cached_property
    def _span(self) -> int:
        if self._dense is not None:
            return len(self._dense) + 1
        return int(self.ts.max()) - self._first + 2 if len(self.ts) else 1

    @cached_property
    def _packed(self) -> Array:
        ranks = self.ts - self._first if self._dense is None else np.searchsorted(self._dense, self.ts)
        keys = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        packed: Array = keys * self._span + ranks
        return packed

    def _rank(self, bound: Array, side: str) -> Array:
        """Return how many of the times there may be are below BOUND, or up to it where SIDE is right."""
        if self._dense is not None:
            return np.searchsorted(self._dense, bound, side="right" if side == "right" else "left")
        last = self._first + self._span - 2
        inside = np.clip(bound, self._first, last) - self._first
        if side == "right":
            return np.where(bound < self._first, 0, inside + 1)
        return np.where(bound > last, self._span - 1, inside)

    def before(self, asked: Asked, bound: Array, side: str = "left") -> Array:
        """Return the number of the first event of each query's key with ts_ms >= BOUND; right: after it."""
        if not len(self):
            return np.zeros(len(asked), np.int64)
        wanted = np.maximum(asked.key, 0) * self._span + self._rank(bound, side)
        return np.where(asked.key < 0, 0, np.searchsorted(self._packed, wanted))


class Edges:
    """Where the windows of ASKED begin and end in BLOCK, each edge found once for all windows."""

    def __init__(self, block: Block, asked: Asked) -> None:
        self._block = block
        self._asked = asked
        self._before: dict[int, Array] = {}
        self._begins: dict[tuple[int | None, bool], Array] = {}
        self._late: dict[Window, Mask | None] = {}

    def of(self, window: Window) -> tuple[Array, Array]:
        """Return (first event, event behind the last one) of WINDOW at each query."""
        begin = window.lo, window.is_ahead
        if begin not in self._begins:
            self._begins[begin] = self._begin(window)
        begins, ends = self._begins[begin], self._edge(window.hi)
        return np.minimum(begins, ends), ends

    def _begin(self, window: Window) -> Array:
        if window.lo is None:
            return self._first
        # No history hides what lies ahead (SEMANTICS 3.5).
        every = window.is_ahead or not self._asked.as_known.any()
        first = self._edge(window.lo)
        return first if every else np.maximum(first, self._first)

    @cached_property
    def _first(self) -> Array:
        """Return the first event that each query may count."""
        return self._block.before(self._asked, self._asked.begin)

    def _edge(self, by: int) -> Array:
        """Return the number of the first event of each query's key with ts_ms >= t + BY."""
        if by not in self._before:
            bound, below = shifted(self._asked.t, by - 1)
            found = self._block.before(self._asked, bound, "right")
            if below.any():
                found = np.where(below, self._block.before(self._asked, bound), found)
            self._before[by] = found
        return self._before[by]

    def hidden(self, window: Window) -> Mask | None:
        """Return which queries find events in WINDOW that came to be known after them; None if none does."""
        if window not in self._late:
            self._late[window] = self._hidden(window)
        return self._late[window]

    def _hidden(self, window: Window) -> Mask | None:
        known, asked = self._block.known, self._asked
        if known is None or window.is_ahead or not asked.as_known.any():
            return None
        lo, hi = self.of(window)
        latest = reduced(np.maximum, known, lo, hi)
        late: Mask = asked.as_known & (hi > lo) & (latest > asked.t)
        return late if late.any() else None


def shifted(t: Array, by: int) -> tuple[Array, Mask]:
    """Return T + BY, the least int64 where it is below; and where it is.

    Above it may be anything: what looks there looks past every end, and is null at last (SEMANTICS 9.3).
    """
    below: Mask = t < INT64_MIN - min(by, 0)
    return np.where(below, INT64_MIN, t + by), below
