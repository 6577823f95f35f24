"""Services that are asked as often as a screen scrolls: every 5 s."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, median, ratios, those, values
from headrace.bench.section import Section
from headrace.bench.setting import SECOND, Setting
from headrace.bench.systems import NAIVE, NAIVE_ENGINE, OURS
from headrace.bench.works import Key

if TYPE_CHECKING:
    from stream.bench.stage import Stage

EVERY_MS = 5 * SECOND
NAIVES = (NAIVE, NAIVE_ENGINE)
# The user's events a day: with 1,260 the widest window holds some 8,800 of 20,000 events, with 2,857 all.
USERS = ("", " busy")


def keys(setting: Setting) -> list[Key]:
    """Return the services that are asked often, for each user."""
    return [
        Key("service", f"{name}{user}", seed)
        for seed in setting.seeds
        for user in USERS
        for name in setting.often
    ]


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Time both naive ways and ours."""
    yield from bench.side_by_side(stage, NAIVES, EVERY_MS)


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return times, and the faster naive over ours by seed."""
    rows: list[tuple[object, ...]] = []
    for work in values(records, "work"):
        found = ratios(list(those(records, work=work)), "cpu_ms", ("seed",), NAIVES, OURS)
        cells = [median(records, "cpu_ms", work=work, system=system) for system in (*NAIVES, OURS)]
        rows.append((work, *cells, *(f"{ratio:,.0f}x" for ratio in found.values())))
    seeds = [f"seed {seed}" for seed in values(records, "seed")]
    title = (
        f"A request every {EVERY_MS // SECOND} s: CPU ms of an extraction, and the faster naive over ours by"
        f" seed; a busy user has all {setting.events:,} events in 7 days"
    )
    return [Table(title, ("service", *NAIVES, OURS, *seeds), rows)]


SECTION = Section("every-5s", keys, measure, tables)
