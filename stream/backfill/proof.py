"""What the records of a log prove: that serving equals training, or where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from featuregraph.times import format_time
from stream.damage import Finding
from stream.verify import Verification

SERVED = "served"
MOST_UNEQUAL = 100  # cells told one by one
_WHY_OTHERWISE = (
    "asked for a time before the clock's, answered before another event of the same millisecond, or seeing"
    " events of before the log's history"
)


@dataclass(frozen=True, slots=True)
class Unequal:
    """One cell that was served otherwise than the reference says."""

    graph: str
    record: int
    request_id: str | None
    key: str
    at_ms: int
    feature: str
    expected: str
    found: str


@dataclass(slots=True)
class Proof:
    """What the records of a log are worth."""

    graphs: dict[str, Verification] = field(default_factory=dict)  # by id
    unequal: list[Unequal] = field(default_factory=list)  # the first of them
    records: int = 0  # computed again
    events: int = 0  # read for it
    damaged: list[Finding] = field(default_factory=list)
    unplaced: int = 0  # records whose newest event the events do not have: not computed again
    tabled: int = 0  # records of graphs with tables that are not given: not computed again
    given: int = 0  # records computed again with the tables that were given
    beyond: int = 0  # cells that reach back behind what the log still holds: not compared
    otherwise: int = 0  # records of other events than `replay --as-known` would count
    dropped: int = 0  # records that the log had, and dropped for its limits
    forgotten: int = 0  # and those that went with events that were forgotten

    @property
    def cells(self) -> int:
        """Return how many cells were compared."""
        return sum(one.cells for one in self.graphs.values())

    @property
    def equal(self) -> int:
        """Return how many of them are equal."""
        return sum(one.equal for one in self.graphs.values())

    @property
    def ok(self) -> bool:
        """Tell whether every cell is equal, there is one, and no record is damaged."""
        return 0 < self.cells == self.equal and not self.damaged


def summary(found: Proof, seconds: float) -> dict[str, object]:
    """Return FOUND for machines."""
    return {
        "ok": found.ok,
        "records": found.records,
        "events": found.events,
        "cells": found.cells,
        "equal": found.equal,
        "within_tolerance": sum(one.within for one in found.graphs.values()),
        "expected": sum(one.expected for one in found.graphs.values()),
        "not_empty_or_default": sum(one.telling for one in found.graphs.values()),
        "damaged": found.damaged,
        "unplaced": found.unplaced,
        "of_graphs_with_tables": found.tabled,
        "with_tables_as_given": found.given,
        "cells_beyond_the_log": found.beyond,
        "otherwise_in_replay_as_known": found.otherwise,
        "dropped": found.dropped,
        "forgotten": found.forgotten,
        "graphs": {
            id: {
                "name": one.plan.graph.name,
                "records": len(one.queries),
                "features": list(one.features.values()),
            }
            for id, one in found.graphs.items()
        },
        "unequal": found.unequal,
        "seconds": seconds,
    }


def rows(found: Proof) -> Iterator[tuple[object, ...]]:
    """Give the rows of a table: graph, id, records, features, cells, equal."""
    for id, one in found.graphs.items():
        yield one.plan.graph.name, id[:12], len(one.queries), len(one.features), one.cells, one.equal


def lines(found: Proof) -> Iterator[str]:
    """Give the sentences about FOUND: each unequal cell, the sum, and what was not compared."""
    for cell in found.unequal:
        request = "" if cell.request_id is None else f", request {cell.request_id}"
        yield (
            f"record {cell.record}{request}: {cell.feature} of {cell.graph} (key {cell.key} at"
            f" {format_time(cell.at_ms)}): expected {cell.expected:.200}, served {cell.found:.200}"
        )
    told = len(found.unequal)
    if more := found.cells - found.equal - told:
        yield f"... {more:,} more cells differ"
    if found.cells:
        # Cut, not rounded: one cell in a million that differs must not read as 100 %.
        share = 1_000_000 * found.equal // found.cells / 10_000
        telling, of = (
            sum(n) for n in zip(*((v.telling, v.expected) for v in found.graphs.values()), strict=True)
        )
        yield (
            f"{found.equal:,} of {found.cells:,} cells equal ({share:g} %): {found.records:,} records,"
            f" {len(found.graphs)} graph{'' if len(found.graphs) == 1 else 's'}, {found.events:,} events"
        )
        yield (
            f"{telling:,} of the reference's {of:,} cells are not empty or default"
            f" ({100 * telling / of:.3g} %)"
        )
    yield from _apart(found)


def _apart(found: Proof) -> Iterator[str]:
    """Say what could not be compared, and why."""
    for finding in found.damaged:
        yield f"damaged and left out: {finding.where}: {finding.detail}"
    told = (
        (found.unplaced, "not computed again: the events lack the newest one that they had seen"),
        (
            found.tabled,
            "not computed again: they read tables that are not given (--table NAME=PATH)",
        ),
        (
            found.given,
            "computed again with the tables given, which may be other versions than the device's",
        ),
        (found.otherwise, f"seen otherwise by replay --as-known: {_WHY_OTHERWISE}"),
        (found.dropped, "dropped for the limits of the log, ever"),
        (found.forgotten, "gone with forgotten events, ever"),
    )
    for count, what in told:
        if count:
            yield f"{count:,} record{'' if count == 1 else 's'} {what}"
    if found.beyond:
        yield f"{found.beyond:,} cells not compared: they reach back behind what the log still holds"
