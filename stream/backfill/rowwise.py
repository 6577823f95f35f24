"""Executors that take rows: the columns of a part as events one by one, their answers as columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from featuregraph import FeatureOverflowError, Plan, RequestError
from featuregraph.answer import Answered, Outcome
from stream.backfill.history import Key, Recorded, identifier, recorded
from stream.backfill.output import feature_table
from stream.backfill.part import Answers, Counts, Part
from stream.query import Query
from stream.tables import BATCH_ROWS

if TYPE_CHECKING:
    import pyarrow as pa


class Rowwise(ABC):
    """The half of an executor that turns columns into rows and back; `outcomes` is the other."""

    __slots__ = ()
    needs_log: bool  # whether it reads a log; else it reads the chosen keys' rows
    swell = 30  # a dict per event
    has_threads = False  # Python holds the interpreter's lock over them

    @abstractmethod
    def outcomes(
        self, plan: Plan, events: Recorded, queries: Sequence[Query]
    ) -> Iterator[tuple[int, Outcome]]:
        """Give the place in QUERIES and the outcome of each, in any order."""

    def answer(
        self, plans: Sequence[Plan], part: Part, done: Callable[[int], object], *, threads: int = 1
    ) -> Answers:
        """Return the features of PLANS at the queries of PART."""
        from featuregraph.arrow import read_queries

        asked = [read_queries(plan.graph, part.queries, as_known=part.given.as_known) for plan in plans]
        for queries in asked:
            for query, place in zip(queries, part.places, strict=True):
                query["place"] = int(place)
        chosen = () if self.needs_log else {key for key, _ in by_key(asked[0]) if key is not None}
        graphs = [plan.graph for plan in plans]
        with recorded(
            rows_of(part.events),
            graphs,
            name=part.name,
            log=self.needs_log,
            chosen=chosen,
            tables=part.given.tables,
            end=part.given.end,
        ) as known:
            found = [self._values(plan, known, rows, done) for plan, rows in zip(plans, asked, strict=True)]
        features = [feature_table(plan.graph, values) for plan, values in zip(plans, found, strict=True)]
        return Answers(features, counts_of(known))

    def _values(
        self, plan: Plan, known: Recorded, queries: Sequence[Query], done: Callable[[int], object]
    ) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = [{}] * len(queries)
        for place, outcome in self.outcomes(plan, known, queries):
            if isinstance(outcome, FeatureOverflowError):
                raise outcome
            found[place] = outcome.values
            done(1)
        return found


def rows_of(tables: Sequence[pa.Table]) -> Iterator[list[dict[str, Any]]]:
    """Give the rows of flat TABLES in batches; a null is left out."""
    from featuregraph.arrow import read_events

    for table in tables:
        for start in range(0, table.num_rows, BATCH_ROWS):
            rows = read_events(table.slice(start, BATCH_ROWS))
            yield [{name: value for name, value in row.items() if value is not None} for row in rows]


def counts_of(known: Recorded) -> Counts:
    """Return what became of events that were brought to a log, or not."""
    unparsable = Counter({f"{event}.{field}": n for (event, field), n in known.unparsable.items()})
    if known.log is None:
        return Counts(None, None, unparsable)
    return Counts(known.receipt.duplicate, known.receipt.quarantined, unparsable)


# ---------------------------------------------------------------- queries one by one


def outcome(answer: Callable[[Query], Answered], query: Query, place: int) -> Outcome:
    """Return what ANSWER gives; an error says of which query it speaks."""
    place = query.get("place", place)  # of a part of the queries: among all of them
    try:
        return answer(query)
    except FeatureOverflowError as error:
        return named(error, query, place)
    except RequestError as error:
        raise RequestError(f"query {place + 1}: {error}") from error


def named(error: FeatureOverflowError, query: Query, place: int) -> FeatureOverflowError:
    """Return ERROR with the QUERY of which it speaks."""
    return FeatureOverflowError(error.feature, f"query {place + 1}, key {query['key']!r:.60} at {query['t']}")


def by_key(queries: Sequence[Query]) -> Iterator[tuple[Key | None, list[int]]]:
    """Give the places of each key's queries, in the order of their times; raise RequestError for no key."""
    keys = [_key(query, place) for place, query in enumerate(queries)]
    times = [query["t"] if isinstance(query["t"], int) else 0 for query in queries]
    order = sorted(range(len(queries)), key=lambda i: (_parts(keys[i]), times[i], i))
    for key, places in groupby(order, key=keys.__getitem__):
        yield key, list(places)


def _key(query: Query, place: int) -> Key | None:
    """Return the key of QUERY, the one at PLACE; None where one of its values is null (SEMANTICS 11.1)."""
    given = query["key"]
    several = isinstance(given, list)
    values = given if several else [given]
    texts = [identifier(value) for value in values]
    if any(text is None and value is not None for text, value in zip(texts, values, strict=True)):
        raise RequestError(
            f"query {place + 1}: expected a key as a text or an int64, found {given!r:.60}; correct it"
        )
    known = tuple(text for text in texts if text is not None)
    if len(known) < len(values):
        return None
    return known if several else known[0]


def _parts(key: Key | None) -> tuple[str, ...]:
    """Return KEY in a form that has an order: none comes first."""
    return () if key is None else (key,) if isinstance(key, str) else key
