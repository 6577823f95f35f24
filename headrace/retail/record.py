"""What was served, as files, so that anyone can compute it again."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from headrace.errors import UsageError
from headrace.retail.catalogue import Catalogue
from headrace.retail.serving import Served
from inference import Model
from stream import EventLog
from stream.atomic import naming

FILES = ("graph.json", "events.parquet", "queries.parquet", "features.parquet")
GROUP = 64  # queries in one row group: all candidates of a query are in its row


def again(folder: Path) -> str:
    """Return the command that computes the features in FOLDER again, on two lines to fit a terminal."""
    graph, events, queries, _ = (shlex.quote(str(folder / name)) for name in FILES)
    return f"headrace replay {events} {queries} \\\n    --graph {graph} -o again.parquet"


class Record:
    """A folder that takes the requests as they are served."""

    def __init__(self, folder: Path, model: Model, offered: Catalogue) -> None:
        """Make FOLDER; raise UsageError without pyarrow, or when files of a record are there already."""
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise UsageError(
                "--out: expected pyarrow to write Parquet, found none; run: pip install 'headrace[replay]'"
            ) from error
        if taken := [name for name in FILES if (folder / name).exists()]:
            raise UsageError(f"--out: expected no {taken[0]} in {folder}, found one; choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._graph, self._offered = folder, model.graph, offered
        self._waiting: list[Served] = []
        self._writers: dict[str, Any] = {}
        with naming(folder / "graph.json"):
            (folder / "graph.json").write_text(model.graph.to_json(), encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        for writer in self._writers.values():
            writer.close()

    def add(self, request: Served) -> None:
        """Take one request."""
        self._waiting.append(request)
        if len(self._waiting) >= GROUP:
            self._flush()

    def _flush(self) -> None:
        from featuregraph.arrow import write_queries, write_results

        if not self._waiting:
            return
        asked = [{"key": r.key, "t": r.basket.ts_ms, "request": self._offered} for r in self._waiting]
        queries = write_queries(self._graph, asked)
        self._write("queries.parquet", queries)
        served = write_results(self._graph, queries, [request.vector.values for request in self._waiting])
        self._write("features.parquet", served)
        self._waiting.clear()

    def _write(self, name: str, table: Any) -> None:
        import pyarrow.parquet as pq

        with naming(self._folder / name):
            if name not in self._writers:
                self._writers[name] = pq.ParquetWriter(self._folder / name, table.schema, compression="zstd")
            self._writers[name].write_table(table)

    def events(self, log: EventLog) -> None:
        """Write the events of LOG."""
        from stream.export import export_events

        export_events(log, self._folder / "events.parquet")
