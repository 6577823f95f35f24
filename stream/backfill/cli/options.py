"""What several commands over recorded events take, and how they show how far they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from headrace import console

CHECK_FAILED = 1
FORMATS = "Parquet (a file or a folder), Arrow, CSV or JSON lines"
GRAPH = "package.module:name, file.py:name or a JSON file"

Events = Annotated[Path, typer.Argument(help=f"Recorded events: a device log, {FORMATS}.")]
Queries = Annotated[Path, typer.Argument(help=f"What is asked, and when: {FORMATS}.")]
GraphOption = Annotated[str, typer.Option("--graph", "-g", metavar="GRAPH", help=f"{GRAPH}.")]
GraphsOption = Annotated[
    list[str], typer.Option("--graph", "-g", metavar="GRAPH", help=f"{GRAPH}; once for each graph.")
]
TableOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=PATH", help=f"Rows of a table of the graph: {FORMATS}; once for each."),
]
EndOption = Annotated[
    int | None, typer.Option(metavar="MS", help="The last ms that counts as known, for labels.")
]
AsKnown = Annotated[
    bool, typer.Option("--as-known", help="Count only what a device knew at the time asked for.")
]
Workers = Annotated[int, typer.Option(help="Threads that compute, or processes where not all fits.", min=1)]
Memory = Annotated[
    str | None,
    typer.Option(help="What they may take together, such as 1GiB; the rest is spilled beside OUT."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where a run with --resume was cut, in OUT.resume.")
]


@contextmanager
def steps() -> Iterator[Callable[[str, int, int | None], None]]:
    """Give a function that advances what is shown of a step; it ends when the next step begins."""
    began = time.monotonic()
    with ExitStack() as stack:
        current: list[Any] = [None, None]

        def advance(what: str, n: int, total: int | None) -> None:
            if current[0] != what:
                stack.close()
                current[:] = what, stack.enter_context(console.progress(what, total, since=began))
            current[1](n)

        yield advance
