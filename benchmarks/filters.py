"""What it saves to drop rows by their filters before they are decoded, in one process.

    python benchmarks/filters.py [EVENTS]

One event with 13 attributes and thirty features, all behind one filter that keeps a tenth of the rows: a
test of a column, of an attribute, or of both. The same engine answers with layouts as they are, without the
test of columns, and without any row dropped early; values must be equal. Times are processor time of a query
in fused mode, medians of seven.
"""

from __future__ import annotations

import dataclasses
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import featuregraph as fg
import stream.installed
from featuregraph.layout import Layout, lay_out
from featuregraph.testing.workload.mixed import FUNCTIONS, WINDOWS
from stream import Engine, EventLog

ROUNDS = 7
AT_MS = 1_750_000_000_000
WEEK_MS = 7 * 86_400_000


class View(fg.Event, name="view"):
    """Something looked at."""

    page_id = fg.category()
    source = fg.category()
    item = fg.category()
    kind = fg.category()
    price = fg.decimal(2)
    score = fg.float64()
    duration = fg.int64()


FILTERS = {
    "column": View.page_id == "p0",
    "attribute": View.source == "s0",
    "both": (View.page_id == "p0") & (View.duration >= 0),
}
STRIPPED: dict[str, dict[str, Any]] = {
    "as it is": {},
    "no columns": {"early": ()},
    "none": {"wheres": (), "early": ()},
}


def graph(where: fg.Expr) -> fg.Graph:
    """Return thirty features over the views that WHERE keeps."""
    features = {}
    for number in range(30):
        rows = fg.rows(View).where(where).over(WINDOWS[number % len(WINDOWS)])
        name = list(FUNCTIONS)[number % len(FUNCTIONS)]
        features[f"f{number:02}_{name}"] = FUNCTIONS[name](rows, View)
    return fg.Graph("filters", features)


def events(count: int) -> list[dict[str, Any]]:
    """Return COUNT views of the week before AT_MS."""
    rng = random.Random(1)
    found = []
    for _ in range(count):
        attrs: dict[str, Any] = {
            "source": f"s{rng.randrange(10)}",
            "item": f"i{rng.randrange(2_000)}",
            "kind": f"k{rng.randrange(12)}",
            "price": f"{rng.randrange(1, 20_000) / 100:.2f}",
            "score": rng.random(),
            "duration": rng.randrange(60_000),
        }
        attrs |= {f"attribute_{number}": rng.getrandbits(32) for number in range(7)}
        at = AT_MS - rng.randrange(1, WEEK_MS)
        found.append({"event": "view", "ts_ms": at, "page_id": f"p{rng.randrange(10)}", "attrs": attrs})
    return found


def laying(stripped: dict[str, Any]) -> Callable[..., Layout]:
    """Return lay_out with the fields STRIPPED of each scan."""

    def lay(*args: Any) -> Layout:
        layout = lay_out(*args)
        scans = {event: dataclasses.replace(scan, **stripped) for event, scan in layout.scans.items()}
        return dataclasses.replace(layout, scans=scans)

    return lay


def main(count: int) -> None:
    """Print a line per filter."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EventLog(Path(folder) / "log.db", history_start_ms="all") as log,
    ):
        engines = {}
        for name, where in FILTERS.items():
            for layout, stripped in STRIPPED.items():
                stream.installed.lay_out = laying(stripped)  # type: ignore[attr-defined]
                engine = Engine(log, key="me", mode="fused")
                graph_id = engine.install(graph(where).compile())
                engine.extract(graph_id, at_ms=AT_MS)  # layouts and their functions are made here
                engines[name, layout] = (engine, graph_id)
        Engine(log, key="me").append_many(events(count))
        for name in FILTERS:
            times: dict[str, list[float]] = {layout: [] for layout in STRIPPED}
            values = {}
            for _ in range(ROUNDS):
                for layout in STRIPPED:
                    engine, graph_id = engines[name, layout]
                    began = time.process_time()
                    values[layout] = engine.extract(graph_id, at_ms=AT_MS).values
                    times[layout].append((time.process_time() - began) * 1e3)
            assert values["as it is"] == values["no columns"] == values["none"], "values differ"
            found = {layout: statistics.median(ms) for layout, ms in times.items()}
            told = ", ".join(f"{layout} {ms:.1f} ms" for layout, ms in found.items())
            print(f"filter on {name}: {told}: {found['none'] / found['as it is']:.2f}x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
