"""Ten times the events in the same days: the cost of one that comes and one that goes must not rise."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, median
from headrace.bench.section import Section
from headrace.bench.setting import Setting
from headrace.bench.works import Key, make

if TYPE_CHECKING:
    from stream.bench.stage import Stage
    from stream.bench.system import Event, System

# Events between two requests. As many leave each window, since they come as fast as they came before.
MOVES = 20
TURN = 10  # requests of one size, then of the other: what else the machine does slows both
_DAY_MS = 86_400_000


def keys(setting: Setting) -> list[Key]:
    """Return the workload of most events, for each seed; the other one is made beside it."""
    return [Key("scale", str(max(setting.scale)), seed) for seed in setting.seeds]


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Time requests between which MOVES events come and, of each window, go, among few and many in turn."""
    few = min(bench.setting.scale)
    beside = type(stage)(make(Key("scale", str(few), bench.key.seed), bench.setting), stage.folder / "few")
    beside.folder.mkdir()
    with ExitStack() as stack:
        runs = {}
        for events, each in ((few, beside), (int(bench.key.name), stage)):
            system = stack.enter_context(closing(each.engine(budget=1 << 30)))
            system.extract(each.work.start_ms)
            runs[events] = system, _requests(each, bench, events)
        gc.collect()
        turns: dict[int, list[list[float]]] = {events: [] for events in runs}
        for _ in range(max(1, bench.setting.requests // TURN)):
            for events, (system, requests) in runs.items():
                turns[events].append(list(_spent(system, islice(requests, TURN))))
        middle = {events: list(map(statistics.median, each)) for events, each in turns.items()}
        pairs = zip(middle[few], middle[max(runs)], strict=True)
        over_few = statistics.median(many / less for less, many in pairs)
        for events, (system, _) in runs.items():
            spent = sorted(ms for turn in turns[events] for ms in turn)
            yield {
                "seed": bench.key.seed,
                "events": events,
                "cpu_ms": statistics.median(spent),
                "p95_ms": spent[min(len(spent) - 1, int(len(spent) * 0.95))],
                "state_bytes": system.state_bytes,
                "over_few": over_few,
            }


def _requests(stage: Stage, bench: Bench, events: int) -> Iterator[tuple[int, list[Event]]]:
    from stream.bench.system import requested

    apart_ms = bench.setting.days * _DAY_MS / events
    coming = bench.mixed(stage).stream(1000 / apart_ms)
    return requested(stage.work, bench.setting.requests, round(MOVES * apart_ms), coming)


def _spent(system: System, requests: Iterator[tuple[int, list[Event]]]) -> Iterator[float]:
    """Give the CPU ms of each extraction."""
    from stream.bench.system import asked

    for t, new in requests:
        yield asked(system, new, t)[0].extract_cpu / 1e6


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row per number of events."""
    rows: list[tuple[object, ...]] = [
        (
            events,
            (median(records, "cpu_ms", events=events) or 0.0) * 1000 / MOVES,
            (median(records, "p95_ms", events=events) or 0.0) * 1000 / MOVES,
            (median(records, "state_bytes", events=events) or 0.0) / 2**20,
        )
        for events in sorted(setting.scale)
    ]
    title = (
        f"{setting.features} features, {setting.days} days, {MOVES} events between two requests: of one that"
        " comes and, of each window, one that goes"
    )
    return [Table(title, ("events", "CPU us", "p95 us", "state MiB"), rows)]


SECTION = Section("scale", keys, measure, tables)
