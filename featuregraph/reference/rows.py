"""SEMANTICS section 3: which rows an aggregate sees at a query.

Every row gets a verdict: kept, or the clause that rejects it. The kept rows are the R of section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from featuregraph.ir import Node, Op, looks_ahead, toposort
from featuregraph.reference.events import Row

KEPT = ""
# Clause 3.5: of a lifetime, the window begins before every history.
BEFORE_EVERY_HISTORY = float("-inf")


@dataclass(frozen=True, slots=True)
class Window:
    """Clauses 3.1, 3.2 and 9.1: the ts_ms that a stream admits at a query."""

    begin: float | int  # the smallest ts_ms admitted
    end: int  # the first ts_ms that is admitted no more
    before: str = "3.2"  # the clause that rejects what is earlier
    after: str = "3.1"  # and what is later

    def clause(self, row: Row) -> str:
        """Return the clause that rejects ROW, KEPT if none does."""
        if row.ts_ms >= self.end:
            return self.after
        return self.before if row.ts_ms < self.begin else KEPT


def window(aggregate: Node, t: int, *, include_now: bool) -> Window:
    """Clauses 3.1 and 3.2: t - offset stands for t; [t - W, t), with include_now (t - W, t].

    Clause 9.1: ahead it is [t, t + W), with include_now (t, t + W].
    """
    shift = 1 if include_now else 0  # (a, b] of whole milliseconds is [a + 1, b + 1)
    if looks_ahead(aggregate):
        return Window(t + shift, t + aggregate["over"] + shift, "9.1", "9.1")
    t = t - aggregate["offset"]
    begin = BEFORE_EVERY_HISTORY if aggregate["over"] is None else t - aggregate["over"] + shift
    return Window(begin, t + shift)


def verdicts(
    aggregate: Node, rows: Iterable[Row], t: int, *, include_now: bool, where: Callable[[Row], bool]
) -> list[tuple[Row, str]]:
    """Clause 3.4: visible -> window -> where -> last N. Give each of ROWS, in order, KEPT or a clause.

    Clause 9.1: ahead, the N rows nearest to t are the earliest.
    """
    admits = window(aggregate, t, include_now=include_now)
    judged = [(row, admits.clause(row)) for row in rows if row.event in aggregate["events"]]
    judged = [(row, clause if clause or where(row) else "3.3") for row, clause in judged]
    if aggregate["last"] is not None:
        kept = [row for row, clause in judged if clause == KEPT]
        n = aggregate["last"]
        beyond = {id(row) for row in (kept[n:] if looks_ahead(aggregate) else kept[:-n])}
        judged = [(row, "3.4" if id(row) in beyond else clause) for row, clause in judged]
    return judged


def is_known(row: Row, t: int, history_start_ms: int | None) -> bool:
    """Clause 3.5: tell whether a device counts ROW at t: it came to know it by then, and still holds it."""
    came = row.known_ms is None or row.known_ms <= t
    return came and (history_start_ms is None or row.ts_ms >= history_start_ms)


def is_partial(feature: Node, t: int, history_start_ms: int | None, *, include_now: bool) -> bool:
    """Clause 3.5: tell whether the window of any stream in FEATURE begins before the history.

    It hides nothing from a stream that looks ahead.
    """
    if history_start_ms is None:
        return False
    return any(
        window(node, t, include_now=include_now).begin < history_start_ms
        for node in _streams(feature)
        if not looks_ahead(node)
    )


def is_unknown(feature: Node, t: int, end: int | None, *, include_now: bool) -> bool:
    """Clause 9.3: tell whether the longest look-ahead in FEATURE reaches past END, the last ms known."""
    ends = [window(node, t, include_now=include_now).end for node in _streams(feature) if looks_ahead(node)]
    return bool(ends) and (end is None or max(ends) - 1 > end)


def _streams(feature: Node) -> Sequence[Node]:
    return [node for node in toposort([feature]) if node.op is Op.AGG]
