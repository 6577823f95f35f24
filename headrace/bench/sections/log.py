"""Bytes on the disk for the same events, each with an id, both sides refusing a second one of an id."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from headrace.bench.bench import KEY, Bench
from headrace.bench.report import Record, Records, Table, median, values
from headrace.bench.section import Section, mixed, one_service
from headrace.bench.setting import Setting

if TYPE_CHECKING:
    from stream.bench.stage import Stage

_CHUNK = 1_000  # events of a transaction, on both sides


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Write the history with ids into our log and into indexed rows of JSON."""
    rng = Random(bench.key.seed)
    events = [event | {"event_id": f"{rng.getrandbits(64):016x}"} for event in stage.work.history]
    ours, rows = _ours(events, stage), _rows(events, stage.file())
    yield {
        "work": bench.key.name or bench.key.kind,
        "seed": bench.key.seed,
        "events": len(events),
        "ours": ours,
        "rows": rows,
        "json": sum(len(json.dumps(event["attrs"], separators=(",", ":"))) for event in events),
    }


def _ours(events: Sequence[dict[str, Any]], stage: Stage) -> int:
    """Return the bytes of our log with the graph of the workload installed, as on a device."""
    from featuregraph.testing.clock import FakeClock
    from stream.bench.engines import size
    from stream.engine import Engine
    from stream.log import EventLog

    folder = stage.file().with_suffix("")
    folder.mkdir()
    clock = FakeClock(stage.work.start_ms)
    with EventLog(folder / "log.db", clock=clock, history_start_ms="all") as log:
        engine = Engine(log, key=KEY)
        engine.install(stage.plan)
        for start in range(0, len(events), _CHUNK):
            engine.append_many(events[start : start + _CHUNK])
        assert engine.append(events[0]).duplicate == 1, "an id is refused the second time"
        log.flush()
    return size(folder)


def _rows(events: Sequence[dict[str, Any]], path: Path) -> int:
    """Return the bytes of a table with a unique id and an index on what is read: event and time."""
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE event (id INTEGER PRIMARY KEY, event_id TEXT UNIQUE, name, ts, seq, payload)"
    )
    connection.execute("CREATE INDEX by_name ON event (name, ts)")
    for start in range(0, len(events), _CHUNK):
        with connection:
            connection.executemany(
                "INSERT INTO event (event_id, name, ts, seq, payload) VALUES (?, ?, ?, 0, ?)",
                (
                    (e["event_id"], e["event"], e["ts_ms"], json.dumps(e["attrs"], separators=(",", ":")))
                    for e in events[start : start + _CHUNK]
                ),
            )
    connection.close()
    return path.stat().st_size


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row per workload, in bytes an event."""
    rows: list[tuple[object, ...]] = []
    for work in values(records, "work"):
        each = {
            name: (median(records, name, work=work) or 0.0) / (median(records, "events", work=work) or 1.0)
            for name in ("json", "rows", "ours")
        }
        rows.append((work, *each.values(), each["ours"] / each["rows"]))
    title = "Bytes an event, with ids and a duplicate check: JSON alone, indexed SQLite rows of it, our log"
    return [Table(title, ("workload", "JSON", "rows", "ours", "ours / rows"), rows)]


SECTION = Section("log", lambda s: [*mixed(s), *one_service("VR")(s)], measure, tables)
