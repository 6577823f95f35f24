"""The device engine: many plans over one log, every value equal to the reference in every mode.

    naive        per feature and aggregate: retrieve, decode, filter, compute
    fused        one retrieval per reach, one decoding per event, filters and windows shared
    cached       fused, with the decoded rows of events kept from query to query, as the memory budget allows
    incremental  cached, with running states: a query costs the rows that came and went
    auto         incremental as far as the memory budget goes, chosen node by node; fused for the rest

One lock per engine: an extraction moves states forward. A query before an earlier one is answered by a scan
of the log.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal, get_args

from featuregraph import CompileError, FeatureGraphError, FeatureVector, Plan, RequestError
from featuregraph.convert import BAD, converter
from featuregraph.shown import shown
from featuregraph.types import IDENTIFIER, INT64_MAX, INT64_MIN
from stream.answers import Asked as Answering
from stream.binding import Binding, Reading
from stream.blocks.runs import Found
from stream.cache import WEIGH_EVERY, Kept
from stream.choice import STATES, Choice, Chooser, Costs
from stream.declared import Unknown
from stream.decode import ID, TS, Decoder, EventRow, Unparsable
from stream.errors import ArgumentError, LogError
from stream.event import COLUMNS, Receipt, Row
from stream.event_rows import EventRows
from stream.installed import Installed, Together
from stream.key_cache import KeyCache
from stream.key_rows import Fetch, FetchSince, KeyRows, read_rows
from stream.key_state import KeyState
from stream.log import EventLog, Standing
from stream.pace import PACE, Pace
from stream.served import Asked, public
from stream.sizes import parse_size
from stream.snapshot import FORMAT, Snapshot, pack, unpack

Mode = Literal["naive", "fused", "cached", "incremental", "auto"]
MODES: tuple[Mode, ...] = get_args(Mode)
_KEEPING: frozenset[Mode] = frozenset({"cached", "incremental", "auto"})
_RUNNING: frozenset[Mode] = frozenset({"incremental", "auto"})

_identifier = converter(IDENTIFIER)


class Engine:
    """Features of the device's events; see the module for the modes."""

    def __init__(
        self,
        log: EventLog,
        key: str | int | None = None,
        *,
        memory_budget: str | int = "16MiB",
        mode: Mode = "auto",
        strict: bool = False,
        declared_only: bool = False,
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
            pace: after how much work to tidy up; never changes an answer.
            chooser: how the aggregates of a key are kept, in modes with states; else "incremental" runs all,
                "auto" those that save most in the memory that there is. Never changes an answer.
        """
        if mode not in MODES:
            raise ArgumentError(f"expected a mode ({', '.join(MODES)}), found {mode!r}; correct it")
        if not isinstance(log, EventLog):
            raise ArgumentError(f"expected a log, found {shown(log)}; open it with EventLog(path)")
        self.log = log
        self.key = None if key is None else _key(key)
        self.mode: Mode = mode
        self.strict = strict
        self.declared_only = declared_only
        # What nobody else can have moved, and is held, is answered without the log.
        self._remembers = mode in _RUNNING and not log.read_only
        self._lock = threading.RLock()
        self._plans: dict[str, Installed] = {}
        self._pace = pace
        self._chooser = chooser
        self._unparsable = Unparsable()
        self._unknown = Unknown(log.limits.max_counted)
        self._together = Together((), log.key, self._unparsable, pace)
        self._kept = Kept(parse_size(memory_budget))
        self._pending: list[Row] = []
        self._whole = _Whole(self._kept, self._pending)
        self._cursor = log.last_id  # rows up to this id are pending or taken
        self._generation = log.generation
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
        self._plans[plan.id] = Installed(plan, self._unparsable)
        self._unknown.drop(plan.graph)

    def _check(self, plan: object) -> None:
        """Refuse what is no plan, or one of another key than the log's."""
        if not isinstance(plan, Plan):
            raise ArgumentError(f"expected a plan, found {shown(plan)}; install what graph.compile() returns")
        if plan.graph.key != self.log.key:
            raise CompileError(
                f"graph {plan.graph.name!r}: expected the key {self.log.key!r} of this device's log, "
                f"found {plan.graph.key!r}; compute it in the cloud and bring its values as a table or "
                "a request"
            )

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
        self._together = self._together.followed_by(installed.plan for installed in self._plans.values())
        self._kept.reconsider()

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
            if rows and rows[0].id == self._cursor + 1:
                self._pending.extend(rows)
                self._cursor = rows[-1].id
                if len(self._pending) > self._pace.most_pending:
                    with self._whole:
                        self._drain()
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
        with self._lock, suppress(FeatureGraphError):
            if self._generation == self.log.generation:
                self._drain()
                for key, kept in self._kept.items():
                    if kept.unsaved >= self._pace.least_marked:
                        self._save(key, kept)

    def _save(self, key: str, kept: KeyCache) -> None:
        kept.unsaved = 0
        whole = kept.binding is self._together.binding
        if not isinstance(kept, KeyState) or not whole or kept.stale or self.log.read_only:
            return
        if cells := kept.saved():
            found = Snapshot(FORMAT, self._generation, self._cursor, kept.t, cells)
            with suppress(LogError, UnicodeEncodeError):
                self.log.keep_snapshot(key, pack(found))

    def _drain(self) -> None:
        """Push the rows that arrived since the last query into what is kept of their keys."""
        if not self._pending:
            return
        with self._decoding():
            for key, rows in self._by_key(self._pending):
                kept = self._kept.peek(key)
                if kept is not None:
                    self._unparsable.begin(key)
                    kept.push(rows)
                    self._unparsable.end(key, rows[-1].id)
                    if kept.unweighed > WEIGH_EVERY:
                        self._kept.weigh(key)
        self._pending.clear()

    @staticmethod
    def _by_key(rows: Iterable[Row]) -> Iterable[tuple[str, list[Row]]]:
        """Return ROWS by key, those of a key in the order in which they arrived."""
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for row in rows:
            found[row.key].append(row)
        return found.items()

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        """Tell damage of the file by its name, where stored rows are decoded and put in order.

        Only here: what fails on rows that are in order is a fault of ours, and the file is not read for it.
        """
        try:
            yield
        except (TypeError, ValueError) as error:
            found = self.log.explained(error)
            if found is error:
                raise
            raise found from error

    def _catch_up(self) -> Standing:
        """Take in what was appended or forgotten since the last query, by whomever."""
        now = self.log.standing()
        if now.generation != self._generation or now.last_id - self._cursor > self._pace.most_taken:
            self._kept.clear()
            self._pending.clear()
            self._generation = now.generation
            self._cursor = now.last_id
        for found in self._arrived(self._cursor, now.last_id):
            self._pending.extend(found)
            self._cursor = found[-1].id
            self._drain()
        self._cursor = now.last_id
        self._drain()
        return now

    def _arrived(self, since: int, until: int) -> Iterator[list[Row]]:
        """Give the rows that arrived after the id SINCE, up to UNTIL, some at a time."""
        while since < until and (found := self.log.rows_after(since, self._pace.most_pending)):
            yield found
            since = found[-1].id

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
            plan = installed.plan
            who = self._who(key)
            first = INT64_MIN if history_start_ms is None else _time(history_start_ms, "history_start_ms")
            q = plan.bind_request(request, candidates)
            name = None if request_id is None else self._request_id(request_id, record=record)
            if self._remembers and not (as_known or record):
                with self._whole:
                    t = self._now(who) if at_ms is None else _time(at_ms, "at_ms")
                    if (vector := self._from_memory(plan, who, t, q)) is not None:
                        return vector
            with self._whole, self.log.snapshot():
                t = self._now(who) if at_ms is None else _time(at_ms, "at_ms")
                now = self._catch_up()
                self._unparsable.begin(who)
                if as_known:
                    rows = self._scan(who, installed.alone, t, known_from=first)
                    values = plan.publish(plan.read(rows.fold(range(len(plan.aggregates)), t, q), t, q))
                else:
                    values = self._values(installed, who, t, q)
                    history_start_ms = None  # alone it has no effect
                self._unparsable.end(who, self._cursor)
                starts = (now.history_start_ms, history_start_ms)
                start = max((ms for ms in starts if ms is not None), default=None)
                vector = FeatureVector(values, plan.id, t, now.known_ms, plan.partial(t, start))
                if record:
                    given = public(plan.graph, q)
                    asked = Asked(who, *given, as_known, history_start_ms, name)
                    self.log.keep_served(plan, asked, vector, seen_id=self._cursor)
            return vector

    def _from_memory(self, plan: Plan, key: str, t: int, q: Mapping[str, Any]) -> FeatureVector | None:
        """Return the answer where all that it reads is held and has been told; None: the log must be read."""
        now = self.log.still_at(self._generation, self._cursor)
        if now is None:
            return None
        self._drain()
        kept = self._kept.get(key)
        if not isinstance(kept, KeyState) or kept.stale or t < kept.t:
            return None
        serving = self._together.serving(kept.choice)
        if kept.binding is not serving.binding or plan.id in serving.logs:
            return None
        values = self._answered(kept, serving.asked[plan.id], key, t, q, _nowhere)
        return FeatureVector(values, plan.id, t, now.known_ms, plan.partial(t, now.history_start_ms))

    def _values(self, installed: Installed, key: str, t: int, q: Mapping[str, Any]) -> dict[str, Any]:
        plan = installed.plan
        if self.mode == "naive":
            raw: list[Any] = []
            for bindings, read in installed.features:
                states = [self._scan(key, binding, t).fold([0], t, q)[0] for binding in bindings]
                raw.extend(read(states, t, q))
            return plan.publish(tuple(raw))
        kept = self._keep(key, t)
        if kept is None:
            rows = self._scan(key, installed.alone, t)
            return plan.publish(plan.read(rows.fold(range(len(plan.aggregates)), t, q), t, q))
        serving = self._together.serving(kept.choice)

        def scan() -> KeyRows:
            return self._scan(key, serving.logs[plan.id], t)

        def decoded(reading: Reading) -> list[EventRow]:
            with self._decoding():
                return read_rows(reading, self._fetch(key, t, INT64_MAX + 1))

        source = decoded if isinstance(kept, EventRows) else scan
        return self._answered(kept, serving.asked[plan.id], key, t, q, source)

    def _answered(
        self, kept: KeyCache, asked: Answering, key: str, t: int, q: Mapping[str, Any], source: Any
    ) -> dict[str, Any]:
        """Return what KEPT of KEY answers; see to it that it is saved and weighed when that is due."""
        values = kept.answer(asked, t, q, source)
        if kept.unsaved >= self._pace.most_unsaved:
            self._save(key, kept)
        if kept.unweighed > WEIGH_EVERY:
            self._kept.weigh(key)
        return values

    def _keep(self, key: str, t: int) -> KeyCache | None:
        """Return what is kept of KEY for a query at T, None where a scan must answer it."""
        if self.mode not in _KEEPING:
            return None
        choice = STATES
        kept = self._kept.get(key)
        if kept is not None and kept.stale:
            self._kept.drop(key)
            choice, kept = kept.choice, None
        if kept is None:
            if not self._kept.fits(key):
                return None
            kept = self._resumed(key, t, choice)
            if kept is None:
                kept = self._new(t, choice)
                with self._decoding():
                    kept.load(self._fetch(key, t, INT64_MAX + 1), t)
            self._kept.put(key, kept)
        if t < kept.t:
            return None
        binding = self._serve(kept.choice)
        if kept.binding is not binding:
            with self._decoding():
                kept.move(binding, self._fetch(key, kept.t, INT64_MAX + 1))
        return kept

    def _new(self, t: int, choice: Choice) -> KeyCache:
        """Return room for a key that is kept in the ways of CHOICE."""
        if self.mode == "cached":
            return EventRows(self._together.binding, t)
        return self._new_state(t, choice)

    def _new_state(self, t: int, choice: Choice) -> KeyState:
        if self._chooser is not None:
            choice = self._chooser(self._together.binding.layout)
        fits = self.mode == "auto" and self._chooser is None
        return KeyState(self._serve(choice), t, choice, self._serve if fits else None)

    def _serve(self, choice: Choice) -> Binding:
        return self._together.serving(choice).binding

    def _resumed(self, key: str, t: int, choice: Choice) -> KeyCache | None:
        """Return what was saved of KEY with what arrived since; None where it does not hold at T."""
        # Only what is kept as a whole is saved.
        whole = self.mode != "cached" and self._chooser is None and choice == STATES
        data = self.log.snapshot_of(key) if whole else None
        if data is None:
            return None
        try:
            saved = unpack(data)
            since = self._cursor - saved.last_id
            if saved.generation != self._generation or saved.t > t or not 0 <= since <= self._pace.most_taken:
                return None
            kept = self._new_state(saved.t, choice)
            kept.resume(saved, self._fetch_until(key, saved.last_id))
            for found in self._arrived(saved.last_id, self._cursor):
                kept.push([row for row in found if row.key == key])
        except (TypeError, ValueError):
            return None  # the events themselves tell what is wrong, if it is them
        return None if kept.stale else kept

    def _scan(self, key: str, binding: Binding, t: int, *, known_from: int | None = None) -> KeyRows:
        """Return the rows that BINDING needs at T, read from the log; as known, from KNOWN_FROM on."""
        fetch = self._fetch(key, t, t + 1) if known_from is None else self._fetch_known(key, t, known_from)
        found = KeyRows(binding)
        with self._decoding():
            found.load(fetch, t)
        return found

    def _fetch(self, key: str, t: int, hi: int) -> Fetch:
        """Return the function that reads the rows of KEY before HI which a query at T reaches."""

        def fetch(decoder: Decoder) -> Found:
            return self.log.scan_runs(key, decoder.event, _begin(decoder, t), hi, decoder.columns)

        return fetch

    def _fetch_until(self, key: str, last_id: int) -> FetchSince:
        """Return the function that reads the rows of KEY from a time on that had arrived up to LAST_ID."""

        def fetch(decoder: Decoder, since: int) -> Found:
            event, columns, hi = decoder.event, decoder.columns, INT64_MAX + 1
            if last_id == self._cursor:
                return self.log.scan_runs(key, event, since, hi, columns)
            rows = self.log.scan_columns(key, (event,), since, hi, columns)
            return Found([row for row in rows if row[ID] <= last_id])

        return fetch

    def _fetch_known(self, key: str, t: int, start: int) -> Fetch:
        """Return `_fetch` without what was not known at T or lies before START (SEMANTICS 3.5)."""

        def fetch(decoder: Decoder) -> Found:
            columns = (*decoder.columns, "known_ms")
            rows = self.log.scan_columns(key, (decoder.event,), _begin(decoder, t), t + 1, columns)
            return Found([r for r in rows if (r[-1] is None or r[-1] <= t) and r[TS] >= start])

        return fetch

    def _who(self, key: object) -> str:
        if key is None and self.key is None:
            raise RequestError("expected a key, found none; pass key=, or open the engine with one")
        return self.key if key is None else _key(key)  # type: ignore[return-value]

    def _now(self, key: str) -> int:
        latest = self.log.max_ts(key)
        clock = self.log.clock.now_ms()
        return clock if latest is None else min(max(clock, latest + 1), INT64_MAX)

    def _request_id(self, given: object, *, record: bool) -> str:
        if not record:
            raise RequestError(
                f"expected record=True beside a request_id, found {shown(given)} alone; pass both or none"
            )
        name, longest = _identifier(given), self.log.limits.max_text
        if not isinstance(name, str) or len(name) > longest:
            raise RequestError(
                f"expected request_id as text of at most {longest} characters, found {shown(given)};"
                " give another one"
            )
        return name

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


class _Whole:
    """Around what changes KEPT and PENDING: of what a failure may have left half done nothing is kept."""

    def __init__(self, kept: Kept, pending: list[Row]) -> None:
        self._kept = kept
        self._pending = pending

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is not None and not issubclass(kind, FeatureGraphError):
            self._kept.clear()
            self._pending.clear()


def _begin(decoder: Decoder, t: int) -> int:
    """Return from when on a query at T reaches the events of DECODER."""
    return INT64_MIN if decoder.reach is None else max(t - decoder.reach, INT64_MIN)


def _nowhere() -> KeyRows:
    raise AssertionError("all that is read is held, so that nothing is read from the log")


def _key(key: object) -> str:
    text = _identifier(key)
    if text is None or text is BAD:
        raise RequestError(
            f"expected a key as text or a whole number, found {shown(key)}; pass the user's id"
        )
    return str(text)


def _time(ms: object, what: str) -> int:
    if type(ms) is not int or not INT64_MIN <= ms <= INT64_MAX:
        raise RequestError(f"expected {what} as int64 milliseconds, found {shown(ms)}; pass a whole number")
    return ms
