"""The figures to reach over the made log, as rows: a must, an aim, and how records give it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headrace.bench.replay.systems import DUCKDB, JOIN_WHERE, ONE, OURS, ROLLING, SCAN, TWO, WIDE
from headrace.bench.report import Figure, Record, those

LOG = "made"
_MILLION, _GB = 1e6, 1e9
_TIMES = ("cpu_s", "wall_s")

Costs = Callable[[str, str], float | None]  # of (system, value): None where it was not measured


@dataclass(frozen=True, slots=True)
class Target:
    """One row; must and aim are lower bounds if LEAST, else upper ones."""

    name: str
    must: float
    aim: float
    unit: str
    least: bool
    value: Callable[[Costs], float | None]


def cost(records: Sequence[Record], log: str, system: str, value: str) -> float | None:
    """Return a system's VALUE over a log: cpu_s, wall_s (medians, for all queries), peak_bytes, events."""
    for record in those(records, log=log, system=system):
        if "failed" not in record:
            found = record[value]
            middle = float(statistics.median(found) if isinstance(found, list) else found)
            return middle * record["of_all"] if value in _TIMES else middle
    return None


def _over(over: Sequence[str], under: str, value: str = "cpu_s") -> Callable[[Costs], float | None]:
    """Return the ratio of the least of OVER to UNDER."""

    def ratio(costs: Costs) -> float | None:
        tops = [top for one in over if (top := costs(one, value)) is not None]
        bottom = costs(under, value)
        return min(tops) / bottom if tops and bottom else None

    return ratio


def _rate(costs: Costs) -> float | None:
    events, seconds = costs(OURS, "events"), costs(OURS, "cpu_s")
    return events / seconds / _MILLION if events and seconds else None


def _peak(costs: Costs) -> float | None:
    peak = costs(OURS, "peak_bytes")
    return None if peak is None else peak / _GB


TARGETS = (
    Target("million events/s per core", 2.5, 8, "", least=True, value=_rate),
    Target("over polars: join_where or rolling, the faster", 2.5, 7, "x", least=True,
           value=_over((JOIN_WHERE, ROLLING), OURS)),
    Target("over duckdb", 8, 20, "x", least=True, value=_over((DUCKDB,), OURS)),
    Target("two workers over one, wall", 1.7, 1.9, "x", least=True, value=_over((ONE,), TWO, "wall_s")),
    Target("ours / Parquet scan", 12, 4, "x", least=False, value=_over((OURS,), SCAN)),
    Target("peak memory of the process, its events included", 1.5, 0.8, "GB", least=False, value=_peak),
    Target("104 features / 20", 3, 2, "x", least=False, value=_over((WIDE,), OURS)),
)  # fmt: skip


def figures(records: Sequence[Record]) -> tuple[Figure, ...]:
    """Return the figures that were measured."""
    found = [
        (target, target.value(lambda system, value: cost(records, LOG, system, value))) for target in TARGETS
    ]
    return tuple(
        Figure(target.name, target.must, target.aim, target.unit, target.least, (value,))
        for target, value in found
        if value is not None
    )
