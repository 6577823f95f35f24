"""The device log: events, appended durably and read by key, name and time, in one SQLite file.

    with EventLog("events.db") as log:
        log.append({"event": "view", "ts_ms": 1, "user_id": "u", "attrs": {"item": "7"}})
        rows = log.scan("u", ["view"], 0, 10)

One process writes (a lock file beside the log says which), any number reads with `read_only=True`. An
EventLog may be used by several threads: each call holds its lock; `check` and `export` read through a
connection of their own, so that they do not hold up the others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from os import PathLike, fspath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self
from weakref import WeakSet

import msgspec

from featuregraph.errors import EventError
from featuregraph.windows import parse_duration
from stream import arrivals, inbox, inspect, quarantine, retention, snapshots
from stream import forget as forgetting
from stream.appender import Appender
from stream.blocks.runs import Found
from stream.clock import Clock, SystemClock
from stream.damage import Finding
from stream.errors import (
    FLUSHING,
    FORGETTING,
    OPENING,
    ArgumentError,
    LogCorruptError,
    LogError,
    LogFormatError,
    LogReadOnlyError,
)
from stream.event import Draft, Form, Receipt, Row
from stream.inspect import LogStats
from stream.ledger import Ledger
from stream.limits import Limits
from stream.logfile import LogFile
from stream.reader import Reader
from stream.retelling import retold
from stream.served import Asked, Served
from stream.store import Sync, give_back, meta, set_meta, settle, transaction
from stream.texts import Texts

if TYPE_CHECKING:
    from featuregraph import FeatureVector, Plan
    from stream.tables import Progress

DEFAULT_KEY: Final = "user_id"
_MOST_TRIMS: Final = 4  # to come below a size that is estimated
_NO_KEY: Final = frozenset({"", "event", "ts_ms", "seq", "known_ms", "attrs"})
# What is found, and to be done, where a log is shared and another process is its writer.
_BESIDE: Final = (
    "another process writing; call it in that process, or open the log again once that one has closed it"
)


class Standing(msgspec.Struct, frozen=True):
    """Where a log stands at one moment; see the properties of these names."""

    generation: int
    last_id: int
    known_ms: int | None
    history_start_ms: int | None


class Keeper(Protocol):
    """Something that computes from a log and may save what it has."""

    def save(self) -> None:
        """Save it; never raises an error of the log."""


class EventLog(LogFile):
    """A log file, open.

    path: the file, made if there is none (and not `read_only`).
    sync: when an append returns, "full": the event is on the disk (one sync a call) and survives a power cut;
        "batch": it is with the operating system and survives the death of the process; it reaches the disk
        some hundred events later, or at `flush`, `forget` or `close`.
    key: the column that owns events (SEMANTICS 1.1); kept in the file. None: the file's own, user_id for a
        new one.
    max_future: how far ahead of the clock an event may be before it is quarantined (1.5); None: any time.
    shared: where another process is the writer, read the log and hand events over to that process; the
        receipt says so. The first of a log's processes becomes the writer.
    history_start_ms: from which time on the log holds all events (3.5). None: from the clock's now as the
        file is made; "all": it holds all there ever were. A file keeps the one that it was made with: given
        for a file that is there, it changes nothing. Only trimming moves it on.
    """

    def __init__(  # noqa: PLR0913 - what a user says of a log, by name
        self,
        path: str | PathLike[str],
        *,
        sync: Sync = "batch",
        key: str | None = None,
        clock: Clock | None = None,
        max_future: str | None = "5m",
        history_start_ms: int | Literal["all"] | None = None,
        read_only: bool = False,
        shared: bool = False,
        limits: Limits | None = None,
    ) -> None:
        if sync not in ("batch", "full"):
            raise ArgumentError(f'expected sync "batch" or "full", found {sync!r}; choose one')
        self.clock = clock or SystemClock()
        self._max_future_ms = None if max_future is None else parse_duration(max_future, "max_future")
        if key in _NO_KEY:
            raise ArgumentError(
                f"expected a key column such as 'user_id', found {key!r}; name what owns events"
            )
        if history_start_ms is not None and history_start_ms != "all" and type(history_start_ms) is not int:
            raise ArgumentError(
                f'expected history_start_ms as ms or "all", found {history_start_ms!r}; correct it'
            )
        self._keepers: WeakSet[Keeper] = WeakSet()
        self._appender: Appender | None = None
        self._in_snapshot = False
        self._quiet_since: bytes | None = None  # what was rung last as nothing waited in the inbox
        super().__init__(fspath(path), sync, limits or Limits(), read_only=read_only, shared=shared)
        try:
            with self._using(OPENING) as connection:
                self._begin(connection, key, history_start_ms)
        except BaseException:
            self.close()
            raise

    def _begin(
        self, connection: sqlite3.Connection, key: str | None, history_start_ms: int | Literal["all"] | None
    ) -> None:
        about = meta(connection)
        if "key" not in about and not self.read_only:
            start = self.clock.now_ms() if history_start_ms is None else history_start_ms
            about = {"key": key or DEFAULT_KEY, "history_start_ms": None if start == "all" else start}
            with transaction(connection):
                set_meta(connection, **about)
        key = str(about.get("key")) if key is None else key
        if about.get("key") != key:
            raise LogFormatError(
                f"{self.path}: expected a log with the key {key!r}, found {about.get('key')!r};"
                " open it with that key, or start a new log"
            )
        self.key = key
        self._read_start(connection)
        self._wiped = True
        self._form = Form(key, self.limits)
        self._texts = Texts(connection, self.limits.cached_texts)
        self._reader = Reader(connection, self._texts, key)
        self._ledger = Ledger(connection, self._reader, self.limits)
        self._generation_seen = 0
        self._appender = None if self.read_only else self._new_appender(connection)
        self._take_in()

    def _new_appender(self, connection: sqlite3.Connection) -> Appender:
        return Appender(
            connection,
            self._texts,
            self._reader,
            key=self.key,
            clock=self.clock,
            limits=self.limits,
            max_future_ms=self._max_future_ms,
            sealing=self.limits.sealing,
        )

    # ---------------------------------------------------------------- writing

    def append(self, event: Mapping[str, object]) -> Receipt:
        """Take one event; raise EventError if it breaks the contract, LogError if it cannot be kept."""
        return self._append([self._form.read(event)], keep_known=False, label="the event".format)[0]

    def append_many(self, events: Iterable[Mapping[str, object]], *, keep_known: bool = False) -> Receipt:
        """Take EVENTS in one transaction: after an error, which names the event, nothing of the call is kept.

        keep_known: events carry their known_ms (SEMANTICS 1.7), null stays null; else the clock gives it.
        """
        return self.append_rows(events, keep_known=keep_known)[0]

    def append_rows(
        self,
        events: Iterable[Mapping[str, object]],
        *,
        keep_known: bool = False,
        label: Callable[[int], str] = "event {} of the call".format,
    ) -> tuple[Receipt, list[Row]]:
        """Do as append_many, and return the new rows too, in the order of arrival.

        label: what an error calls the event of a number, from 0.
        """
        drafts = []
        for place, event in enumerate(events):
            try:
                drafts.append(self._form.read(event))
            except EventError as error:
                raise EventError(f"{label(place)}: {error}; nothing of the call was kept") from None
        return self._append(drafts, keep_known=keep_known, label=label)

    def _append(
        self, drafts: list[Draft | None], *, keep_known: bool, label: Callable[[int], str]
    ) -> tuple[Receipt, list[Row]]:
        with self._using("appending"):
            if self._outbox is not None:
                return self._outbox.put(drafts, keep_known=keep_known), []
            writer = self._writer()
            self._take_in()
            appended = writer.append(drafts, keep_known=keep_known, label=label)
            if appended[1]:
                self._ledger.newest = appended[1][-1]
            # The call is done, whatever becomes of tidying up: a disk that is full refuses the next one.
            with suppress(sqlite3.Error, LogError):
                if writer.tidy() and self.limits.max_log_bytes is not None:
                    self.trim(max_bytes=self.limits.max_log_bytes)
            return appended

    def _take_in(self) -> None:
        """Take what other processes handed over, where this one is the writer; what cannot be taken waits."""
        if self._appender is not None and not self._in_snapshot:
            with suppress(sqlite3.Error):
                self._appender.take_in()

    def forget(
        self, *, before: int | None = None, key: str | int | None = None, event_id: str | int | None = None
    ) -> int:
        """Remove events as if they had never been (SEMANTICS 8.1), with their bytes; return how many.

        Give exactly one: events with ts_ms < BEFORE, of KEY, or with EVENT_ID (of any key). Those in
        quarantine count too.
        """
        what, value = forgetting.asked(before=before, key=key, event_id=event_id)
        with self._using(FORGETTING) as connection:
            writer = self._writer()
            self._take_in()
            marks = writer.marks()
            removed = forgetting.forget(connection, what, value, marks, writer.sealer, self._ledger)
            writer.drop()
            writer.generation = self._reader.generation()
            self._wiped = False
            self._wiped = forgetting.wipe(connection)
        return removed

    def trim(
        self, *, before: int | None = None, keep: Collection[str] = (), max_bytes: int | None = None
    ) -> int:
        """Remove old events, and let the log's history begin later; return how many went.

        before: those with ts_ms < BEFORE go, but those with an event name of KEEP.
        max_bytes: the oldest go, whatever their name, until what the file holds takes no more.
        """
        if (before is None) == (max_bytes is None):
            raise ArgumentError(
                "expected before or max_bytes to trim by, found both or none; give one of them"
            )
        if before is not None:
            forgetting.asked(before=before)  # refuses what is no time
        removed = 0
        with self._using("trimming") as connection:
            writer = self._writer()
            self._take_in()
            for _ in range(1 if max_bytes is None else _MOST_TRIMS):
                bound = before if max_bytes is None else retention.bound(connection, max_bytes)
                if bound is None:
                    break
                found = retention.trim(connection, bound, keep, writer.marks(), writer.sealer)
                removed += found
                if not found:
                    break
                writer.drop()
                writer.generation = self._reader.generation()
                self._read_start(connection)
            give_back(connection, self.limits.free_bytes)
        return removed

    def _read_start(self, connection: sqlite3.Connection) -> None:
        held_from = meta(connection).get("history_start_ms")
        self._history_start_ms = held_from if isinstance(held_from, int) else None

    def keep_served(self, plan: Plan, asked: Asked, vector: FeatureVector, *, seen_id: int) -> None:
        """Keep what PLAN answered when the rows up to SEEN_ID were known; as durably as an event is.

        Within `limits`: the oldest records go first, and one that is too large is left out; both are counted.
        """
        with self._using("keeping what was served"):
            self._writer()
            self._ledger.keep(plan, asked, vector, seen_id=seen_id, held_from_ms=self._history_start_ms)

    def keep_snapshot(self, key: str, data: bytes) -> None:
        """Keep DATA, what an engine computed of KEY, in place of what was kept; not if it is too large."""
        with self._using("keeping states") as connection:
            self._writer()
            number = self._texts.find(key)
            if number is not None and len(data) <= self.limits.max_snapshot_bytes:
                snapshots.keep(connection, number, data)

    def save_first(self, keeper: Keeper) -> None:
        """See to it that KEEPER saves what it has before this log closes; it is not kept alive for that."""
        self._keepers.add(keeper)

    def flush(self) -> None:
        """See to it that all events are on the disk, in the log file itself."""
        with self._using(FLUSHING) as connection:
            self._writer()
            settle(connection, "FULL")
            self._wiped = self._wiped or forgetting.wipe(connection)

    def _writer(self) -> Appender:
        if self._appender is None:
            found = "read_only=True; open it without" if self._outbox is None else _BESIDE
            raise LogReadOnlyError(f"{self.path}: expected a log open for writing, found {found}")
        return self._appender

    # ---------------------------------------------------------------- reading

    def scan(
        self,
        key: str,
        names: Sequence[str] | None,
        lo_ms: int | None,
        hi_ms: int | None,
        *,
        after_id: int | None = None,
    ) -> list[Row]:
        """Return the rows of KEY with one of NAMES and LO_MS <= ts_ms < HI_MS (None: any), in total order."""
        with self._reading():
            return self._reader.rows_of(self._reader.scan(key, names, lo_ms, hi_ms, Row._fields, after_id))

    def scan_columns(
        self,
        key: str,
        names: Sequence[str] | None,
        lo_ms: int | None,
        hi_ms: int | None,
        columns: Sequence[str],
        *,
        after_id: int | None = None,
    ) -> list[tuple[Any, ...]]:
        """Return COLUMNS of the same rows as plain tuples: the fast way. The first two must be ts_ms and seq.

        session_id, page_id and item_id are as stored: pass them through codec.column_value.
        """
        with self._reading():
            return self._reader.scan(key, names, lo_ms, hi_ms, columns, after_id)

    def scan_runs(
        self, key: str, name: str, lo_ms: int | None, hi_ms: int | None, columns: Sequence[str]
    ) -> Found:
        """Return what `scan_columns` reads of one name as it stands: rows of the tail, and sealed pieces.

        For who decodes a piece column by column; its bytes are here, whatever becomes of the file.
        """
        with self._reading():
            return self._reader.find(key, name, lo_ms, hi_ms, columns)

    def rows_after(self, id: int, limit: int | None = None) -> list[Row]:
        """Return LIMIT rows at most that arrived after row ID (0: from the first), by arrival."""
        with self._reading():
            return self._reader.rows_after(id, limit)

    def max_ts(self, key: str) -> int | None:
        """Return the greatest ts_ms of KEY; None if it has no event."""
        with self._reading():
            return self._reader.max_ts(key)

    def keys(self) -> list[str]:
        """Return the keys of the events held, sorted."""
        with self._reading():
            return self._reader.keys()

    def quarantined(self) -> list[quarantine.Quarantined]:
        """Return the events kept apart, in the order of arrival."""
        with self._using("reading") as connection:
            try:
                return quarantine.listed(connection)
            except (TypeError, ValueError) as error:
                raise LogCorruptError(
                    f"{self.path}: expected the events kept apart as JSON, found: {error};"
                    " run `headrace log check` on it, export what it still holds and start a new log"
                ) from error

    def served(
        self, *, key: str | int | None = None, tell: Callable[[Finding], object] | None = None
    ) -> Iterator[Served]:
        """Give the answers kept with record=True, of KEY alone if given, in the order of serving.

        tell: called with each record that is damaged, which is then left out; None: it is an error.
        """
        with self.reading("reading what was served") as connection:
            for one in retold(connection, tell or partial(arrivals.refuse, self.path)):
                if key is None or one.asked.key == str(key):
                    yield one

    def snapshot_of(self, key: str) -> bytes | None:
        """Return what was kept last of what an engine computed of KEY; None if nothing is."""
        with self._using("reading") as connection:
            self._follow(connection)
            number = self._texts.find(key)
            return None if number is None else snapshots.kept(connection, number)

    @property
    def count(self) -> int:
        """The number of events held; takes time in proportion to it."""
        with self._reading():
            return self._reader.count()

    def standing(self) -> Standing:
        """Return where the log stands, in one call: what a query asks each time."""
        with self._using("reading") as connection:
            self._follow(connection)
            writer, reader = self._appender, self._reader
            if writer is not None:
                return self._written(writer)
            last_id, known_ms = reader.last_id(), reader.known_ms()
            return Standing(self._generation_seen, last_id, known_ms, self._history_start_ms)

    def still_at(self, generation: int, last_id: int) -> Standing | None:
        """Return where the log stands if no row came or went since it stood at LAST_ID in GENERATION.

        None: some did, some wait to be taken in, or only a snapshot can tell, as in a process that reads.
        """
        with self._lock:
            writer = self._appender
            if writer is None or writer.last_id != last_id or writer.generation != generation:
                return None
            return self._written(writer) if self._is_quiet() else None

    def _is_quiet(self) -> bool:
        """Tell whether nothing waits to be taken in: as long as nobody rings, one look at the inbox holds."""
        if self._file is None or self._connection is None:
            return False
        rung = self._file.rung()
        if rung is not None and rung == self._quiet_since:
            return True
        try:
            waits = inbox.waiting(self._connection)
        except sqlite3.Error:
            return False  # who reads the log next says what it means
        if not waits:
            self._quiet_since = rung
        return not waits

    def _written(self, writer: Appender) -> Standing:
        """Return where the log stands for its writer: nobody else moves it."""
        return Standing(writer.generation, writer.last_id, writer.known_ms, self._history_start_ms)

    @property
    def last_id(self) -> int:
        """The largest id ever given to a row, 0 before the first."""
        with self._using("reading"):
            return self._appender.last_id if self._appender else self._reader.last_id()

    @property
    def known_ms(self) -> int | None:
        """The largest known_ms that the clock of this log gave (SEMANTICS 1.7); None before the first."""
        with self._using("reading"):
            return self._appender.known_ms if self._appender else self._reader.known_ms()

    @property
    def generation(self) -> int:
        """A number that changes whenever events were removed: what was computed before may hold them."""
        with self._using("reading") as connection:
            self._follow(connection)
            return self._appender.generation if self._appender else self._generation_seen

    @property
    def latest_ms(self) -> int | None:
        """The greatest ts_ms of all keys; None if there is no event."""
        with self._reading():
            return self._reader.latest_of_all()

    @property
    def history_start_ms(self) -> int | None:
        """From which time on the log holds all events (SEMANTICS 3.5); None: it holds all there ever were."""
        return self._history_start_ms

    def stats(self) -> LogStats:
        """Return the log in numbers."""
        with self._using("counting") as connection:
            return inspect.stats(connection, self.path)

    # ---------------------------------------------------------------- files of events

    def export(
        self,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
        tell: Callable[[Finding], object] | None = None,
    ) -> int:
        """Write all events to PATH, Parquet, Arrow, CSV or JSON lines by its suffix; return how many.

        tell: called with each row that is damaged, which is then left out; None: such a row ends the export.
        """
        from stream.export import export_events

        return export_events(self, fspath(path), progress=progress, tell=tell)

    def import_events(self, path: str | PathLike[str], *, progress: Progress | None = None) -> Receipt:
        """Append the events of the file at PATH with the known_ms that they carry (stream.tables)."""
        from stream.tables import import_events

        return import_events(self, fspath(path), progress=progress)

    # ---------------------------------------------------------------- open and closed

    def _follow(self, connection: sqlite3.Connection) -> None:
        """Forget, as a reader, the numbers of texts when the writer forgot events: it may give new ones."""
        if self._appender is None and (found := self._reader.generation()) != self._generation_seen:
            self._texts.drop()
            self._read_start(connection)
            self._generation_seen = found

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads inside see the log at one moment, whoever appends meanwhile.

        What fails inside is the caller's: each read says what its own errors mean.
        """
        with self._lock:
            with self._using("reading") as connection:
                self._take_in()
                begins, outer = self._begins(connection), self._in_snapshot
            self._in_snapshot = True
            try:
                yield
            finally:
                self._in_snapshot = outer
                if begins:
                    with self._using("reading") as connection:
                        connection.execute("ROLLBACK")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Let the statements of one read see the log at one moment: rows become blocks between two."""
        with self._using("reading") as connection:
            self._take_in()
            begins = self._begins(connection)
            try:
                self._follow(connection)
                yield
            finally:
                if begins:
                    connection.execute("ROLLBACK")

    def close(self) -> None:
        """Bring all events to the disk and let others write; a closed log may be closed again."""
        if self._connection is not None and not self.read_only:
            for keeper in list(self._keepers):  # before this lock is held: keepers have their own
                keeper.save()
        self._close(settled=self._appender is not None)

    def discard(self) -> None:
        """Close the log and remove its file, with all that it holds."""
        with self._using("discarding"):
            self._writer()
            self._close(remove=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
