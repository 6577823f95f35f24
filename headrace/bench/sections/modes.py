"""The mixed workload, a request every 5 s with the 5 events between: the engine's modes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, median, values
from headrace.bench.section import Section, mixed
from headrace.bench.setting import SECOND, Setting

if TYPE_CHECKING:
    from stream.bench.stage import Stage
    from stream.bench.system import Played
    from stream.engine import Mode

EVERY_MS = 5 * SECOND
# How many requests share one that a mode answers: naive takes some hundred times as long as incremental.
SHARES: dict[Mode, int] = {"incremental": 1, "auto": 1, "cached": 2, "fused": 8, "naive": 16}


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Time every mode; all cells are compared with incremental's, and some of these with the reference's."""
    best: Played | None = None
    for mode, share in SHARES.items():
        played = bench.play(stage.engine(mode), stage, bench.setting.share(share), EVERY_MS)
        if best is None:
            best = played
            bench.equality.fill(played.values)
            bench.ask_reference(stage, played, bench.setting.reference)
        else:
            bench.compare(mode, played, best)
        yield bench.record(mode, played, EVERY_MS)


_COLUMNS = {
    "CPU ms": ("cpu_ms", 1.0),
    "p95 ms": ("p95_ms", 1.0),
    "wall ms": ("wall_ms", 1.0),
    "append us": ("append_us", 1.0),
    "cold ms": ("cold_ms", 1.0),
    "state MiB": ("state_bytes", 2.0**-20),
}


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row per mode."""
    rows: list[tuple[object, ...]] = [
        (mode, *((median(records, name, system=mode) or 0.0) * by for name, by in _COLUMNS.values()))
        for mode in values(records, "system")
    ]
    title = (
        f"{setting.features} features, {setting.events:,} events of {setting.days} days, a request every 5 s "
        "with 5 events between; append is of all 5"
    )
    return [Table(title, ("mode", *_COLUMNS), rows)]


SECTION = Section("modes", mixed, measure, tables)
