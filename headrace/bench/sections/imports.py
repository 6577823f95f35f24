"""What importing costs, in fresh interpreters, and that it loads nothing that a device lacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, median
from headrace.bench.section import Section
from headrace.bench.setting import Setting
from headrace.bench.works import Key

if TYPE_CHECKING:
    from stream.bench.stage import Stage

UNWANTED = ("pyarrow", "networkx", "faust")
_PROBE = """
import json, sys, time
wall, cpu = time.perf_counter(), time.process_time()
import featuregraph, stream
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps([wall, cpu, [name for name in {unwanted} if name in sys.modules]]))
"""


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Import the device's packages in a fresh interpreter; record wall s, processor s, and UNWANTED ones.

    With byte code, as whatever is installed has it: the first import writes it and is not recorded.
    """
    args = [sys.executable, "-c", _PROBE.format(unwanted=UNWANTED)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        env["PYTHONPYCACHEPREFIX"] = folder
        for number in range(1 + bench.setting.imports):
            told = subprocess.run(args, check=True, capture_output=True, text=True, env=env)  # noqa: S603 - our own interpreter
            wall, cpu, names = json.loads(told.stdout)
            if number:
                yield {"wall_s": float(wall), "cpu_s": float(cpu), "loaded": list(names)}


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row of medians."""
    loaded = sorted({name for record in records for name in record["loaded"]})
    cells = (median(records, "cpu_s"), median(records, "wall_s"), ", ".join(loaded) or "none")
    columns = ("CPU s", "wall s", f"of {', '.join(UNWANTED)} loaded")
    return [Table("import featuregraph, stream", columns, [cells])]


SECTION = Section("imports", lambda setting: [Key("none", "", 0)], measure, tables)
