"""What every command shows people and machines: tables, JSON, progress and notes, in one style.

Results go to standard output, everything else to standard error, so that a pipe carries results only.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

# The option of every command that machines call: def command(..., json: JsonOption = False).
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")]

T = TypeVar("T")

PLAIN_WIDTH = 120  # columns when the output is no terminal: a file or a log has no edge to fold at
PROGRESS_AFTER_S = 1.0  # shorter work shows no bar


def stdout() -> Console:
    """Return a console for results."""
    return _console(sys.stdout)


def stderr() -> Console:
    """Return a console for notes and progress."""
    return _console(sys.stderr)


def _console(file: TextIO) -> Console:
    from rich.console import Console

    return Console(file=file, width=None if file.isatty() else PLAIN_WIDTH, highlight=False)


def say(text: str) -> None:
    """Write TEXT, part of the result, to standard output as it is."""
    stdout().print(text, markup=False, soft_wrap=True)


def note(text: str) -> None:
    """Write TEXT, no part of the result, to standard error as it is."""
    stderr().print(text, markup=False, soft_wrap=True)


def emit_json(value: object) -> None:
    """Print VALUE as one JSON document; decimals and paths are text, dataclasses objects."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n")


def _plain(value: Any) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Decimal | Path):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if hasattr(value, "tolist"):  # numpy scalars and arrays, without importing numpy
        return value.tolist()
    raise TypeError(f"expected a value that JSON can hold, found {type(value).__name__}; convert it first")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print ROWS under COLUMNS; a column whose every cell is a number stands to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = [list(row) for row in rows]
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        numbers = bool(cells) and all(_is_number(row[i]) for row in cells)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in cells:
        table.add_row(*(cell if isinstance(cell, Text) else Text(show(cell)) for cell in row))
    stdout().print(table)


def _is_number(cell: object) -> bool:
    return cell is None or (isinstance(cell, int | float | Decimal) and not isinstance(cell, bool))


def show(cell: object) -> str:
    """Write CELL for a person: thousands apart, four significant digits of a float, nothing for None."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 10_000 else f"{cell:.4g}"
    return str(cell)


def show_bytes(size: int) -> str:
    """Write SIZE in the unit of 1,024 that leaves at least one digit before the point."""
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{size:,} B" if unit == "B" else f"{value:,.1f} {unit}"


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Give a function that counts work done; a bar stands on a terminal while it takes over a second.

    >>> with progress("replaying", total=2) as done:
    ...     for _ in range(2):
    ...         done(1)
    """
    bar = _Bar(label, total)
    try:
        yield bar.advance
    finally:
        bar.stop()


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield ITEMS and show how far their reader has come."""
    with progress(label, total if total is not None else _length(items)) as done:
        for item in items:
            yield item
            done(1)


def _length(items: object) -> int | None:
    return len(items) if hasattr(items, "__len__") else None


def _rate_column() -> ProgressColumn:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed else "")

    return Rate()


class _Bar:
    """Count work; draw only after PROGRESS_AFTER_S, only on a terminal, and leave nothing behind."""

    def __init__(self, label: str, total: int | None) -> None:
        self._label, self._total, self._done = label, total, 0
        self._due = time.monotonic() + PROGRESS_AFTER_S if sys.stderr.isatty() else float("inf")
        self._drawn: Progress | None = None

    def advance(self, n: int) -> None:
        self._done += n
        if self._drawn is not None:
            self._drawn.update(self._drawn.task_ids[0], completed=self._done)
        elif time.monotonic() >= self._due:
            self._drawn = self._draw()

    def _draw(self) -> Progress:
        from rich import progress as parts

        columns = (
            parts.TextColumn("{task.description}"),
            parts.BarColumn(),
            parts.MofNCompleteColumn(),
            _rate_column(),
            parts.TimeRemainingColumn(),
        )
        drawn = parts.Progress(*columns, console=stderr(), transient=True)
        drawn.add_task(self._label, total=self._total, completed=self._done)
        drawn.start()
        return drawn

    def stop(self) -> None:
        if self._drawn is not None:
            self._drawn.stop()
