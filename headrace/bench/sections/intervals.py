"""The longer between two requests, the less of a cache is still of use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, median, values
from headrace.bench.section import Section, services
from headrace.bench.setting import MINUTE, SECOND, Setting
from headrace.bench.systems import CACHED, DEQUES, KINDS, NAIVE, OURS

if TYPE_CHECKING:
    from stream.bench.stage import Stage

_SYSTEMS = (NAIVE, CACHED, DEQUES, OURS)
_SHARE = 4  # of the requests of other sections: half an hour between each is a day in 48 requests


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Time naive, cached, deques and ours at each interval; each cell is compared with ours."""
    for every_ms in bench.setting.intervals:
        ours = None
        for name in (OURS, *_SYSTEMS[:-1]):
            kind = KINDS[name]
            requests = bench.setting.share(_SHARE * kind.share)
            played = bench.play(kind.make(stage), stage, requests, every_ms)
            ours = ours or played
            if played is not ours:
                bench.compare(name, played, ours, means_close=kind.means_close)
            yield bench.record(name, played, every_ms)


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row per service and system, a column per interval."""
    intervals = values(records, "every_ms")
    rows: list[tuple[object, ...]] = [
        (
            work,
            system,
            *(median(records, "cpu_ms", work=work, system=system, every_ms=every) for every in intervals),
        )
        for work in values(records, "work")
        for system in _SYSTEMS
    ]
    title = "CPU ms of an extraction by the time between two requests"
    return [Table(title, ("service", "system", *map(spoken, intervals)), rows)]


def spoken(ms: int) -> str:
    """Return MS in words."""
    return f"{ms // MINUTE} min" if ms % MINUTE == 0 else f"{ms // SECOND} s"


SECTION = Section("intervals", services, measure, tables)
