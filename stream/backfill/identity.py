"""What tells a run from another one: whether what a run left behind is of use to this one."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featuregraph import Plan
from stream import dataset, tables
from stream.errors import BackfillError, EventFileError

if TYPE_CHECKING:
    from stream.backfill.job import Options

PACKAGES = ("headrace", "tzdata")  # whose versions may change a value


def versions() -> dict[str, str | None]:
    """Return the versions of those packages that may change a value."""
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None  # run from a checkout that is not installed


def identity_of(
    plans: Sequence[Plan], events: Any, queries: Any, engine: str, options: Options
) -> Mapping[str, Any]:
    """Return what must be equal for a run to go on where another one was cut.

    Raises:
        BackfillError: events or queries are no files, so that nobody can tell.
    """
    return {
        # Labels are no part of a plan's id, and a table has them too.
        "graphs": [hashlib.sha256(plan.to_bytes()).hexdigest() for plan in plans],
        "events": _files(events, "events"),
        "queries": _files(queries, "queries"),
        "tables": [[name, _files(table, "tables")] for name, table in (options.tables or {}).items()],
        "options": {"engine": engine, "as_known": options.as_known, "end": options.end},
        "versions": versions(),
    }


def _files(source: Any, what: str) -> list[list[object]]:
    """Return path, size and time of each file of SOURCE."""
    if not isinstance(source, str | Path):
        raise BackfillError(
            f"expected {what} in files to resume a run, found {type(source).__name__}; write them"
        )
    path = Path(source)
    if not path.exists():
        raise BackfillError(f"{path}: expected a file of {what}, found nothing; check the path")
    if path.is_dir() and tables.format_of(path) == "parquet":
        found = [file.path for file in dataset.data_files(path, EventFileError)]
    else:
        found = [path]
    return [[str(one.resolve()), one.stat().st_size, one.stat().st_mtime_ns] for one in found]
