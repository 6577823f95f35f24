"""How many rows a read finds: by an assumption where no events are at hand, else counted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from featuregraph.errors import EventError, RequestError
from featuregraph.graph import Graph
from featuregraph.ir import Node
from featuregraph.reference.events import Log, Row
from featuregraph.reference.exact import OutOfRangeError
from featuregraph.reference.expressions import Query, evaluate
from featuregraph.shown import shown
from featuregraph.windows import MS

EVERY_MS = MS["h"]  # an event of each name so often
HISTORY_MS = 30 * MS["d"]  # of a lifetime

Wheres = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """The rows of one key as a query at T finds them; None: an event of each name every hour."""

    words: str = f"an event of each name an hour, a lifetime of {HISTORY_MS // MS['d']} days"
    t: int = 0
    found: Mapping[str, Sequence[Row]] | None = field(default=None, repr=False)  # by event, in order
    # By event and filters: how many of the first rows pass one of them.
    _passing: dict[tuple[str, Wheres], list[int]] = field(default_factory=dict, repr=False)

    def rows(self, event: str, reach: int | None, wheres: Wheres = ()) -> int:
        """Return how many rows of EVENT there are REACH ms back, None for all, that pass one of WHERES.

        Where there are none of WHERES, and where rows are assumed, all rows pass.
        """
        if self.found is None:
            return (HISTORY_MS if reach is None else min(reach, HISTORY_MS)) // EVERY_MS
        rows = self.found.get(event, ())
        first = 0 if reach is None else bisect_left(rows, self.t - reach, key=lambda row: row.ts_ms)
        if not wheres:
            return len(rows) - first
        if (event, wheres) not in self._passing:
            verdicts = (self._passes(row, wheres) for row in rows)
            self._passing[event, wheres] = list(accumulate(verdicts, initial=0))
        passing = self._passing[event, wheres]
        return passing[-1] - passing[first]

    def _passes(self, row: Row, wheres: Wheres) -> bool:
        query = Query((), self.t, include_now=False)
        for where in wheres:
            try:
                if evaluate(where, query, row) is True:
                    return True
            except OutOfRangeError:
                return True
        return False


def counted(graph: Graph, events: Iterable[Mapping[str, Any]], key: str | None = None) -> Load:
    """Return the load of KEY in EVENTS, of the key with the most of them where it is None.

    Raises:
        RequestError: there are no events of it.
    """
    log = Log(graph.key, graph.events)
    for event in events:
        with suppress(EventError):  # as replay says it: here only what can be read counts
            log.append(event)
    who = max(log.rows, key=lambda one: len(log.rows[one]), default=None) if key is None else key
    rows = [] if who is None else log.ordered(who)
    if not rows:
        whose = "an event" if key is None else f"an event of the key {shown(key)}"
        raise RequestError(f"expected {whose}, found none; give a recording that has some")
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.event, []).append(row)
    words = f"the {len(rows):,} events of {shown(who)}, asked right after the last"
    return Load(words, rows[-1].ts_ms + 1, found)
