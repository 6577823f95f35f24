"""What one more event costs a request: decoding it and pushing it into all states that it counts for."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table
from headrace.bench.section import Section, mixed
from headrace.bench.setting import Setting

if TYPE_CHECKING:
    from stream.bench.stage import Stage

# A request reads all features however many events came: the slope between two numbers of events is the push.
FEW, MANY = 64, 192
_STEP_MS = 1_000


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Time requests after FEW and after MANY events in turn."""
    from itertools import islice

    system = stage.engine()
    coming = bench.mixed(stage).stream(1000.0)  # a thousand a second: hardly any leaves a window meanwhile
    t = stage.work.start_ms
    system.extract(t)
    spent: dict[int, list[int]] = {FEW: [], MANY: []}
    for _ in range(max(4, bench.setting.requests // 2)):
        for count in (FEW, MANY):
            events = list(islice(coming, count))
            system.append(events)
            t = events[-1]["ts_ms"] + 1
            began = time.process_time_ns()
            system.extract(t)
            spent[count].append(time.process_time_ns() - began)
    system.close()
    # Of neighbours in time: what else the machine does slows both.
    more = statistics.median(many - few for few, many in zip(spent[FEW], spent[MANY], strict=True))
    few = statistics.median(spent[FEW])
    yield {"seed": bench.key.seed, "push_us": more / (MANY - FEW) / 1e3, "read_ms": few / 1e6}


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return the push by seed."""
    rows: list[tuple[object, ...]] = [(f"seed {r['seed']}", r["push_us"]) for r in records]
    title = (
        f"CPU us to decode and push one event, {setting.features} features: slope from {FEW} to {MANY} events"
        " a request"
    )
    return [Table(title, ("", "us"), rows)]


SECTION = Section("push", mixed, measure, tables)
