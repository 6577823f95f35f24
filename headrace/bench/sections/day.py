"""A simulated day of VR on a device: processor time, bytes written, and syncs, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, median, values
from headrace.bench.section import Section, one_service
from headrace.bench.setting import Setting

if TYPE_CHECKING:
    from stream.bench.stage import Stage


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Live the day with each kind of sync."""
    from stream.bench.day import EVERY_MS, lived
    from stream.store import Sync

    for sync in get_args(Sync):
        found = lived(stage, bench.key.name, bench.key.seed, sync)
        yield {"seed": bench.key.seed, "system": sync, "every_ms": EVERY_MS, **found}


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row per kind of sync."""
    rows: list[tuple[object, ...]] = [
        (
            f'sync="{sync}"',
            median(records, "events", system=sync),
            median(records, "requests", system=sync),
            median(records, "cpu_ms", system=sync),
            _kib(median(records, "written", system=sync)),
            _kib(median(records, "payload", system=sync)),
            median(records, "syncs", system=sync),
        )
        for sync in values(records, "system")
    ]
    title = "A day of VR's heavy user, a request every 5 min: CPU ms of the process, KiB written, syncs"
    columns = ("", "events", "requests", "CPU ms", "KiB written", "KiB of JSON", "syncs")
    return [Table(title, columns, rows)]


def _kib(size: float | None) -> float | None:
    return None if size is None else size / 1024


SECTION = Section("day", one_service("VR"), measure, tables)
