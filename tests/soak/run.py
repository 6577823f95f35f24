"""Long use, in full: 10 million events, 30 days, five threads for a minute.

    python tests/soak/run.py [append] [days] [threads]     all three by default; some fifteen minutes

Prints what the processes and files came to; ends with exit code 1 where a value is not the reference's.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from stream.testing.endurance import endured

EVENTS, DAYS, SECONDS = 10_000_000, 30, 60


def append(folder: Path) -> str:
    """Append 10 million events and forget all but a week of them, day by day."""
    found = endured("append", EVENTS, folder)
    return (
        f"{found.events} events in {found.seconds:.0f} s, {found.held} held; memory, MiB, at tenths:"
        f" {_all(found.memory_mib)}; files, MiB: {_all(found.files_mib)}"
    )


def days(folder: Path) -> str:
    """Live 30 days of a device."""
    found = endured("days", DAYS, folder)
    return (
        f"{DAYS} days, {found.events} events, {found.queries} queries, {found.cells} values equal to the"
        f" reference; memory, MiB: {_all(found.memory_mib)}; files, MiB: {_all(found.files_mib)}; open files:"
        f" {found.open_files[0]} to {max(found.open_files)}"
    )


def threads(folder: Path) -> str:
    """Let one thread write and four read for a minute."""
    found = endured("threads", SECONDS, folder)
    return (
        f"{SECONDS} s, {found.written} events by one thread, {found.extracted} vectors by four;"
        f" {found.compared} of them held against the reference: equal"
    )


PARTS: dict[str, Callable[[Path], str]] = {"append": append, "days": days, "threads": threads}


def _all(figures: list[float]) -> str:
    return " ".join(f"{one:.1f}" for one in figures)


def main() -> int:
    """Run the parts that are named; return the exit code."""
    for name in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                sys.stdout.write(f"{name}: {PARTS[name](Path(folder))}\n")
            except AssertionError as error:
                sys.stdout.write(f"{name}: FAILED: {error}\n")
                return 1
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
