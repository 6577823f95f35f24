"""The columnar executor over rows in memory: for tests, and for comparing executors query by query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from featuregraph import Plan
from featuregraph.answer import Outcome
from featuregraph.errors import EventError
from stream.backfill.columnar.events import Events, known_events
from stream.backfill.columnar.fields import Fields
from stream.backfill.columnar.outcomes import outcomes
from stream.backfill.columnar.queries import of_rows
from stream.backfill.columnar.replay import answered, asks_for_seq
from stream.backfill.columnar.source import Raws, Source

Entry = Mapping[str, Any]


def local_outcomes(
    plan: Plan, events: Sequence[Entry], queries: Sequence[Entry], *, strict: bool = False
) -> Iterator[Outcome]:
    """Give the outcome of each of QUERIES over EVENTS, in the order of arrival.

    A query that is refused ends it, after those before it.

    Raises:
        EventError: an event is refused, with STRICT for an unparsable field too.
        RequestError: a query has another form than the graph asks for; names its row.
    """
    source = Raws(events)
    known = known_events(source, str(plan.graph.key), with_seq=asks_for_seq([plan]), strict=strict)
    if strict:
        _check_fields(plan, source, known)
    asked, refused = of_rows(plan, queries, known.keys)
    (found,) = answered([plan], known, [asked], Fields(known))
    yield from outcomes(plan, found, queries[: len(asked)])
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
