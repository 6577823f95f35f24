"""Options that several commands about tasks share, and the store that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.bundle.store import Store

REF_HELP = "A bundle's file, or TASK, TASK~N or TASK@ID of a store."

StoreOption = Annotated[
    Path | None,
    typer.Option("--store", "-s", envvar="HEADRACE_STORE", help="The folder of tasks' histories."),
]


def store_of(folder: Path | None) -> Store | None:
    """Return the store in FOLDER, None if none is named."""
    return None if folder is None else Store(folder)
