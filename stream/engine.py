"""The device engine: many plans over one log, every value equal to the reference in every mode (stream.mode).

One lock per engine: an extraction moves states forward.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from featuregraph import CompileError, FeatureGraphError, FeatureVector, Plan, RequestError
from featuregraph.codegen import TABLES
from featuregraph.shown import shown
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.answerer import Answerer
from stream.asof import Source, Tables
from stream.cache import Kept
from stream.choice import Chooser, Costs
from stream.declared import Unknown
from stream.decode import Unparsable
from stream.errors import ArgumentError, StreamError
from stream.event import COLUMNS, Receipt
from stream.follower import Follower
from stream.installed import Installed, Together
from stream.key_state import KeyState
from stream.log import EventLog
from stream.mode import MODES, Mode
from stream.pace import PACE, Pace
from stream.query import key_of, name_of, time_of
from stream.served import Asked, public
from stream.sizes import parse_size

__all__ = ["MODES", "Engine", "Mode"]


class Engine:
    """Features of the device's events; `stream.mode` tells the modes."""

    def __init__(  # noqa: PLR0913 - the options of the contract
        self,
        log: EventLog,
        key: str | int | None = None,
        *,
        memory_budget: str | int = "16MiB",
        mode: Mode = "auto",
        strict: bool = False,
        declared_only: bool = False,
        tables: Mapping[str, Source] | None = None,
        pace: Pace = PACE,
        chooser: Chooser | None = None,
    ) -> None:
        """Open an engine on LOG.

        Args:
            key: the key of queries and of appended events that name none: the device's own user.
            memory_budget: bytes that rows and states may hold, estimated; beyond it keys are dropped, least
                recent first.
            mode: how values are computed; never what they are.
            strict: refuse an event with a value that is not of its declared type (SEMANTICS 2.2).
            declared_only: refuse an event with a name, its own or a field's, that no installed plan declares;
                without a plan there is nothing to compare it with.
            tables: the files of tables that plans read, by name; see `use_table` (SEMANTICS 10.5).
            pace: after how much work to tidy up; never changes an answer.
            chooser: how the aggregates of a key are kept, in modes with states; else "incremental" runs all,
                "auto" those that save most in the memory that there is. Never changes an answer.
        """
        if mode not in MODES:
            raise ArgumentError(f"expected a mode ({', '.join(MODES)}), found {mode!r}; correct it")
        if not isinstance(log, EventLog):
            raise ArgumentError(f"expected a log, found {shown(log)}; open it with EventLog(path)")
        self.log = log
        self.key = None if key is None else key_of(key)
        self.mode: Mode = mode
        self.strict = strict
        self.declared_only = declared_only
        self._lock = threading.RLock()
        self._plans: dict[str, Installed] = {}
        self._tables = Tables(tables or {})
        self._unparsable = Unparsable()
        self._unknown = Unknown(log.limits.max_counted)
        self._kept = Kept(parse_size(memory_budget))
        self._follower = Follower(log, self._kept, self._unparsable, pace)
        together = Together((), log.key, self._unparsable, pace, tables=self._tables)
        self._answerer = Answerer(
            log, self._kept, self._follower, together, mode=mode, pace=pace, chooser=chooser
        )
        log.save_first(self)

    # ---- plans

    def install(self, plan: Plan) -> str:
        """Take PLAN in and return its graph id; a plan that is installed already changes nothing.

        What the plans before share with it goes on as it is; only the rest is read from the log.
        """
        self._check(plan)
        with self._lock:
            if plan.id not in self._plans:
                self._take(plan)
                self._bind()
            return plan.id

    def upgrade(self, graph_id: str, plan: Plan) -> str:
        """Take PLAN in and the plan GRAPH_ID out, as one change; return the new graph id.

        States of what means the same in both go on.
        """
        self._check(plan)
        with self._lock:
            self._plan(graph_id)
            if plan.id not in self._plans:
                self._take(plan)
            if plan.id != graph_id:
                del self._plans[graph_id]
            self._bind()
            return plan.id

    def _take(self, plan: Plan) -> None:
        self._plans[plan.id] = Installed(plan, self._unparsable, self._tables)
        self._unknown.drop(plan.graph)

    def _check(self, plan: object) -> None:
        """Refuse what is no plan, or one of another key than the log's."""
        if not isinstance(plan, Plan):
            raise ArgumentError(f"expected a plan, found {shown(plan)}; install what graph.compile() returns")
        if labels := plan.graph.labels:
            raise CompileError(
                f"graph {plan.graph.name!r}: expected features that a device can know, found the labels "
                f"{', '.join(labels)}, which look ahead; install graph.serving().compile(), of the same id"
            )
        if plan.graph.key != self.log.key:
            raise CompileError(
                f"graph {plan.graph.name!r}: expected the key {self.log.key!r} of this device's log, "
                f"found {plan.graph.key!r}; compute it in the cloud and bring its values as a table or "
                "a request"
            )
        self._tables.check(plan.graph)

    def use_table(self, name: str, file: Source) -> None:
        """Let FILE stand for the table NAME from now on, at once and for all plans.

        What was answered stays; what is asked from now on is as if FILE had always been there (SEMANTICS
        10.3).

        Raises:
            TableFileError: it is no table, or damaged; the one before stands.
            TableError: it has not what an installed plan reads; the one before stands.
        """
        with self._lock:
            self._tables.use(name, file, {i: plan.graph for i, plan in self.plans.items()})
            self._kept.clear()

    @property
    def tables(self) -> dict[str, str]:
        """Return the version of each table."""
        with self._lock:
            return self._tables.versions

    def remove(self, graph_id: str) -> None:
        """Take the plan GRAPH_ID out."""
        with self._lock:
            self._plan(graph_id)
            del self._plans[graph_id]
            self._bind()

    @property
    def plans(self) -> dict[str, Plan]:
        """Return the installed plans by graph id."""
        with self._lock:
            return {graph_id: installed.plan for graph_id, installed in self._plans.items()}

    def _bind(self) -> None:
        """Run all plans together; what is kept of a key moves over at its next query."""
        plans = (installed.plan for installed in self._plans.values())
        self._answerer.together = self._together.followed_by(plans)
        self._kept.reconsider()

    @property
    def _together(self) -> Together:
        return self._answerer.together

    def _plan(self, graph_id: object) -> Installed:
        installed = self._plans.get(graph_id) if isinstance(graph_id, str) else None
        if installed is None:
            have = ", ".join(p.graph.name + " " + i[:12] for i, p in self.plans.items()) or "none"
            raise RequestError(
                f"expected the id of an installed plan ({have}), found {shown(graph_id, 20)}; "
                "install it first"
            )
        return installed

    # ---- events

    def append(self, event: Mapping[str, Any]) -> Receipt:
        """Append one event to the log; see append_many."""
        return self.append_many([event])

    def append_many(self, events: Iterable[Mapping[str, Any]], *, keep_known: bool = False) -> Receipt:
        """Append EVENTS to the log, all or none; those that name no key get the engine's.

        Args:
            keep_known: events carry their own known_ms, as imported ones do.

        Raises:
            EventError: an event is refused; none of them is kept.
            LogError: the log can not take them; none of them is kept.
        """
        with self._lock:
            mine = [self._own(event) for event in events]
            declared = self._together.declared
            for event in mine if self.strict or self.declared_only else ():
                if self.declared_only:
                    declared.check_names(event)
                if self.strict:
                    declared.check_values(event)
            receipt, rows = self.log.append_rows(mine, keep_known=keep_known)
            if self._plans:
                self._unknown.add(mine, declared)
            with self._follower:
                self._follower.take(rows)
            return receipt

    def _own(self, event: Any) -> Any:
        """Return EVENT, with the engine's key if it names none; what is no event is the log's to refuse."""
        if self.key is None or not isinstance(event, Mapping) or self.log.key in event:
            return event
        attrs = event.get("attrs")
        if self.log.key not in COLUMNS and isinstance(attrs, Mapping) and self.log.key in attrs:
            return event
        return {**event, self.log.key: self.key}

    def forget(self, **what: Any) -> int:
        """Remove events as EventLog.forget does: before=, key= or event_id=; return how many."""
        with self._lock:
            return self.log.forget(**what)

    def trim(self) -> int:
        """Remove from the log what no query of an installed plan can see from now on; return how many went.

        The widest window with its offset decides (SEMANTICS 1.6); events of which a plan reads the whole life
        stay. Now is the clock, or the latest event where the clock is ahead of it. Without a plan that has a
        window, all stays.
        """
        with self._lock:
            reaches = {scan.event: scan.reach for scan in self._together.binding.layout.scans.values()}
            widest = max((reach for reach in reaches.values() if reach is not None), default=None)
            latest = self.log.latest_ms
            if widest is None or latest is None:
                return 0
            before = max(min(self.log.clock.now_ms(), latest) - widest, INT64_MIN)
            whole = [name for name, reach in reaches.items() if reach is None]
            return self.log.trim(before=before, keep=whole)

    def save(self) -> None:
        """Save states in the log file, so that a restart reads no lifetime of events again.

        It is done after each `Pace.most_unsaved` events of a key, and as the log closes. What can not be
        written is left out: a snapshot is a hint.
        """
        with self._lock, suppress(FeatureGraphError, StreamError), self._follower:
            self._answerer.save()

    # ---- queries

    def extract(  # noqa: PLR0913 - the options of the contract
        self,
        graph_id: str,
        *,
        key: object = None,
        at_ms: int | None = None,
        request: Mapping[str, Any] | None = None,
        candidates: Mapping[str, Sequence[Any]] | None = None,
        as_known: bool = False,
        history_start_ms: int | None = None,
        record: bool = False,
        request_id: str | int | None = None,
    ) -> FeatureVector:
        """Return the features of the plan GRAPH_ID for KEY at AT_MS.

        Args:
            key: defaults to the engine's.
            at_ms: int64 ms; defaults to the clock, but after the latest event, so that the click that asked
                is seen.
            request: a value per request name.
            candidates: a list per candidate name, all of one length.
            as_known: count an event only if it was known at AT_MS (SEMANTICS 3.5); a device's own queries
                need not ask.
            history_start_ms: with as_known, count only events from then on.
            record: keep the answer in the log, with what it was computed from: `log.served()` gives it back,
                `headrace verify --served` computes it again.
            request_id: your own name of the request, kept in the record.

        Raises:
            RequestError: the query has another form than the graph asks for.
            FeatureOverflowError: a feature's value lies outside its type.
            LogError: the log can not be read, or the record not be kept; a LogCorruptError if its file is
                damaged.
        """
        with self._lock:
            installed = self._plan(graph_id)
            who = self._who(key)
            if history_start_ms is not None:
                time_of(history_start_ms, "history_start_ms")
            q = installed.plan.bind_request(request, candidates)
            if installed.plan.graph.tables:
                q[TABLES] = self._tables
            name = None
            if request_id is not None:
                name = name_of(request_id, self.log.limits.max_text, record=record)
            if self._answerer.remembers and not (as_known or record):
                t = self._now(who) if at_ms is None else time_of(at_ms, "at_ms")
                if (vector := self._answerer.from_memory(installed.plan, who, t, q)) is not None:
                    return vector
            with self._follower, self.log.snapshot():
                t = self._now(who) if at_ms is None else time_of(at_ms, "at_ms")
                # Alone, a start of the history has no effect.
                start = history_start_ms if as_known else None
                vector = self._from_log(installed, who, t, q, as_known=as_known, start=start)
                if record:
                    asked = Asked(who, *public(installed.plan.graph, q), as_known, start, name)
                    self.log.keep_served(installed.plan, asked, vector, seen_id=self._follower.cursor)
            return vector

    def _from_log(
        self,
        installed: Installed,
        key: str,
        t: int,
        q: Mapping[str, Any],
        *,
        as_known: bool,
        start: int | None,
    ) -> FeatureVector:
        """Return the features of one plan, inside a snapshot of the log; as known, of events from START."""
        now = self._follower.catch_up()
        self._unparsable.begin(key)
        if as_known:
            first = INT64_MIN if start is None else start
            values = self._answerer.as_known(installed, key, t, q, first)
        else:
            values = self._answerer.values(installed, key, t, q)
        self._unparsable.end(key, self._follower.cursor)
        plan = installed.plan
        held_from = max((ms for ms in (now.history_start_ms, start) if ms is not None), default=None)
        return FeatureVector(values, plan.id, t, now.known_ms, plan.partial(t, held_from))

    def _who(self, key: object) -> str:
        if key is not None:
            return key_of(key)
        if self.key is None:
            raise RequestError("expected a key, found none; pass key=, or open the engine with one")
        return self.key

    def _now(self, key: str) -> int:
        latest = self.log.max_ts(key)
        clock = self.log.clock.now_ms()
        return clock if latest is None else min(max(clock, latest + 1), INT64_MAX)

    # ---- what people ask about

    @property
    def keys_kept(self) -> int:
        """Return of how many keys rows and states are held."""
        return len(self._kept)

    @property
    def state_bytes(self) -> int:
        """Return an estimate of the bytes that rows and states hold."""
        return self._kept.bytes

    def memory(self, key: object = None) -> Costs | None:
        """Return what KEY takes node by node, what that saves, and what its events cost to read.

        None where nothing is kept of it, or no states: in modes that scan, and in "cached".
        """
        with self._lock:
            kept = self._kept.peek(self._who(key))
            if not isinstance(kept, KeyState) or kept.stale:
                return None
            return kept.costs(self._together.binding)

    @property
    def unparsable(self) -> dict[tuple[str, str], int]:
        """Return how many values were not of their declared type, by (event, field)."""
        with self._lock:
            return dict(self._unparsable.counts)

    @property
    def unknown(self) -> Mapping[str, int]:
        """Return how often events came with a name that no installed plan declares.

        By "event" for an event's own name and "event.field" for a field's, of all events appended through
        this engine since it has a plan: of what the log was given directly, or held before, nothing is
        counted, as no row is read for it. Beyond the log's `Limits.max_counted` names, further ones are
        counted together, under "". What a plan declares that comes later is counted no more.
        """
        with self._lock:
            return self._unknown.counts()

    @property
    def memory_budget(self) -> int:
        """Return the bytes that rows and states may hold; setting it is obeyed at once."""
        return self._kept.budget

    @memory_budget.setter
    def memory_budget(self, budget: str | int) -> None:
        with self._lock:
            self._kept.resize(parse_size(budget))
