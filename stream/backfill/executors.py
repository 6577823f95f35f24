"""Who can answer recorded queries: the reference, and the device engine in each of its modes.

Each gives exactly the same values; they differ in speed. A further executor is one more row of `executor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Protocol

from featuregraph import FeatureOverflowError, Plan, RequestError
from featuregraph.answer import Answered, Outcome
from stream.backfill.history import Recorded, identifier
from stream.backfill.part import Executor
from stream.backfill.rowwise import Rowwise
from stream.engine import MODES, Engine, Mode
from stream.errors import BackfillError
from stream.log import EventLog
from stream.query import Query, ask

# One key at a time is held, so this bounds the largest user, not their number.
_KEY_MEMORY = "256MiB"


class RowExecutor(Protocol):
    """Answers the queries of one plan over recorded events, rows both."""

    @property
    def name(self) -> str:
        """Return what the executor is called."""
        ...

    @property
    def needs_log(self) -> bool:
        """Tell whether it reads the log; else it reads the chosen keys' rows."""
        ...

    def outcomes(
        self, plan: Plan, events: Recorded, queries: Sequence[Query]
    ) -> Iterator[tuple[int, Outcome]]:
        """Give the place and the outcome of each query, in any order.

        Raises:
            RequestError: a query has another form than the graph asks for; names its row.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reference(Rowwise):
    """The brute-force evaluator, one key at a time: keys never mix (SEMANTICS 1.1)."""

    name: str = "reference"
    needs_log: bool = False

    def outcomes(
        self, plan: Plan, events: Recorded, queries: Sequence[Query]
    ) -> Iterator[tuple[int, Outcome]]:
        """Give each query's answer from a log of its key alone."""
        from featuregraph import reference
        from featuregraph.reference import answers

        graph, log = plan.graph, None
        for key, places in by_key(queries):
            if log is None or events.split:
                log = reference.Log(graph.key, graph.events)
                for event in events.rows_of(key):
                    log.arrive(event)
            for place in places:
                yield place, _outcome(partial(answers.ask, graph, log), queries[place], place)


@dataclass(frozen=True, slots=True)
class Device(Rowwise):
    """The device engine in one mode, its time moving forward within each key."""

    mode: Mode = "auto"
    needs_log: bool = True

    @property
    def name(self) -> str:
        """Return the executor's name."""
        return f"device-{self.mode}"

    def outcomes(
        self, plan: Plan, events: Recorded, queries: Sequence[Query]
    ) -> Iterator[tuple[int, Outcome]]:
        """Give each query's vector, key after key; what was held of a key is dropped after it."""
        assert events.log is not None
        engine = Engine(events.log, mode=self.mode, memory_budget=_KEY_MEMORY)
        graph_id = engine.install(plan)
        for key, places in by_key(queries):
            extract = partial(ask, engine, graph_id, _nobody(events.log) if key is None else key)
            for place in places:
                yield place, _outcome(extract, queries[place], place)
            engine.memory_budget = 0
            engine.memory_budget = _KEY_MEMORY


def _outcome(answer: Callable[[Query], Answered], query: Query, place: int) -> Outcome:
    """Return what ANSWER gives; an error says of which query it speaks."""
    place = query.get("place", place)  # of a part of the queries: among all of them
    try:
        return answer(query)
    except FeatureOverflowError as error:
        return FeatureOverflowError(
            error.feature, f"query {place + 1}, key {query['key']!r:.60} at {query['t']}"
        )
    except RequestError as error:
        raise RequestError(f"query {place + 1}: {error}") from error


def by_key(queries: Sequence[Query]) -> Iterator[tuple[str | None, list[int]]]:
    """Give the places of each key's queries, in the order of their times; raise RequestError for no key."""
    keys = [_key(query, place) for place, query in enumerate(queries)]
    times = [query["t"] if isinstance(query["t"], int) else 0 for query in queries]
    order = sorted(range(len(queries)), key=lambda i: (keys[i] is not None, keys[i] or "", times[i], i))
    for key, places in groupby(order, key=keys.__getitem__):
        yield key, list(places)


def _key(query: Query, place: int) -> str | None:
    key = identifier(query["key"])
    if key is None and query["key"] is not None:
        raise RequestError(
            f"query {place + 1}: expected a key as a text or an int64, found {query['key']!r:.60}; correct it"
        )
    return key


def _nobody(log: EventLog) -> str:
    """Return a key without events: a null key sees none."""
    name = ""
    while log.max_ts(name) is not None:
        name += "-"
    return name


EXECUTORS: tuple[RowExecutor, ...] = (Reference(), *(Device(mode) for mode in MODES))


def executor(engine: str, mode: str) -> Executor:
    """Return the executor that ENGINE and, for the device, MODE name; raise BackfillError for none."""
    if engine == "reference":
        return Reference()
    if engine == "device":
        if mode not in MODES:
            raise BackfillError(f"expected a mode ({', '.join(MODES)}), found {mode!r}; correct it")
        return Device(mode)
    if engine == "local":
        raise BackfillError(
            'expected engine "device" or "reference", found "local"; it comes with columnar replay'
        )
    raise BackfillError(f"expected an engine (device, reference), found {engine!r}; correct it")
