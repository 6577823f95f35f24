"""Commands on one device log: what it holds, events in and out, whether it is sound, and forgetting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from featuregraph.times import format_time, parse_time
from headrace import console
from stream.log import EventLog

CHECK_FAILED = 1

LogPath = Annotated[Path, typer.Argument(help="The log file.")]


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int | None], None]]:
    """Give a function that takes (done, total) so far."""
    with console.progress(label) as advance:
        before = 0

        def show(done: int, total: int | None) -> None:
            nonlocal before
            advance(done - before)
            before = done

        yield show


def log_stats(path: LogPath, *, json: console.JsonOption = False) -> None:
    """Count the events, bytes and quarantined rows of a log."""
    with EventLog(path, read_only=True) as log:
        found = log.stats()
    if json:
        console.emit_json(found)
        return
    start = "no bound declared" if found.history_start_ms is None else format_time(found.history_start_ms)
    rows = [
        ("events", found.events),
        (f"keys ({found.key})", found.keys),
        ("first", None if found.first_ts_ms is None else format_time(found.first_ts_ms)),
        ("last", None if found.last_ts_ms is None else format_time(found.last_ts_ms)),
        ("complete from", start),
        ("file", console.show_bytes(found.file_bytes)),
        ("write-ahead log", console.show_bytes(found.wal_bytes)),
        ("free in the file", console.show_bytes(found.free_bytes)),
        ("in quarantine", found.held_apart),
        *((f"{name}, ever", n) for name, n in found.counters.items()),
        *((f"unparsable {field}", n) for field, n in found.unparsable.items()),
    ]
    console.print_table(str(path), ("what", "found"), rows)
    console.print_table("Events by name", ("event", "events"), found.by_name.items())


def log_import(
    path: LogPath,
    events: Annotated[Path, typer.Argument(help="Parquet, Arrow, CSV or JSON lines.")],
    *,
    key: Annotated[str | None, typer.Option(help="The key column of a new log; user_id by default.")] = None,
    sync: Annotated[str, typer.Option(help="batch or full.")] = "batch",
    json: console.JsonOption = False,
) -> None:
    """Append recorded events to a log."""
    # A log made of a recording holds all that the recording knows.
    with EventLog(path, key=key, sync=sync, history_start_ms="all") as log, _bar("importing") as show:  # type: ignore[arg-type]
        receipt = log.import_events(events, progress=show)
    if json:
        console.emit_json(receipt)
    else:
        console.print_table(str(path), ("events", "number"), asdict(receipt).items())


def log_export(
    path: LogPath,
    out: Annotated[Path, typer.Argument(help="The file to write: .parquet, .arrow, .csv or .jsonl.")],
    *,
    json: console.JsonOption = False,
) -> None:
    """Write the events of a log to a file."""
    with EventLog(path, read_only=True) as log, _bar("exporting") as show:
        count = log.export(out, progress=show)
    if json:
        console.emit_json({"events": count, "out": str(out)})
    else:
        console.say(f"{out}: {count:,} events")


def log_check(path: LogPath, *, json: console.JsonOption = False) -> None:
    """Read a whole log and report what is damaged."""
    with EventLog(path, read_only=True) as log:
        findings = log.check()
    if json:
        console.emit_json([asdict(finding) for finding in findings])
    elif findings:
        rows = [(f.what, f.where, f.detail) for f in findings]
        console.print_table(str(path), ("what", "where", "found"), rows)
    else:
        console.say(f"{path}: sound")
    if findings:
        raise typer.Exit(CHECK_FAILED)


def log_forget(
    path: LogPath,
    *,
    before: Annotated[
        str | None, typer.Option(help="Events before this time, ms or ISO 8601 (UTC if no zone).")
    ] = None,
    key: Annotated[str | None, typer.Option(help="All events of this key.")] = None,
    event_id: Annotated[str | None, typer.Option(help="The events with this id.")] = None,
    json: console.JsonOption = False,
) -> None:
    """Remove events from a log, with their bytes."""
    with EventLog(path) as log:
        removed = log.forget(
            before=None if before is None else parse_time(before), key=key, event_id=event_id
        )
    if json:
        console.emit_json({"removed": removed})
    else:
        console.say(f"{path}: {removed:,} events removed")
