"""What every command shows people and machines: tables, JSON, progress and notes, in one style.

Results go to standard output, everything else to standard error, so that a pipe carries results only.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import textwrap
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn
    from rich.table import Table

# The option of every command that machines call: def command(..., json: JsonOption = False).
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")]

T = TypeVar("T")

PLAIN_WIDTH = 80  # columns of a table when the output is no terminal and COLUMNS says nothing
PROGRESS_AFTER_S = 1.0  # shorter work shows no bar
# Without a terminal long work is told in plain lines: the first after so long, then each so much later.
TOLD_AFTER_S, TOLD_AGAIN_S = 3.0, 15.0
TOLD_STEP_S = 1.0  # shorter steps of long work are not told
_DIGITS = 6  # of a number of columns
_HANGING = 4  # columns that the rest of a folded line stands further to the right


def stdout() -> Console:
    """Return a console for results."""
    return _console(sys.stdout)


def stderr() -> Console:
    """Return a console for notes and progress."""
    return _console(sys.stderr)


def _console(file: TextIO) -> Console:
    from rich.console import Console

    return Console(file=file, width=_edge(file) or PLAIN_WIDTH, highlight=False)


def _edge(file: TextIO) -> int | None:
    """Return where lines of FILE end: as COLUMNS says, else at the terminal's edge; None if there is none."""
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdecimal() and 0 < len(told) < _DIGITS and int(told):
        return int(told)
    try:
        return os.get_terminal_size(file.fileno()).columns or None
    except (OSError, ValueError):
        return None


def say(text: str) -> None:
    """Write TEXT, part of the result, to standard output; lines too long for a terminal end between words."""
    stdout().print(_folded(text, _edge(sys.stdout)), markup=False, soft_wrap=True)


def note(text: str) -> None:
    """Write TEXT, no part of the result, to standard error."""
    stderr().print(_folded(text, _edge(sys.stderr)), markup=False, soft_wrap=True)


def _folded(text: str, edge: int | None) -> str:
    """Return TEXT with the lines that are longer than EDGE broken between words, their rest hanging."""
    if edge is None or all(len(line) <= edge for line in text.splitlines()):
        return text
    return "\n".join(part for line in text.split("\n") for part in _parts(line, edge))


def _parts(line: str, edge: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip(" ")) + _HANGING)
    parts = textwrap.wrap(
        line, edge, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return parts or [""]


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


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, prose: Collection[str] = ()
) -> None:
    """Print ROWS under COLUMNS; a column whose every cell is a number stands to the right.

    Where they are too wide, the cells of the columns PROSE are folded between words, headings too; where
    that is not enough, each row becomes a list of its cells.
    """
    from headrace.columns import fitted

    cells = [list(row) for row in rows]
    texts = [[show(cell) for cell in row] for row in cells]
    console = stdout()
    if title:
        say(title)
    widths = fitted(columns, texts, console.width, prose)
    if widths is None:
        _print_lists(columns, texts)
        return
    numbers = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(columns))]
    console.print(_table(columns, cells, widths, numbers))
    console.print()


def _table(
    columns: Sequence[str], cells: list[list[object]], widths: Sequence[int], numbers: Sequence[bool]
) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    # One blank after a cell and one for the line between columns are columns.GAP.
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name, width, is_number in zip(columns, widths, numbers, strict=True):
        table.add_column(name, justify="right" if is_number else "left", width=width)
    for row in cells:
        table.add_row(*(cell if isinstance(cell, Text) else Text(show(cell)) for cell in row))
    return table


def _print_lists(columns: Sequence[str], rows: list[list[str]]) -> None:
    """Print each row as lines of a column's name and its cell, what is empty left out."""
    room = max(map(len, columns), default=0)
    for row in rows:
        for name, text in zip(columns, row, strict=True):
            if text:
                say(f"  {name:{room}}  {text}")
        say("")


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
def progress(
    label: str, total: int | None = None, *, since: float | None = None
) -> Iterator[Callable[[int], None]]:
    """Give a function that counts work done; work of over a second is shown.

    On a terminal by a bar, elsewhere, from the third second on, by a plain line now and then. The work may
    be one step of what began at SINCE, of time.monotonic.

    >>> with progress("replaying", total=2) as done:
    ...     for _ in range(2):
    ...         done(1)
    """
    began = time.monotonic() if since is None else since
    shown = (_Bar if sys.stderr.isatty() else _Lines)(label, total, began)
    try:
        yield shown.advance
    finally:
        shown.stop()


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
    """Count work; draw it only after PROGRESS_AFTER_S, and leave nothing behind."""

    def __init__(self, label: str, total: int | None, began: float) -> None:
        self._label, self._total, self._done = label, total, 0
        self._due = began + PROGRESS_AFTER_S
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


class _Lines:
    """Count work; tell it in a line after TOLD_AFTER_S and each TOLD_AGAIN_S, and its end if it was told."""

    def __init__(self, label: str, total: int | None, began: float) -> None:
        self._label, self._total, self._done = label, total, 0
        self._began = began
        self._due = max(began + TOLD_AFTER_S, time.monotonic() + TOLD_STEP_S)
        self._told = 0  # how much was told of last

    def advance(self, n: int) -> None:
        self._done += n
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + TOLD_AGAIN_S
            self._tell("" if self._total is None else f" of {self._total:,}")

    def _tell(self, more: str) -> None:
        self._told = self._done
        note(f"{self._label}: {self._done:,}{more} after {time.monotonic() - self._began:,.0f} s")

    def stop(self) -> None:
        if 0 < self._told < self._done:
            self._tell("")
