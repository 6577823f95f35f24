"""What it costs to count devices: reports of a release that gates lead, against those of another.

python benchmarks/led_reports.py [ROUNDS]

Reports go to `deploy.cloud.kept.keep` in batches, on SQLite in a temporary folder, by turns with and without
a gate's view, ROUNDS times (5); the ratio is of this process's CPU, the median with its range. They come from
devices that enter, and from devices that were watched to the end: the most there are.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.cloud import kept
from deploy.cloud.database import Database
from deploy.gate.policy import Policy, counter
from deploy.gate.view import View
from deploy.wire.report import Counts, Report

COUNT: Final = 10_000
VIEWS: Final = {"one": Policy(criteria=(*Policy().criteria, counter("clicked"))).view({})}
COUNTS: Final = Counts(5, latency=(0,) * 40 + (5,), counters={"shown": 5, "clicked": 1})


def reports(state: str, draw: random.Random, counts: Counts = COUNTS) -> list[Report]:
    """Return one report of STATE of each device."""
    return [
        Report(f"{draw.getrandbits(128):032x}", f"device {n}", "rank", "one", state, 0, "", counts)  # type: ignore[arg-type]
        for n in range(COUNT)
    ]


def cpu_s(views: Mapping[str, View], batch: int, seed: int, *, entered: bool) -> float:
    """Return the seconds of CPU of COUNT reports, of devices that ENTERED long ago or enter now."""
    draw, names = random.Random(seed), dict[str, set[str]]()
    with tempfile.TemporaryDirectory() as room:
        database = Database(f"sqlite:///{Path(room) / 'service.db'}")
        database.migrate()

        def keep(told: list[Report], minute: int) -> None:
            for begin in range(0, len(told), batch):
                some = told[begin : begin + batch]
                kept.keep(database, some, {"one"}, 60_000 * minute, views, names)

        if entered:
            keep(reports("active", draw), 1)
        told = reports("alive", draw)
        began = time.process_time()
        keep(told, 10_000)
        used = time.process_time() - began
        database.close()
    return used


def main() -> None:
    """Print the ratios."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for batch in (1_000, 100, 10):
        for entered in (False, True):
            ratios = []
            for turn in range(rounds):
                plain, led = (cpu_s(views, batch, turn, entered=entered) for views in ({}, VIEWS))
                ratios.append(led / plain)
            who = "watched to the end" if entered else "that enter"
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            print(f"batches of {batch:5}, devices {who:20} {statistics.median(ratios):.2f} ({spread})")


if __name__ == "__main__":
    main()
