"""The tables of a graph as files, for engines that are compared with the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from featuregraph import Graph
from featuregraph.testing.conformance import Tables
from stream.tablefile import write_table


class TableFiles:
    """The files of a graph's tables; rows that become known later make another version."""

    def __init__(self, folder: Path, graph: Graph, tables: Tables, *, strict: bool) -> None:
        self._schemas = graph.tables
        self._strict = strict
        self._rows = {name: list(rows) for name, rows in tables.items() if name in graph.tables}
        self.paths = {name: folder / f"{number}.table" for number, name in enumerate(self._rows)}
        for name in self._rows:
            self._write(name)

    def add(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Write the version of the table NAME that has ROWS too; return its path."""
        self._rows[name] += rows
        self._write(name)
        return self.paths[name]

    def _write(self, name: str) -> None:
        write_table(self.paths[name], self._schemas[name], self._rows[name], strict=self._strict)
