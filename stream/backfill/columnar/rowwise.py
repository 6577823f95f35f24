"""The columnar executor over rows in memory: for tests, and for comparing executors query by query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from featuregraph import Plan
from featuregraph.answer import Outcome
from featuregraph.errors import EventError, TableError
from stream.backfill.columnar.events import Events, known_events
from stream.backfill.columnar.fields import Fields
from stream.backfill.columnar.labels import settled
from stream.backfill.columnar.outcomes import outcomes
from stream.backfill.columnar.queries import of_rows
from stream.backfill.columnar.replay import answered, asks_for_seq
from stream.backfill.columnar.source import Raws, Source
from stream.backfill.columnar.tables import Tables
from stream.backfill.history import Rows
from stream.entries import entries_of

Entry = Mapping[str, Any]
NOTHING: Rows = MappingProxyType({})


def local_outcomes(
    plan: Plan,
    events: Sequence[Entry],
    queries: Sequence[Entry],
    *,
    strict: bool = False,
    tables: Rows = NOTHING,
    end: int | None = None,
) -> Iterator[Outcome]:
    """Give the outcome of each of QUERIES over EVENTS, in the order of arrival, and the rows of TABLES.

    A query that is refused ends it, after those before it. END is the last ms that counts as known.

    Raises:
        TableError: a table is not given, or a row of one is refused, with STRICT for an unparsable field too.
        EventError: an event is refused, with STRICT for an unparsable field too.
        RequestError: a query has another form than the graph asks for; names its row.
    """
    graph, source = plan.graph, Raws(events)
    for name, schema in graph.tables.items():
        if name not in tables:
            raise TableError(f"expected the rows of table {name!r}, found none; give it with the events")
        entries_of(schema, tables[name], strict=strict)  # for its errors
    known = known_events(
        source, graph.key_columns, tables=Tables(tables), with_seq=asks_for_seq([plan]), strict=strict
    )
    if strict:
        _check_fields(plan, source, known)
    asked, refused = of_rows(plan, queries, known.keys)
    (found,) = answered([plan], known, [asked], Fields(known))
    yield from outcomes(plan, settled(graph, found, asked.t, end), queries[: len(asked)])
    if refused is not None:
        raise refused


def _check_fields(plan: Plan, source: Source, known: Events) -> None:
    """Raise EventError for the first event with a declared field that is not of its type."""
    for event, fields in plan.graph.events.items():
        if event not in known.names:
            continue
        named = known.name == known.names.index(event)
        for name, type in fields.items():
            bad = source.read(name, type).bad
            if bad is not None and (row := np.flatnonzero(bad & named & (known.key >= 0))).size:
                raise EventError(
                    f"events, row {int(row[0]) + 1}: expected {type} as {name}, found another value;"
                    " mend it or lift strict"
                )
