"""The more of their windows features have in common, the more there is to share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, pivot
from headrace.bench.section import Section
from headrace.bench.setting import SECOND, Setting
from headrace.bench.systems import CACHED, CACHED_ENGINE, NAIVE
from headrace.bench.works import Key

if TYPE_CHECKING:
    from stream.bench.stage import Stage

EVERY_MS = 10 * SECOND


def keys(setting: Setting) -> list[Key]:
    """Return a workload per share and seed."""
    return [Key("redundancy", f"{share:g}", seed) for seed in setting.seeds for share in setting.shares]


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Time what shares nothing, what shares within a request, and what keeps."""
    yield from bench.side_by_side(stage, [NAIVE, "fused", CACHED_ENGINE, CACHED], EVERY_MS)


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row per system, a column per share."""
    title = "CPU ms of an extraction by the share of their hour that neighbouring features have in common"
    return [pivot(title, records, "system", "work", "cpu_ms")]


SECTION = Section("redundancy", keys, measure, tables)
