"""Random nasty histories of a graph's events: arrivals and queries as golden cases hold them (GRAPH_JSON).

Events are duplicate, late, out of order, in the future, without a key, at equal times with and without a seq,
and exactly where a window of the graph begins or ends. Clocks move, events are forgotten, queries ask in
between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from featuregraph.graph import Graph
from featuregraph.ir import Op, toposort
from featuregraph.reference.fields import convert_or_null
from featuregraph.tables import TableSchema
from featuregraph.testing.values import SPAN, World, choose
from featuregraph.types import IDENTIFIER, INT64_MAX, Type

Json = dict[str, Any]
MAX_FUTURE_MS = 300_000
KEYS = ("u",) * 7 + ("v", "5", "")  # few keys with much to tell
# Columns of SEMANTICS 1.1 that are drawn apart from the declared fields.
_PLACED = frozenset({"event_id", "user_id", "event", "ts_ms", "seq", "known_ms"})
_COLUMNS = frozenset({"session_id", "page_id", "item_id"})


@dataclass(frozen=True, slots=True)
class Workload:
    """What arrives and what is asked; queries[i]["after"] never falls."""

    arrivals: list[Json]
    queries: list[Json]
    tables: dict[str, list[Json]] = field(default_factory=dict)
    end: int | None = None


def random_workload(
    rng: Random,
    world: World,
    graphs: Sequence[Graph],
    *,
    events: int = 30,
    queries: int = 8,
    plain: bool = False,
) -> Workload:
    """Return at most EVENTS arrivals and QUERIES queries for GRAPHS, which share their key.

    plain: each event has its own position and event_id, and nothing else arrives: any order gives the same.
    """
    maker = _Maker(rng, world, graphs, plain=plain)
    asked = sorted(maker.query_time() for _ in range(rng.randint(1, queries)))
    if rng.random() < 0.3:
        rng.shuffle(asked)
    arrivals = maker.arrivals(rng.randint(0, events), asked)
    afters = sorted(rng.randint(0, len(arrivals)) for _ in asked)
    if rng.random() < 0.6:  # as on a device: when most that happened before t has arrived
        afters = sorted(sum(entry.get("ts_ms", t) < t for entry in arrivals) for t in asked)
    found = [maker.query(t) | {"after": after} for t, after in zip(asked, afters, strict=True)]
    tables = {name: maker.rows(table) for graph in graphs for name, table in graph.tables.items()}
    labels = any(graph.labels for graph in graphs)
    return Workload(arrivals, found, tables, world.time(rng) if labels and rng.random() < 0.3 else None)


class _Maker:
    """One workload in the making."""

    def __init__(self, rng: Random, world: World, graphs: Sequence[Graph], *, plain: bool) -> None:
        self.rng = rng
        self.world = world
        self.columns = graphs[0].key_columns
        self.plain = plain
        self.fields: dict[str, dict[str, Type]] = {"unknown": {}}
        self.tables: dict[str, TableSchema] = {}
        self.requests: dict[str, Type] = {}
        self.candidates: dict[str, Type] = {}
        edges = {0}
        for graph in graphs:
            for event, fields in graph.events.items():
                self.fields.setdefault(event, {}).update(fields)
            self.tables |= graph.tables
            self.requests |= graph.requests
            self.candidates |= graph.candidates
            for node in toposort(graph.features.values()):
                if node.op is Op.AGG:
                    # Of a label, t and t + W.
                    edges |= {max(node["offset"], 0), node["offset"] + (node["over"] or 0), node["offset"]}
        self.edges = sorted(edges)
        # How seq comes: "explicit" ones are free; "mixed" ones collide now and then.
        self.seqs = "explicit" if plain else choose(rng, {"absent": 4, "explicit": 4, "mixed": 2})
        self.in_attrs = rng.random() < 0.7
        self.known = not plain and rng.random() < 0.5
        self._taken: set[tuple[str, int, int]] = set()
        self._ids: list[Any] = []
        self._last = world.base
        self._asked: Sequence[int] = ()  # times of queries
        self._times: list[int] = []  # of events

    def query_time(self) -> int:
        if self.world.huge and self.rng.random() < 0.05:
            return self.rng.choice((INT64_MAX, -INT64_MAX - 1, 2**62))
        return self.world.time(self.rng) + self.rng.choice((0, self.world.unit * SPAN // 2))

    def arrivals(self, count: int, asked: Sequence[int]) -> list[Json]:
        rng = self.rng
        times = [self._time(asked) for _ in range(count)]
        self._asked, self._times = asked, times
        order = rng.random()
        if order < 0.7:
            times.sort()
        if order < 0.45:
            for _ in range(count // 4):
                times.append(times.pop(rng.randrange(len(times))))  # late
        found = [self._event(ts) for ts in times]
        if self.plain:
            return found
        if rng.random() < 0.35:
            self._add_clocks(found)
        for _ in range(choose(rng, {0: 6, 1: 2, 2: 1})):
            found.insert(rng.randint(0, len(found)), {"forget": self._forgotten()})
        for table in self.tables.values():
            if table.changing and rng.random() < 0.3:
                entry = {"table": table.name, "rows": self.rows(table)}
                found.insert(rng.randint(0, len(found)), entry)
        return found

    def rows(self, table: TableSchema) -> list[Json]:
        """Return rows of TABLE: few keys, some at one time, some that are dropped."""
        rng, found, taken = self.rng, [], set()
        for _ in range(rng.randint(0, 12)):
            raw = self.world.raw(rng, table.key)
            key = convert_or_null(table.key, raw)
            if not table.changing and key in taken:
                continue
            taken.add(key)
            row = {"key": raw, **{name: self.world.raw(rng, type) for name, type in table.fields}}
            if table.changing:
                row["ts_ms"] = rng.choice((self.world.time(rng), rng.choice(self._asked or [0]), None))
            found.append(row)
        return found

    def _time(self, asked: Sequence[int]) -> int:
        rng = self.rng
        chance = rng.random()
        if chance < 0.35:
            ts = rng.choice(asked) - rng.choice(self.edges) + rng.choice((0, 0, 1, -1))
            self._last = ts if abs(ts) < 2**62 else self.world.base
        elif chance > 0.6:
            self._last = self.world.time(rng)
        if self.world.huge and chance < 0.02:
            return rng.choice((INT64_MAX, -INT64_MAX - 1))
        return self._last

    def _add_clocks(self, found: list[Json]) -> None:
        """Let the clock move, mostly on, so that some events lie just on either side of its future's end."""
        rng = self.rng
        clock = self.world.base - MAX_FUTURE_MS + rng.randrange(SPAN) * self.world.unit
        places = [0, *sorted(rng.randint(0, len(found)) for _ in range(3))]
        for shift, place in enumerate(places):
            found.insert(place + shift, {"clock": clock})
            clock += rng.choice((-1, 5, 10, 20)) * self.world.unit + rng.choice((0, 1))

    def _forgotten(self) -> Json:
        what = self.rng.choice(("before", "key", "event_id"))
        if what == "before":
            return {what: self.world.time(self.rng)}
        return {what: self.rng.choice(self._ids or ["e0"]) if what == "event_id" else self._key(KEYS)}

    def _key(self, values: Sequence[Any]) -> Any:
        """Return a key out of VALUES, a list where it has several columns."""
        found = [self.rng.choice(values) for _ in self.columns]
        return found[0] if len(found) == 1 else found

    def _event(self, ts: int) -> Json:
        rng = self.rng
        name = rng.choice(list(self.fields)) if rng.random() < 0.95 else "unknown"
        user = rng.choice(KEYS)
        event: Json = {"event": name, "ts_ms": ts, "user_id": user}
        if not self.plain:
            if rng.random() < 0.06:
                event["user_id"] = rng.choice((None, 5, 1.5, True, "\ud800"))
            if rng.random() < 0.03:
                del event["user_id"]
        seq = self._seq(user, ts)
        if seq is not None:
            event["seq"] = seq
        event_id = self._event_id()
        if event_id is not None:
            event["event_id"] = event_id
        if self.known:
            event["known_ms"] = rng.choice((None, ts, self.world.time(rng), rng.choice(self._asked), str(ts)))
        self._fill(event, self.fields.get(name, {}))
        return event

    def _fill(self, event: Json, declared: Mapping[str, Type]) -> None:
        """Give EVENT its fields, at the top level, in attrs or, the column being right, in both."""
        rng = self.rng
        attrs: Json = {}
        fields = dict(declared)
        fields |= {name: IDENTIFIER for name in self.columns if name not in _PLACED}
        for name, type in fields.items():
            if name in _PLACED or rng.random() < 0.05:
                continue
            raw = (
                rng.choice(KEYS) if name in self.columns and rng.random() < 0.9 else self.world.raw(rng, type)
            )
            if name in _COLUMNS or not self.in_attrs or rng.random() < 0.2:
                event[name] = raw
                if rng.random() < 0.1:
                    attrs[name] = self.world.raw(rng, type)  # never read
            else:
                attrs[name] = raw
        if attrs:
            event["attrs"] = attrs

    def _seq(self, user: str, ts: int) -> int | None:
        rng = self.rng
        if self.seqs == "absent" or (self.seqs == "mixed" and rng.random() < 0.5):
            return None
        seq = rng.randint(-1, 6)
        while self.seqs == "explicit" and (user, ts, seq) in self._taken:
            seq = rng.randint(-(10**6), 10**6)
        self._taken.add((user, ts, seq))
        return seq

    def _event_id(self) -> Any:
        rng = self.rng
        if self.plain or rng.random() < 0.7:
            if self._ids and not self.plain and rng.random() < 0.15:
                return rng.choice(self._ids)
            event_id = f"e{len(self._ids)}" if rng.random() < 0.9 else len(self._ids)
            self._ids.append(event_id)
            return event_id
        return None

    # ------------------------------------------------------------ queries

    def query(self, t: int) -> Json:
        rng = self.rng
        key = self._key(KEYS if rng.random() < 0.95 else (5, "nobody"))
        form: Json = {"key": key, "t": t}
        request = {n: self.world.raw(rng, type) for n, type in self.requests.items() if rng.random() < 0.9}
        length = rng.randint(0, 3)
        for name, type in self.candidates.items():
            if not length and rng.random() < 0.5:
                continue
            request[name] = [self.world.raw(rng, type) for _ in range(length)]
        if rng.random() < 0.02 and self.candidates:
            request[rng.choice(list(self.candidates))] = rng.choice(("ab", 3, [1], {"a": 1}))
        if rng.random() < 0.01:
            request["nobody asked"] = 1
        if request or rng.random() < 0.5:
            form["request"] = request
        if not self.plain and rng.random() < 0.2:
            form["as_known"] = True
            if rng.random() < 0.5:
                form["history_start_ms"] = rng.choice([*self._times, self.world.time(rng)])
        elif rng.random() < 0.05:
            form["history_start_ms"] = self.world.time(rng)  # alone it has no effect
        return form
