"""One simulated day on a device, in a process of its own: what it computes, writes and syncs.

    python -m stream.bench.day FOLDER SERVICE SEED EVENTS SYNC

The process opens the log in FOLDER, appends the day's events one by one as they happen, asks for the features
every EVERY_MS, and prints numbers. Bytes written are those given to the kernel; syncs are counted by strace
in a second life, where it is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stream.bench.stage import Stage

EVERY_MS = 300_000
DAY_MS = 86_400_000
_SYNC = re.compile(r"\b(?:fsync|fdatasync|sync_file_range)\(")


def lived(stage: Stage, service: str, seed: int, sync: str) -> dict[str, Any]:
    """Return what a day of SERVICE cost over a copy of the stage's log; syncs are None if nobody counts."""
    found = _process([], stage, service, seed, sync)
    strace = shutil.which("strace")
    found["syncs"] = None
    if strace is not None:
        with tempfile.TemporaryDirectory(dir=stage.folder) as folder:
            trace = Path(folder) / "trace"
            watch = [strace, "-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range", "-o", str(trace)]
            try:
                _process(watch, stage, service, seed, sync)
                found["syncs"] = len(_SYNC.findall(trace.read_text()))
            except (subprocess.CalledProcessError, OSError):  # some machines let no process watch another
                found["syncs"] = None
    return found


def _process(watch: list[str], stage: Stage, service: str, seed: int, sync: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=stage.folder) as folder:
        log = shutil.copytree(stage.log, Path(folder) / "log")
        args = [str(log), service, str(seed), str(len(stage.work.history)), sync]
        told = subprocess.run(  # noqa: S603 - our own interpreter and module
            [*watch, sys.executable, "-m", "stream.bench.day", *args],
            check=True,
            capture_output=True,
            text=True,
        )
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def live(folder: Path, service: str, seed: int, events: int, sync: Any) -> dict[str, Any]:
    """Live the day here."""
    from featuregraph.testing.clock import FakeClock
    from featuregraph.testing.workload import service as made
    from stream.bench.engines import KEY, LOG
    from stream.engine import Engine
    from stream.log import EventLog

    work = made(service, seed, events=events)
    plan, end = work.graph.compile(), work.start_ms + DAY_MS
    coming = deque(takewhile(lambda event: event["ts_ms"] < end, work.stream()))
    found = {
        "events": len(coming),
        "requests": DAY_MS // EVERY_MS,
        "payload": sum(len(json.dumps(event["attrs"], separators=(",", ":"))) for event in coming),
    }
    clock = FakeClock(work.start_ms)
    cpu, written = time.process_time_ns(), _written()
    with EventLog(folder / LOG, clock=clock, sync=sync) as log:
        engine = Engine(log, key=KEY)
        graph_id = engine.install(plan)
        for t in range(work.start_ms + EVERY_MS, end + 1, EVERY_MS):
            while coming and coming[0]["ts_ms"] < t:
                clock.set(coming[0]["ts_ms"])
                engine.append(coming.popleft())
            clock.set(t)
            engine.extract(graph_id, at_ms=t)
    return {
        **found,
        "cpu_ms": (time.process_time_ns() - cpu) / 1e6,
        "written": None if written is None else (_written() or 0) - written,
    }


def _written() -> int | None:
    """Return the bytes that this process gave to the kernel so far, None where the system does not tell."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.partition(":")[2]) for line in lines if line.startswith("wchar")), None)


if __name__ == "__main__":
    place, name, number, count, kind = sys.argv[1:]
    sys.stdout.write(json.dumps(live(Path(place), name, int(number), int(count), kind)))
