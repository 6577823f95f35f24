"""The five services, a request every 10 s: the engine's modes and the baselines side by side."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median as middle
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, median, pivot, those, values
from headrace.bench.section import Section, services
from headrace.bench.setting import SECOND, Setting
from headrace.bench.systems import KINDS, OURS, STORES

if TYPE_CHECKING:
    from stream.bench.stage import Stage

EVERY_MS = 10 * SECOND
# The systems whose files are the logs that are compared in size, by what is said of them.
_LOGS = {"cached": STORES[0], "decoded log": STORES[1], "feature store": STORES[2], OURS: OURS}


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Time all systems; the reference answers one request."""
    yield from bench.side_by_side(stage, KINDS, EVERY_MS, sample=1)


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return times, times over ours, and the sizes of logs."""
    wide = pivot(
        f"CPU ms of an extraction, a request every {EVERY_MS // SECOND} s: median over requests, then seeds",
        records, "system", "work", "cpu_ms",
    )  # fmt: skip
    works = values(records, "work")
    over: list[tuple[object, ...]] = [
        (system, *(_over(records, system, work) for work in works))
        for system in values(records, "system")
        if system != OURS
    ]
    sizes: list[tuple[object, ...]] = [
        (said, *(_mib(records, system, work) for work in works)) for system, said in _LOGS.items()
    ]
    held = pivot("State held between requests, KiB", records, "system", "work", "state_bytes", scale=1 / 1024)
    return [
        wide,
        Table("Times ours: medians of the ratios within a seed", ("system", *works), over),
        Table("Log, MiB", ("log", *works), sizes),
        held._replace(rows=[row for row in held.rows if any(row[1:])]),
    ]


def _over(records: Records, system: str, work: str) -> float | None:
    mine = {record["seed"]: record["cpu_ms"] for record in those(records, system=OURS, work=work)}
    found = those(records, system=system, work=work)
    return float(middle(record["cpu_ms"] / mine[record["seed"]] for record in found))


def _mib(records: Records, system: str, work: str) -> float | None:
    found = median(records, "log_bytes", system=system, work=work)
    return None if found is None else found / 2**20


SECTION = Section("services", services, measure, tables)
