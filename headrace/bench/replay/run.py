"""A whole run: each log is written once, and each system answers over it in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headrace.bench.replay.compare import Equality
from headrace.bench.replay.figures import figures
from headrace.bench.replay.logs import LOGS
from headrace.bench.replay.logs.log import Log
from headrace.bench.replay.setting import Setting
from headrace.bench.replay.systems import EXTRA, OURS, System
from headrace.bench.report import Figure, Record
from headrace.errors import UsageError
from headrace.machine import Machine, look

Done = Callable[[int], None]
_MOST_EVENTS = 1_500  # of a user whom the reference is asked about: it is brute force
# One thread for whoever reads one of these; DuckDB and Arrow are told by their own words.
_ONE_THREAD = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(slots=True)
class Report:
    """One run.

    logs: what each log was. records: the costs of a system over a log.
    """

    machine: Machine
    setting: Setting
    logs: dict[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    equality: Equality = field(default_factory=Equality)
    figures: tuple[Figure, ...] = ()
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return all of it for machines."""
        judged = self.setting.is_declared
        return {
            "machine": asdict(self.machine),
            "setting": asdict(self.setting) | {"is_declared": judged},
            "logs": self.logs,
            "records": list(map(dict, self.records)),
            "equality": asdict(self.equality) | {"holds": self.equality.holds},
            "figures": [
                asdict(f)
                | {
                    "found": f.found,
                    "reached": f.reached if judged else None,
                    "aim_reached": f.aim_reached if judged else None,
                }
                for f in self.figures
            ],
            "seconds": self.seconds,
        }


def steps(setting: Setting) -> int:
    """Return how many times `run` says that it went on."""
    return sum(len(LOGS[name].systems) for name in setting.logs)


def run(setting: Setting, done: Done = lambda n: None) -> Report:
    """Measure at the size of SETTING; DONE hears of each of `steps`."""
    began = time.monotonic()
    report = Report(look(("pyarrow", *EXTRA)), setting)
    for name in setting.logs:
        with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
            _measure(LOGS[name], Path(folder), report, done)
    report.figures = figures(report.records)
    report.seconds = time.monotonic() - began
    return report


def _measure(log: Log, folder: Path, report: Report, done: Done) -> None:
    setting = report.setting
    written = log.write(folder, setting.events, setting.seed)
    report.logs[log.name] = written.what
    for number, (name, system) in enumerate(log.systems.items()):
        costs = timed(system, folder, str(number), setting.rounds)
        if name == OURS and "failed" in costs:
            raise UsageError(f"expected an answer of ours over {log.name}, found: {costs['failed']}")
        report.records.append(
            {
                "log": log.name,
                "system": name,
                "events": written.events,
                "of_all": written.queries / max(1, costs.get("rows", written.queries)),
            }
            | costs
        )
        done(1)
    _compare(log, folder, report)


def timed(system: System, folder: Path, number: str, rounds: int) -> dict[str, Any]:
    """Return what SYSTEM costs over the log in FOLDER; failed: why it did not answer."""
    call = [
        sys.executable, "-m", "stream.bench.replay.child", f"stream.bench.replay.{system.target}",
        str(folder), str(system.share), str(rounds if system.is_fast else 1), number,
    ]  # fmt: skip
    env = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}
    told = subprocess.run(call, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if told.returncode:
        lines = told.stderr.strip().splitlines()
        return {"failed": lines[-1] if lines else f"exit code {told.returncode}"}
    found: dict[str, Any] = json.loads((folder / f"{number}.json").read_text(encoding="utf-8"))
    return found


def _compare(log: Log, folder: Path, report: Report) -> None:
    """Compare what the systems gave with ours, and a sample of ours with the reference."""
    from stream.bench.replay.task import read_table, read_task

    numbers = {name: folder / f"{number}.arrow" for number, name in enumerate(log.systems)}
    ours = read_table(numbers[OURS])
    report.equality.fill(ours)
    for name, path in numbers.items():
        system = log.systems[name]
        if name == OURS or not system.gives or not path.exists():
            continue
        found = read_table(path)
        names = read_task(folder).features if log.is_task else found.column_names[1:]
        features = [feature for feature in names if feature.partition("_")[0] not in system.loses]
        report.equality.compare(name, log.name, found, ours, features)
    if report.setting.reference and log.is_task:
        _ask_reference(folder, ours, report, log.name)


def _ask_reference(folder: Path, ours: Any, report: Report, where: str) -> None:
    """Compare some of OURS with the reference, about users whom it can be asked about."""
    import numpy as np

    from stream.backfill import replay
    from stream.bench.replay.ours import graph
    from stream.bench.replay.task import given, read_task

    events, queries = given(folder)
    users = events.column("user_id").to_numpy()
    few = np.bincount(users) <= _MOST_EVENTS
    able = np.flatnonzero(few[queries.column("user_id").to_numpy()])
    rng = np.random.default_rng(report.setting.seed)
    chosen = np.sort(rng.choice(able, min(report.setting.reference, len(able)), replace=False))
    asked = queries.take(chosen)
    kept = events.filter(np.isin(users, asked.column("user_id").to_numpy()))
    plan = graph(read_task(folder)).compile()
    found = replay(plan, kept, asked.drop_columns("n"), engine="reference").append_column(
        "n", asked.column("n")
    )
    mine = ours.take(chosen)
    names = [name for name in found.column_names if name not in ("user_id", "ts_ms", "n")]
    report.equality.same("reference", where, found, mine, names)
