"""Who can answer recorded queries: the reference, and the device engine in each of its modes.

Each gives exactly the same values; they differ in speed. A further executor is one more row of `executor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Protocol

from featuregraph import CompileError, FeatureOverflowError, Plan, RequestError
from featuregraph.answer import Answered, Outcome
from stream.backfill.history import Key, Recorded, identifier
from stream.engine import MODES, Engine, Mode
from stream.errors import BackfillError
from stream.log import EventLog
from stream.query import Query, ask

# One key at a time is held, so this bounds the largest user, not their number.
_KEY_MEMORY = "256MiB"


class Executor(Protocol):
    """Answers the queries of one plan over recorded events."""

    @property
    def name(self) -> str:
        """Return what the executor is called."""
        ...

    @property
    def needs_log(self) -> bool:
        """Tell whether it reads the log; else it reads the chosen keys' rows."""
        ...

    def check(self, plan: Plan) -> None:
        """Raise CompileError if it does not compute PLAN, before any work."""
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
class Reference:
    """The brute-force evaluator, one key at a time: keys never mix (SEMANTICS 1.1)."""

    name: str = "reference"
    needs_log: bool = False

    def check(self, plan: Plan) -> None:
        """Do nothing: it computes whatever compiles."""

    def outcomes(
        self, plan: Plan, events: Recorded, queries: Sequence[Query]
    ) -> Iterator[tuple[int, Outcome]]:
        """Give each query's answer from a log of its key alone."""
        from featuregraph import reference
        from featuregraph.reference import answers

        graph, log = plan.graph, None
        tables = reference.opened(graph.tables, events.tables)
        answer = partial(answers.ask, graph, tables=tables, end=events.end)
        for key, places in by_key(queries):
            if log is None or events.split:
                log = reference.Log(graph.key, graph.events)
                for event in events.rows_of(key):
                    log.arrive(event)
            for place in places:
                yield place, _outcome(partial(answer, log), queries[place], place)


@dataclass(frozen=True, slots=True)
class Device:
    """The device engine in one mode, its time moving forward within each key."""

    mode: Mode = "auto"
    needs_log: bool = True

    @property
    def name(self) -> str:
        """Return the executor's name."""
        return f"device-{self.mode}"

    def check(self, plan: Plan) -> None:
        """Refuse labels and keys of several columns (SEMANTICS 9.2, 11.3)."""
        graph = plan.graph
        for found in (
            f"the labels {', '.join(graph.labels)}" if graph.labels else "",
            f"the tables {', '.join(graph.tables)}" if graph.tables else "",
            f"a key of the columns {', '.join(graph.key_columns)}" if len(graph.key_columns) > 1 else "",
        ):
            if found:
                raise CompileError(
                    f"graph {graph.name!r}: expected what a device computes, found {found}; "
                    'take engine "reference"'
                )

    def outcomes(
        self, plan: Plan, events: Recorded, queries: Sequence[Query]
    ) -> Iterator[tuple[int, Outcome]]:
        """Give each query's vector, key after key; what was held of a key is dropped after it."""
        assert events.log is not None
        engine = Engine(events.log, mode=self.mode, memory_budget=_KEY_MEMORY)
        graph_id = engine.install(plan)
        for key, places in by_key(queries):
            assert not isinstance(key, tuple), "refused by check"
            extract = partial(ask, engine, graph_id, _nobody(events.log) if key is None else key)
            for place in places:
                yield place, _outcome(extract, queries[place], place)
            engine.memory_budget = 0
            engine.memory_budget = _KEY_MEMORY


def _outcome(answer: Callable[[Query], Answered], query: Query, place: int) -> Outcome:
    """Return what ANSWER gives; an error says of which query it speaks."""
    try:
        return answer(query)
    except FeatureOverflowError as error:
        return FeatureOverflowError(
            error.feature, f"query {place + 1}, key {query['key']!r:.60} at {query['t']}"
        )
    except RequestError as error:
        raise RequestError(f"query {place + 1}: {error}") from error


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


def _nobody(log: EventLog) -> str:
    """Return a key without events: a null key sees none."""
    name = ""
    while log.max_ts(name) is not None:
        name += "-"
    return name


EXECUTORS: tuple[Executor, ...] = (Reference(), *(Device(mode) for mode in MODES))


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
