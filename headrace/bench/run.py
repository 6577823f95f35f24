"""A whole run: every workload is made once, and each section that wants it measures on it."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from headrace.bench.bench import Bench
from headrace.bench.figures import figures
from headrace.bench.report import Record, Report
from headrace.bench.section import Section
from headrace.bench.setting import Setting
from headrace.bench.works import Key, make
from headrace.machine import look

Done = Callable[[int], None]


def steps(setting: Setting, sections: Iterable[Section]) -> int:
    """Return how many times `run` says that it went on."""
    return sum(1 for section in sections for _ in section.keys(setting))


def run(setting: Setting, sections: Mapping[str, Section], done: Done = lambda n: None) -> Report:
    """Measure SECTIONS at the size of SETTING; DONE hears of each of `steps`."""
    from stream.bench.stage import Stage

    began = time.monotonic()
    machine = look()
    bench = Bench(setting)
    records: dict[str, list[Record]] = {name: [] for name in sections}
    for key, wanted in _by_key(setting, sections.values()).items():
        bench.key = key
        with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
            stage = Stage(make(key, setting), Path(folder))
            for section in wanted:
                records[section.name] += section.measure(stage, bench)
                done(1)
        del stage
        gc.collect()
    found = figures(records, setting)
    return Report(machine, setting, records, bench.equality, found, time.monotonic() - began)


def _by_key(setting: Setting, sections: Iterable[Section]) -> dict[Key, list[Section]]:
    """Return the workloads in the order in which they are first wanted, each with who wants it."""
    wanted: dict[Key, list[Section]] = {}
    for section in sections:
        for key in section.keys(setting):
            wanted.setdefault(key, []).append(section)
    return wanted
