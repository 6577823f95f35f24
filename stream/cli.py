"""Commands on one device log: what it holds, events in and out, whether it is sound, and forgetting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from featuregraph.times import format_time, parse_time
from headrace import console
from stream.backfill.training import export_served
from stream.damage import Finding, joined
from stream.errors import ArgumentError
from stream.log import EventLog
from stream.sizes import parse_size

CHECK_FAILED = 1

LogPath = Annotated[Path, typer.Argument(metavar="LOG", help="The log file.")]


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int | None], None]]:
    """Give a function that takes (done, total) so far."""
    with ExitStack() as stack:
        before, advance = 0, None

        def show(done: int, total: int | None) -> None:
            nonlocal before, advance
            if advance is None:  # the total is known with the first rows
                advance = stack.enter_context(console.progress(label, total, since=began))
            advance(done - before)
            before = done

        began = time.monotonic()
        yield show


def log_stats(path: LogPath, *, json: console.JsonOption = False) -> None:
    """Count the events, blocks, bytes and quarantined rows of a log."""
    with EventLog(path, read_only=True) as log:
        found = log.stats()
    if json:
        console.emit_json(found)
        return
    start = "no bound declared" if found.history_start_ms is None else format_time(found.history_start_ms)
    rows = [
        ("events", found.events),
        ("as rows", found.events - found.sealed),
        (
            "in sealed blocks",
            f"{found.sealed:,} in {found.blocks:,}, {console.show_bytes(found.block_bytes)}",
        ),
        (f"keys ({found.key})", found.keys),
        ("first", None if found.first_ts_ms is None else format_time(found.first_ts_ms)),
        ("last", None if found.last_ts_ms is None else format_time(found.last_ts_ms)),
        ("complete from", start),
        ("file", console.show_bytes(found.file_bytes)),
        ("write-ahead log", console.show_bytes(found.wal_bytes)),
        ("free in the file", console.show_bytes(found.free_bytes)),
        ("in quarantine", found.held_apart),
        ("answers kept", found.served),
        ("of them", console.show_bytes(found.served_bytes)),
        *((f"{name}, ever", n) for name, n in found.counters.items()),
        *((f"unparsable {field}", n) for field, n in found.unparsable.items()),
    ]
    console.print_table(str(path), ("what", "found"), rows)
    kinds = [(kind, console.show_bytes(size)) for kind, size in found.column_bytes.items()]
    console.print_table("Bytes of sealed columns", ("kind", "bytes"), kinds)
    console.print_table("Events by name", ("event", "events"), found.by_name.items())


def log_import(
    path: LogPath,
    events: Annotated[
        Path, typer.Argument(metavar="EVENTS", help="Parquet, Arrow, CSV, JSON lines or another log.")
    ],
    *,
    key: Annotated[str | None, typer.Option(help="The key column of a new log; user_id by default.")] = None,
    sync: Annotated[str, typer.Option(help="batch or full.")] = "batch",
    json: console.JsonOption = False,
) -> None:
    """Append recorded events to a log."""
    new = not path.exists()
    # A log made of a recording holds all that the recording knows.
    with EventLog(path, key=key, sync=sync, history_start_ms="all") as log, _bar("importing") as show:  # type: ignore[arg-type]
        try:
            receipt = log.import_events(events, progress=show)
        except BaseException:
            if new and not (log.count or log.quarantined()):
                log.discard()
            raise
    if json:
        console.emit_json(receipt)
    else:
        console.print_table(str(path), ("events", "number"), asdict(receipt).items())


def log_export(
    path: LogPath,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The file to write: .parquet, .arrow, .csv or .jsonl.")
    ],
    *,
    served: Annotated[
        bool, typer.Option("--served", help="What it recorded as served instead, as training rows (Parquet).")
    ] = False,
    graph: Annotated[
        str | None, typer.Option("--graph", "-g", help="With --served: whose rows, by name or id.")
    ] = None,
    json: console.JsonOption = False,
) -> None:
    """Write the events of a log to a file.

    Damaged rows are left out and told; the exit code is then 1.
    """
    left_out: list[Finding] = []
    if served:
        count = export_served(path, out, graph=graph, tell=left_out.append)
    elif graph is not None:
        raise ArgumentError("expected --served beside --graph, found it alone; add it, or leave --graph out")
    else:
        with EventLog(path, read_only=True) as log, _bar("exporting") as show:
            count = log.export(out, progress=show, tell=left_out.append)
    what = "rows" if served else "events"
    if json:
        console.emit_json({what: count, "out": str(out), "left_out": left_out})
    else:
        console.say(f"{out}: {count:,} {what}")
    if left_out:
        if not json:
            console.say(f"left out, damaged: {_rows(left_out)}")
            _print_findings(path, joined(left_out))
        raise typer.Exit(CHECK_FAILED)


def _rows(findings: Sequence[Finding]) -> str:
    """Return how many rows FINDINGS speak of; where the file ends early nobody knows their number."""
    count = sum(finding.events or 0 for finding in findings)
    unknown = any(finding.events is None for finding in findings)
    return f"{count:,} row{'' if count == 1 else 's'}{' and an unknown number more' if unknown else ''}"


def _print_findings(path: Path, findings: Sequence[Finding]) -> None:
    rows = [(f.what, f.where, f.detail) for f in findings]
    console.print_table(str(path), ("what", "where", "found"), rows, prose=("found",))


def log_check(path: LogPath, *, json: console.JsonOption = False) -> None:
    """Read a whole log and report what is damaged."""
    with EventLog(path, read_only=True) as log:
        findings = log.check()
    if json:
        console.emit_json([asdict(finding) for finding in findings])
    elif findings:
        _print_findings(path, joined(findings))
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


def log_trim(
    path: LogPath,
    *,
    before: Annotated[
        str | None, typer.Option(help="Events before this time, ms or ISO 8601 (UTC if no zone).")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="With --before: an event name that stays; may be repeated.")
    ] = None,
    max_bytes: Annotated[
        str | None, typer.Option(help="The oldest events, until the log takes no more, such as 64MiB.")
    ] = None,
    json: console.JsonOption = False,
) -> None:
    """Remove old events from a log; its history then begins later."""
    if keep and before is None:
        raise ArgumentError("expected --before beside --keep, found none; add it, or leave --keep out")
    with EventLog(path) as log:
        removed = log.trim(
            before=None if before is None else parse_time(before),
            keep=keep or (),
            max_bytes=None if max_bytes is None else parse_size(max_bytes),
        )
        start = log.history_start_ms
    if json:
        console.emit_json({"removed": removed, "history_start_ms": start})
    else:
        begins = "its history is without a bound" if start is None else f"complete from {format_time(start)}"
        console.say(f"{path}: {removed:,} events removed; {begins}")
