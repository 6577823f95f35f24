"""SEMANTICS clause 11.2: several graphs at one query, each over its own partitioning of the events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from featuregraph.errors import CompileError, RequestError
from featuregraph.reference.answers import NO_TABLES, Answer, answer
from featuregraph.reference.events import columns_of
from featuregraph.reference.tables import Raw

if TYPE_CHECKING:
    from featuregraph.graph import Graph


def together(
    graphs: Sequence[Graph],
    arrivals: Iterable[Mapping[str, object]],
    queries: Sequence[Mapping[str, Any]],
    *,
    strict: bool = False,
    tables: Mapping[str, Iterable[Raw]] = NO_TABLES,
    end: int | None = None,
) -> list[Answer]:
    """Return one answer per query with the values of all GRAPHS, named GRAPH.FEATURE.

    Every value is that of the graph alone.

    Args:
        graphs: the features asked for; their names differ.
        arrivals: as in answer.
        queries: as in answer, but that a key is {COLUMN: VALUE, ...}, with every key column of every graph.
        strict, tables, end: as in answer; tables are shared.

    Raises:
        CompileError: two graphs have one name.
        RequestError: a query lacks a key column, or has what no graph asks for.
        EventError, TableError, FeatureOverflowError: as in answer.
    """
    names = [graph.name for graph in graphs]
    if len(set(names)) < len(names):
        raise CompileError(f"expected graphs of different names, found {', '.join(names)}; rename one")
    entries = list(arrivals)
    found = [Answer({}) for _ in queries]
    for graph in graphs:
        asked = [part_of(graph, graphs, query) for query in queries]
        mine = answer(graph, entries, asked, strict=strict, tables=tables, end=end)
        found = [_joined(graph, one, other) for one, other in zip(found, mine, strict=True)]
    return found


def part_of(graph: Graph, graphs: Sequence[Graph], query: Mapping[str, Any]) -> dict[str, Any]:
    """Return QUERY as GRAPH alone would be asked: its own key, requests and candidates."""
    key, given = query.get("key"), query.get("request") or {}
    if not isinstance(key, Mapping) or not isinstance(given, Mapping):
        raise RequestError(
            f"expected a key and a request as names with values, found {key!r:.60} and {given!r:.60} in a "
            "query of several graphs; give {COLUMN: VALUE}"
        )
    known = {name for one in graphs for name in (*one.requests, *one.candidates)}
    if unknown := [name for name in given if name not in known]:
        raise RequestError(
            f"expected requests and candidates of the graphs ({', '.join(sorted(known)) or 'none'}), "
            f"found {unknown[0]!r:.60}; correct it or leave it out"
        )
    if missing := [column for one in graphs for column in columns_of(one.key) if column not in key]:
        raise RequestError(
            f"expected a value of {missing[0]} in the key, found {key!r:.60} in a query; "
            "give one of each column"
        )
    mine = {name: value for name, value in given.items() if name in (*graph.requests, *graph.candidates)}
    values = [key[column] for column in columns_of(graph.key)]
    # A request called like a key column reads that column.
    mine |= {name: key[name] for name in graph.requests if name in key}
    return {**query, "key": values[0] if isinstance(graph.key, str) else values, "request": mine}


def _joined(graph: Graph, sofar: Answer, mine: Answer) -> Answer:
    values = {f"{graph.name}.{name}": value for name, value in mine.values.items()}
    return Answer(sofar.values | values, (*sofar.partial, *(f"{graph.name}.{name}" for name in mine.partial)))
