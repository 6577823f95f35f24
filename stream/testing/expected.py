"""What a log holds after some steps of a life, by the reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import Any, NamedTuple

from featuregraph.errors import EventError
from featuregraph.reference import Log
from featuregraph.reference.answers import ask
from stream.codec import full_decoder
from stream.log import EventLog
from stream.testing.lives import DAY_MS, FIELDS, GRAPH, GRAPHS, KEYS, NOW, Life, Step

Held = tuple[tuple[object, ...], ...]


class Answered(NamedTuple):
    """An answer that was kept."""

    request_id: str
    key: str
    at_ms: int
    values: str
    seen: frozenset[tuple[int, int]]  # ts_ms and seq of the events of the key that it may stand on


@dataclass(frozen=True)
class Expected:
    """What a log holds after some steps of a life, by the reference; nothing changes it."""

    log: Log = field(default_factory=lambda: Log("user_id", GRAPH.events))
    clock_ms: int = NOW
    known_ms: int | None = None
    served: tuple[Answered, ...] = ()
    graph: int = 0  # that is installed

    def after(self, step: Step) -> Expected:
        """Return what it holds when STEP is done too."""
        match step:
            case {"append": events} | {"hand": events}:
                return self._appended(events)
            case {"trim": ms}:
                log = deepcopy(self.log)
                log.arrive({"forget": {"before": ms}})
                return replace(self, log=log)
            case {"forget": what}:
                log = deepcopy(self.log)
                log.arrive({"forget": what})
                left = [one for one in self.served if _may_stay(one, what, self.log, log)]
                return replace(self, log=log, served=tuple(left))
            case {"clock": ms}:
                return replace(self, clock_ms=ms)
            case {"upgrade": number}:
                return replace(self, graph=number)
            case {"serve": request_id, "key": key, "at_ms": ms}:
                values = repr(self.value(key, ms))
                one = Answered(request_id, key, ms, values, _places(self.log, key, ms))
                return replace(self, served=(*self.served, one))
        return self

    def after_all(self, steps: Iterable[Step]) -> Expected:
        """Return what it holds when all STEPS are done."""
        return reduce(Expected.after, steps, self)

    def _appended(self, events: Sequence[Mapping[str, Any]]) -> Expected:
        known_ms = self.clock_ms if self.known_ms is None else max(self.clock_ms, self.known_ms)
        log = deepcopy(self.log)
        log.clock_ms = self.clock_ms
        try:
            for event in events:
                log.append({**event, "known_ms": known_ms})
        except EventError:
            return self  # nothing of the call is kept
        return replace(self, log=log, known_ms=known_ms)

    @cached_property
    def held(self) -> Held:
        """The events in order, by key, and those kept apart."""
        rows = [
            (r.key, r.ts_ms, r.seq, r.event, r.event_id, r.known_ms, *(r.fields.get(f) for f in FIELDS))
            for key in sorted(self.log.rows)
            for r in self.log.ordered(key)
        ]
        apart = [
            ("apart", r.row.key, r.row.ts_ms, r.row.event_id) for r in self.log.refused if r.clause == "1.5"
        ]
        return (*rows, *apart, *(("served", *one[:4]) for one in self.served))

    @cached_property
    def values(self) -> list[Mapping[str, object]]:
        """The features of each key at each of `moments`."""
        return [self.value(key, t) for key in KEYS for t in self.moments()]

    def value(self, key: str, ms: int) -> Mapping[str, object]:
        """Return the features of KEY at MS."""
        return ask(GRAPHS[self.graph], self.log, {"key": key, "t": ms}).values

    def moments(self) -> tuple[int, ...]:
        """Return the times that are asked about."""
        return self.clock_ms - DAY_MS, self.clock_ms + 1


def _places(log: Log, key: str, until_ms: int) -> frozenset[tuple[int, int]]:
    return frozenset((row.ts_ms, row.seq) for row in log.rows.get(key, ()) if row.ts_ms <= until_ms)


def _may_stay(one: Answered, what: Mapping[str, Any], before: Log, after: Log) -> bool:
    """Tell whether an answer stays when WHAT is forgotten: it goes with its key, or an event that it saw."""
    if "key" in what:
        return one.key != str(what["key"])
    gone = _places(before, one.key, one.at_ms) - _places(after, one.key, one.at_ms)
    return not gone & one.seen


def expected(life: Life) -> list[Expected]:
    """Return what the log of LIFE holds before its first step and after each."""
    found = [Expected().after_all(life.found)]
    for step in life.steps:
        found.append(found[-1].after(step))
    return found


def held(log: EventLog) -> Held:
    """Return what LOG holds in the form of `Expected.held`."""
    decode = full_decoder()
    rows = []
    for key in log.keys():  # noqa: SIM118 - a log is no mapping
        for r in log.scan(key, None, None, None):
            given = {**decode(r.payload), "session_id": r.session_id}
            rows.append(
                (r.key, r.ts_ms, r.seq, r.name, r.event_id, r.known_ms, *(given.get(f) for f in FIELDS))
            )
    apart = [("apart", one.key, one.event["ts_ms"], one.event.get("event_id")) for one in log.quarantined()]
    served = [
        ("served", one.asked.request_id, one.asked.key, one.vector.at_ms, repr(dict(one.vector.values)))
        for one in log.served()
        if one.asked.request_id is not None
    ]
    return (*rows, *apart, *served)
