"""The tables of an engine: which version stands for each name, and what compiled functions ask of them.

1. A look-up asks the version that stands when it is computed; replacing a version is one assignment.
2. Rows and states hold what was looked up for them: whoever replaces a version lets go of all of them, and
   none are saved in the log. So what was answered stays as it was, and what is asked anew is as if the
   version of now had always been there (SEMANTICS 10.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from featuregraph import Graph, TableError
from featuregraph.scalar import OVERFLOW
from stream.tablefile import TableFile

Source = TableFile | str | Path


class Tables:
    """Files of tables by name."""

    def __init__(self, files: Mapping[str, Source]) -> None:
        """Open FILES, by the names of their tables."""
        self._files = {name: opened(name, source) for name, source in files.items()}

    @property
    def versions(self) -> dict[str, str]:
        """Return the version of each table."""
        return {name: file.version for name, file in self._files.items()}

    def use(self, name: str, source: Source, graphs: Mapping[str, Graph]) -> None:
        """Let SOURCE stand for the table NAME of GRAPHS; raise TableError if it has not what they read."""
        file = opened(name, source)
        for graph in graphs.values():
            if name in graph.tables:
                check_file(graph, name, file)
        self._files[name] = file

    def check(self, graph: Graph) -> None:
        """Raise TableError unless each table of GRAPH is here, with the key and fields that it declares."""
        for name in graph.tables:
            if name not in self._files:
                raise TableError(
                    f"graph {graph.name!r}: expected the file of table {name!r}, found none; open the engine "
                    f'with tables={{"{name}": PATH}}, or give it by use_table("{name}", PATH)'
                )
            check_file(graph, name, self._files[name])

    def look_up(self, table: str, field: str, key: Any, until: int) -> Any:
        """Return FIELD of the row of KEY in TABLE as of UNTIL: null for a null key, OVERFLOW for one."""
        if key is None or key is OVERFLOW:
            return key
        return self._files[table].look_up(field, key, until)


def opened(name: str, source: Source) -> TableFile:
    """Return the file of the table NAME; raise TableError if SOURCE is that of another one."""
    file = source if isinstance(source, TableFile) else TableFile(source)
    if file.schema.name != name:
        raise TableError(
            f"{file.path}: expected the file of table {name!r}, found that of {file.schema.name!r}; "
            "give each under its own name"
        )
    return file


def check_file(graph: Graph, name: str, file: TableFile) -> None:
    """Raise TableError unless FILE has what GRAPH reads of the table NAME."""
    wanted, found = graph.tables[name], file.schema
    if (wanted.key, wanted.changing) != (found.key, found.changing):
        raise TableError(
            f"{file.path}: expected table {name!r} with a key of {wanted.key}, changing={wanted.changing}, "
            f"as graph {graph.name!r} declares it, found {found.key}, changing={found.changing}; "
            "write it anew"
        )
    there = dict(found.fields)
    for field, type in wanted.fields:
        if there.get(field) is not type:
            raise TableError(
                f"{file.path}: expected table {name!r} with {field} {type}, as graph {graph.name!r} declares "
                f"it, found {there.get(field) or 'none'}; write it anew"
            )


NO_TABLES = Tables({})
