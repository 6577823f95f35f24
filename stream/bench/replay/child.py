"""A process that times one system: python -m stream.bench.replay.child TARGET FOLDER SHARE ROUNDS NAME.

TARGET is module:function; function(folder, share) loads what it likes, untimed, and returns what is timed: a
call from columns to columns. What the first call gives goes to FOLDER/NAME.arrow, its costs to NAME.json.
"""

from __future__ import annotations

import gc
import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from stream.bench.replay.task import write_table


def main(target: str, folder: Path, share: int, rounds: int, name: str) -> None:
    """Time TARGET."""
    module, function = target.split(":")
    run = getattr(importlib.import_module(module), function)(folder, share)
    before = peak_bytes()
    found: dict[str, Any] = {"cpu_s": [], "wall_s": []}
    for number in range(rounds):
        gc.collect()
        cpu, wall = cpu_seconds(), time.perf_counter()
        answers = run()
        found["cpu_s"].append(cpu_seconds() - cpu)
        found["wall_s"].append(time.perf_counter() - wall)
        if not number:
            found |= {"loaded_bytes": before, "peak_bytes": peak_bytes()}
            if answers is not None:
                found["rows"] = answers.num_rows
                write_table(answers, folder / f"{name}.arrow")
        del answers
    (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")


def cpu_seconds() -> float:
    """Return the processor time of this process, of all its threads, and of those that it waited for."""
    mine, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + others.ru_utime + others.ru_stime


def peak_bytes() -> int:
    """Return the most memory that this process had at a time, bytes.

    Linux counts into ru_maxrss what the parent had as it started this one; VmHWM begins anew.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
