"""The figures to reach, as rows: a must and an aim, and how it is taken from a section's records.

A figure's values are one per seed: the median decides, the range stands beside it. Ratios are taken inside a
seed, between systems over one workload in one process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from headrace.bench.report import Figure, Record, Records, ratios, those
from headrace.bench.sections.every import NAIVES, USERS
from headrace.bench.sections.imports import UNWANTED
from headrace.bench.sections.plans import APART, TOGETHER
from headrace.bench.sections.services import EVERY_MS as OF_SERVICES
from headrace.bench.setting import Setting
from headrace.bench.systems import CACHED, CACHED_ENGINE, COVERING, DEQUES, NAIVE_ENGINE, OURS

Values = Callable[[Records], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Target:
    """One row: what is to be reached in which section's records.

    Args:
        name: a form that a Setting fills in: at another size it names another thing.
        least: must and aim are lower bounds; else upper ones.
        values: from the section's records to a value per seed.
    """

    section: str
    name: str
    must: float
    aim: float | None
    unit: str
    least: bool
    values: Values


def _per_seed(name: str, by: float = 1.0, **having: object) -> Values:
    return lambda records: [record[name] * by for record in those(records, **having)]


def _over(*over: str, under: str = OURS, value: str = "cpu_ms", **having: object) -> Values:
    """Return the values of the ratio OVER / UNDER; of several over, the fastest counts."""
    return lambda records: list(
        ratios(list(those(records, **having)), value, ("seed",), over, under).values()
    )


def _naive(work: str) -> Values:
    return _over(*NAIVES, work=work)


def _geometric(*over: str) -> Values:
    """Return by seed the geometric mean over the services of the fastest of OVER by ours."""

    def values(records: Records) -> list[float]:
        found = ratios(records, "cpu_ms", ("seed", "work"), over, OURS)
        by_seed: dict[int, list[float]] = {}
        for (seed, _), ratio in found.items():
            by_seed.setdefault(seed, []).append(math.log(ratio))
        return [math.exp(sum(logs) / len(logs)) for logs in by_seed.values()]

    return values


def _log(work: str) -> Values:
    return lambda records: [record["ours"] / record["rows"] for record in those(records, work=work)]


def _loaded(records: Records) -> list[float]:
    return [float(len({name for record in records for name in record["loaded"]}))]


def _least(section: str, name: str, must: float, aim: float | None, values: Values) -> Target:
    """Return a row of a ratio that must be at least so large."""
    return Target(section, name, must, aim, "x", least=True, values=values)


def _most(section: str, name: str, must: float, aim: float | None, unit: str, values: Values) -> Target:
    """Return a row that must be at most so large."""
    return Target(section, name, must, aim, unit, least=False, values=values)


_GEOMETRIC = f"every {OF_SERVICES // 1000} s, geometric mean of the services"
_MIXED = "{0.features} features, every 5 s"
_OFTEN = "{0.events:,} events, every 5 s"
_BYTES = "log bytes / indexed SQLite rows of JSON, both with ids and duplicate check"
_SCALE = "{0.scale[1]:,} events / {0.scale[0]:,}"
_PLANS = "{0.plans} plans, 80 % shared / {0.plans} engines"
TARGETS: tuple[Target, ...] = (
    *(
        _least("every-5s", f"{name}, {said}, {_OFTEN}: naive / ours", 500, 1_500, _naive(name + user))
        for user, said in zip(USERS, ("heavy user", "all in 7 days"), strict=True)
        for name in ("VR", "PR", "CP")
    ),
    _least("services", f"cached / ours, same budget, {_GEOMETRIC}", 2, 5, _geometric(CACHED, CACHED_ENGINE)),
    _least("services", f"hand-written deques / ours, {_GEOMETRIC}", 1.5, 4, _geometric(DEQUES)),
    _least("services", f"covering-index SQLite / ours, {_GEOMETRIC}", 20, 100, _geometric(COVERING)),
    _least("model", "VR, end to end, a TIN on 50 candidates: naive / ours", 100, 300, _over(NAIVE_ENGINE)),
    _most("modes", f"{_MIXED}: extraction", 0.25, 0.10, "ms", _per_seed("cpu_ms", system="auto")),
    _most("push", "{0.features} features: push of one event, decoded", 5, 2, "us", _per_seed("push_us")),
    _most("scale", f"cost per new and expired event, {_SCALE}", 1.3, 1.05, "x", _per_seed("over_few")),
    _most("modes", "{0.features} features, {0.events:,} events: state and columns", 6, 2, "MB",
          _per_seed("state_bytes", 1e-6, system="auto")),
    _most("log", f"mixed: {_BYTES}", 0.4, 0.25, "x", _log("mixed")),
    _most("log", f"VR: {_BYTES}", 0.4, 0.25, "x", _log("VR")),
    _most("cold", "cold start to first extraction, {0.days} days", 100, 20, "ms", _per_seed("all_ms")),
    _most("plans", f"{_PLANS}: time", 0.4, 0.25, "x", _over(TOGETHER, under=APART)),
    _most("plans", f"{_PLANS}: memory", 0.4, 0.25, "x", _over(TOGETHER, under=APART, value="held_bytes")),
    # Promised before: the device engine's first figures.
    _least("modes", f"{_MIXED}: naive / fused, same decoder", 2.5, None, _over("naive", under="fused")),
    _least("modes", f"{_MIXED}: naive / incremental", 300, None, _over("naive", under="incremental")),
    _most("modes", f"{_MIXED}: extraction, median, processor", 0.5, None, "ms",
          _per_seed("cpu_ms", system="incremental")),
    _most("modes", f"{_MIXED}: extraction, median, wall", 0.5, None, "ms",
          _per_seed("wall_ms", system="incremental")),
    _most("imports", "import featuregraph, stream, processor", 0.25, None, "s", _per_seed("cpu_s")),
    _most("imports", "import featuregraph, stream, wall", 0.25, None, "s", _per_seed("wall_s")),
    _most("imports", f"of {', '.join(UNWANTED)} loaded", 0, None, "", _loaded),
)  # fmt: skip


def figures(records: Mapping[str, Sequence[Record]], setting: Setting) -> tuple[Figure, ...]:
    """Return the figures of the sections that were measured, named by the size of SETTING."""
    return tuple(_found(records, setting))


def _found(records: Mapping[str, Sequence[Record]], setting: Setting) -> Iterator[Figure]:
    for target in TARGETS:
        values = tuple(target.values(records[target.section])) if target.section in records else ()
        if values:
            name = target.name.format(setting)
            yield Figure(name, target.must, target.aim, target.unit, target.least, values)
