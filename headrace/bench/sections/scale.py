"""Ten times the events in the same days: the cost of one that comes and one that goes must not rise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, median, values
from headrace.bench.section import Section
from headrace.bench.setting import Setting
from headrace.bench.works import Key

if TYPE_CHECKING:
    from stream.bench.stage import Stage

# Events between two requests. As many leave each window, since they come as fast as they came before.
MOVES = 20
_DAY_MS = 86_400_000


def keys(setting: Setting) -> list[Key]:
    """Return a workload per seed and number of events."""
    return [Key("scale", str(events), seed) for seed in setting.seeds for events in setting.scale]


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Time requests between which MOVES events come and, of each window, go."""
    events = int(bench.key.name)
    apart_ms = bench.setting.days * _DAY_MS / events
    played = bench.play(
        stage.engine(budget=1 << 30),
        stage,
        bench.setting.requests,
        round(MOVES * apart_ms),
        coming=bench.mixed(stage).stream(1000 / apart_ms),
    )
    yield bench.record("ours", played, round(MOVES * apart_ms), events=events)


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row per number of events."""
    rows: list[tuple[object, ...]] = [
        (
            events,
            (median(records, "cpu_ms", events=events) or 0.0) * 1000 / MOVES,
            (median(records, "p95_ms", events=events) or 0.0) * 1000 / MOVES,
            (median(records, "state_bytes", events=events) or 0.0) / 2**20,
            median(records, "cold_ms", events=events),
        )
        for events in values(records, "events")
    ]
    title = (
        f"{setting.features} features, {setting.days} days, {MOVES} events between two requests: of one that"
        " comes and, of each window, one that goes"
    )
    return [Table(title, ("events", "CPU us", "p95 us", "state MiB", "cold ms"), rows)]


SECTION = Section("scale", keys, measure, tables)
