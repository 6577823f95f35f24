"""A part of a run over columns: flat Arrow tables in, a table of features out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from featuregraph import FeatureOverflowError, Plan
from featuregraph.arrays.column import Column, Words
from featuregraph.types import ListType, RecordType
from stream.backfill.columnar.arrow import arrays_of
from stream.backfill.columnar.events import known_events
from stream.backfill.columnar.fields import Fields
from stream.backfill.columnar.labels import settled
from stream.backfill.columnar.nested import Nested, Values
from stream.backfill.columnar.queries import of_table
from stream.backfill.columnar.replay import answered, asks_for_seq
from stream.backfill.columnar.source import Flat
from stream.backfill.columnar.unparsable import unparsable
from stream.backfill.part import Answers, Counts, Part
from stream.backfill.threads import in_order
from stream.errors import BackfillError


def answer(plans: Sequence[Plan], part: Part, done: Callable[[int], object], *, threads: int = 1) -> Answers:
    """Return the features of PLANS, which are of one key, at the queries of PART, by so many THREADS."""
    source = Flat(part.events)
    events = known_events(
        source,
        plans[0].graph.key_columns,
        tables=part.given.columns,
        with_seq=asks_for_seq(plans),
        threads=threads,
    )
    known = part.given.as_known
    asked = [of_table(plan, part.queries, events.keys, part.places, as_known=known) for plan in plans]
    fields = Fields(events)
    found = answered(plans, events, asked, fields, done, threads=threads)
    end = part.given.end
    found = [
        settled(plan.graph, values, queries.t, end)
        for plan, values, queries in zip(plans, found, asked, strict=True)
    ]
    for plan, values in zip(plans, found, strict=True):
        _check_overflow(plan, values, part)
    features = [_table(plan, values, threads) for plan, values in zip(plans, found, strict=True)]
    names = Column(events.name, None, Words(events.names))
    return Answers(features, Counts(events.duplicate, 0, unparsable(plans, source, names, fields.bad)))


def _check_overflow(plan: Plan, values: Mapping[str, Values], part: Part) -> None:
    """Raise FeatureOverflowError for the first query with an overflow, and its first feature that has one."""
    first = {
        name: int(np.flatnonzero(found.over)[0])
        for name, found in values.items()
        if found.over is not None and found.over.any()
    }
    if first:
        name = min(first, key=lambda one: (first[one], one))
        row = first[name]
        *key, t = (part.queries.column(one)[row].as_py() for one in (*plan.graph.key_columns, "ts_ms"))
        shown = key if len(key) > 1 else key[0]
        raise FeatureOverflowError(name, f"query {part.places[row] + 1}, key {shown!r:.60} at {t}")


def _table(plan: Plan, values: dict[str, Values], threads: int) -> pa.Table:
    try:
        made = in_order(lambda name: _columns(plan, name, values.pop(name)), list(values), threads)
        return pa.table(dict(column for columns in made for column in columns))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowCapacityError) as error:
        said = str(error).splitlines()[0]
        raise BackfillError(
            f"graph {plan.graph.name!r}: expected values that Arrow can hold, found: {said}; shorten the text"
        ) from error


def _columns(plan: Plan, name: str, found: Values) -> list[tuple[str, pa.ChunkedArray]]:
    """Return the columns of the feature NAME, whose values are FOUND."""
    node = plan.graph.features[name]
    if not isinstance(node.type, RecordType):
        return [(name, arrays_of(node.type, found, per_candidate=node.per_candidate))]
    assert isinstance(found, Nested)
    return [
        (
            f"{name}.{item}",
            arrays_of(ListType(type), Nested(found.offsets, {"item": found.parts[item]}, known=found.known)),
        )
        for item, type in node.type.items
    ]
