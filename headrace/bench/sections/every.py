"""Services that are asked as often as a screen scrolls: every 5 s."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, median, ratios, values
from headrace.bench.section import Section
from headrace.bench.setting import SECOND, Setting
from headrace.bench.systems import NAIVE, OURS
from headrace.bench.works import Key

if TYPE_CHECKING:
    from stream.bench.stage import Stage

EVERY_MS = 5 * SECOND


def keys(setting: Setting) -> list[Key]:
    """Return the services that are asked often, as they are and with all events in the widest window."""
    return [Key("service", name, seed) for seed in setting.seeds for name in setting.often]


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Time naive and ours."""
    yield from bench.side_by_side(stage, [NAIVE], EVERY_MS)


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return both, and naive over ours."""
    rows: list[tuple[object, ...]] = []
    for work in values(records, "work"):
        found = ratios([r for r in records if r["work"] == work], "cpu_ms", ("seed",), [NAIVE], OURS)
        cells = [median(records, "cpu_ms", work=work, system=system) for system in (NAIVE, OURS)]
        rows.append((work, *cells, *(f"{ratio:,.0f}x" for ratio in found.values())))
    seeds = [f"seed {seed}" for seed in values(records, "seed")]
    title = f"A request every {EVERY_MS // SECOND} s: CPU ms of an extraction, and naive over ours by seed"
    return [Table(title, ("service", "naive", "ours", *seeds), rows)]


SECTION = Section("every-5s", keys, measure, tables)
