"""Long use, in full: 10 million events, 30 days, five threads for a minute, ten minutes of histories.

    python tests/soak/run.py [append] [days] [threads] [histories]     all by default; about half an hour

Prints what the processes and files came to; ends with exit code 1 where a value is not the reference's.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stream.pace import PACE
from stream.testing.endurance import endured
from stream.testing.histories import changing_history, filtered_history, moving_history, random_history
from stream.testing.lives import TIGHT
from stream.testing.stage import check

EVENTS, DAYS, SECONDS, HISTORIES_S = 10_000_000, 30, 60, 600
KINDS = (random_history, moving_history, filtered_history, changing_history)


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
        f"{SECONDS} s, {found.written} events by one thread, {found.extracted} vectors by four: equal to what"
        f" one thread alone is told, which was held against the reference at {found.compared} times: equal"
    )


def histories(folder: Path) -> str:
    """Play lives of a log by chance, with engines of every mode, for ten minutes."""
    end, count, cells = time.monotonic() + HISTORIES_S, 0, 0
    while time.monotonic() < end:
        seed, kind, pace = random.randrange(2**48), KINDS[count % len(KINDS)], random.choice((PACE, TIGHT))
        with tempfile.TemporaryDirectory(dir=folder) as place:
            try:
                cells += check(kind(random.Random(seed)), Path(place), pace).cells
            except AssertionError as error:
                raise AssertionError(f"{kind.__name__}({seed}), {pace}: {error}") from error
        count += 1
    return f"{count} histories, {cells} values equal to the reference"


PARTS: dict[str, Callable[[Path], str]] = {
    "append": append,
    "days": days,
    "threads": threads,
    "histories": histories,
}


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
