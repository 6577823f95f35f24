"""What lies in a log file beside events, damaged or made up, as targets of `fuzzing`.

    shelf      the bytes of one sealed block
    runs       the rows that say which piece of which block is whose
    snapshot   the states that were saved of a key

The file around them is sound: SQLite notices nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from zlib import crc32

import featuregraph as fg
from featuregraph import FeatureGraphError, FeatureOverflowError
from featuregraph.testing.clock import FakeClock
from featuregraph.values import same
from stream.engine import Engine, Mode
from stream.errors import LogError
from stream.key_state import KeyState
from stream.limits import Limits
from stream.log import EventLog
from stream.snapshot import unpack
from stream.testing.lives import KEYS, NOW, PLAIN, TIGHT, event
from stream.testing.log_targets import SMALL, fresh, mended

_KEY: Final = KEYS[0]
_EVENTS: Final = 150
_SINCE: Final = 4  # that came after the states were saved
_AT: Final = NOW + 1

_VIEW: Final = fg.Event.of("view", {"n": fg.int64(), "x": fg.float64(), "item": fg.category()})
_views: Final = fg.rows(_VIEW)
# Every kind of state that is saved: the rows that a decayed sum reads keep those of others from it.
_FEATURES: Final = {
    "count": _views.count(),
    "some": _views.where(_VIEW["n"] > 2).count(),
    "sum": _views.sum(_VIEW["n"]),
    "exact": _views.sum(_VIEW["x"]),
    "mean": _views.mean(_VIEW["x"]),
    "var": _views.var(_VIEW["x"]),
    "min": _views.min(_VIEW["item"]),
    "max": _views.max(_VIEW["x"]),
    "first": _views.first(_VIEW["item"]),
    "last": _views.last(_VIEW["item"]),
    "distinct": _views.distinct(_VIEW["item"]),
    "top": _views.topk(_VIEW["item"], 2),
    "half": _views.quantile(_VIEW["n"], 0.5),
    "since": _views.since_first(),
    "seen": _views.sequence(3, {"n": _VIEW["n"], "item": _VIEW["item"]}),
    "kinds": _views.sequence(3, {"item": _VIEW["item"]}, distinct=_VIEW["item"]),
    "by_item": _views.group_by(_VIEW["item"]).sum(_VIEW["n"]),
    "latest": _views.last(3).mean(_VIEW["n"]),
    "recent": _views.over("1m").count(),
    "before": _views.offset("1s").count(),
}
LIFE: Final = fg.Graph("life", _FEATURES)


@cache
def _sound(limits: Limits = SMALL) -> bytes:
    """Return a log with saved states of `_KEY`, and events that came since, which LIMITS let be sealed."""
    path = fresh("inner.db")
    with _opened(path, limits) as log:
        engine = _engine(log)
        for first in range(0, _EVENTS, 10):
            engine.append_many(
                event(n, NOW - 5_000 + n, note="x" * (n % 90)) for n in range(first, first + 10)
            )
        engine.extract(LIFE.id, at_ms=NOW)
    with _opened(path, limits) as log:
        for n in range(_EVENTS, _EVENTS + _SINCE):
            log.append(event(n, NOW - 5_000 + n, user_id=_KEY))
        assert log.snapshot_of(_KEY) is not None, "expected states that were saved"
    return path.read_bytes()


@cache
def _told() -> Mapping[str, Mapping[str, object]]:
    """Return the values of each key, read from the events alone."""
    path = fresh("told.db")
    path.write_bytes(_sound())
    with _opened(path, SMALL) as log:
        engine = _engine(log, "naive")
        return {key: dict(engine.extract(LIFE.id, key=key, at_ms=_AT).values) for key in KEYS}


def _opened(path: Path, limits: Limits) -> EventLog:
    return EventLog(path, clock=FakeClock(NOW), history_start_ms="all", limits=limits)


def _engine(log: EventLog, mode: Mode = "auto") -> Engine:
    engine = Engine(log, _KEY, mode=mode, pace=TIGHT)
    engine.install(_plan())
    return engine


@cache
def _plan() -> fg.Plan:
    return LIFE.compile()


def _is_told(key: str, values: Mapping[str, object]) -> bool:
    return same(dict(values), dict(_told()[key]))


# ---------------------------------------------------------------- blocks


@cache
def _blocks() -> Sequence[bytes]:
    """Return the blocks of the sound log, each behind a byte that says which one it is."""
    path = fresh("blocks.db")
    path.write_bytes(_sound())
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT id, data FROM block ORDER BY id").fetchall()
    return [bytes([place]) + data for place, (_, data) in enumerate(found)]


def shelf_seeds() -> Sequence[bytes]:
    """Return the blocks of a log."""
    return _blocks()


def take_shelf(data: bytes) -> None:
    """Use a log one of whose blocks is DATA: right values or one line, whatever is asked.

    Once more with the checksums made right: then the values may be any, but it is one line all the same.
    """
    if not data:
        raise LogError("expected the number of a block, found nothing; send more")
    blocks = _blocks()
    place, given = data[0] % len(blocks), data[1:]
    if any(given == block[1:] for block in blocks) and given != blocks[place][1:]:
        return  # another block of this log: whose it is, only `check` can tell
    errors = _used(place, mended(given), right=mended(given) == given)
    if mended(given) != given:
        errors += _used(place, given, right=True)
    if errors:
        raise errors[0]


def _used(place: int, block: bytes, *, right: bool) -> list[LogError]:
    """Use a log whose block of a PLACE is BLOCK; return how it refused. RIGHT: values must be."""
    path = fresh("shelf.db")
    path.write_bytes(_sound())
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (id,) = connection.execute("SELECT id FROM block ORDER BY id LIMIT 1 OFFSET ?", (place,)).fetchone()
        connection.execute("UPDATE block SET data = ? WHERE id = ?", (block, id))
    return _asked(path, right=right)


def _asked(path: Path, *, right: bool) -> list[LogError]:
    """Read and write the log at PATH; return how it refused. RIGHT: values are, or the damage is found."""
    errors: list[LogError] = []
    for use in (partial(_read, right=right), _written):
        try:
            with _opened(path, SMALL) as log:
                use(log)
        except LogError as error:
            errors.append(error)
    return errors


def _read(log: EventLog, *, right: bool) -> None:
    engine = _engine(log)
    for key in KEYS:
        try:
            values = dict(engine.extract(LIFE.id, key=key, at_ms=_AT).values)
        except FeatureOverflowError:
            assert not right, "expected values, found an overflow"
            continue
        wrong = right and not _is_told(key, values)
        assert not wrong or log.check(), f"{key}: expected {_told()[key]}, found {values}"


def _written(log: EventLog) -> None:
    log.append(event(7_000, NOW))
    log.append(event(7, NOW - 4_993))  # a copy, where its id is known
    log.trim(before=NOW - 4_900)
    log.forget(event_id="e60")


# ---------------------------------------------------------------- whose is what

_TABLES: Final = {
    "run": "key, name, last_ms, block, first_ms, start, events",
    "known": "hash, event",
    "block": "id, events, first_id, last_id, first_ms, last_ms, owner_key, owner_name, joined",
}


def runs_seeds() -> Sequence[bytes]:
    """Return the rows of a log that say where its blocks' events are, as JSON."""
    path = fresh("runs.db")
    path.write_bytes(_sound())
    with closing(sqlite3.connect(path)) as connection:
        rows = {
            table: connection.execute(f"SELECT {columns} FROM {table}").fetchall()  # noqa: S608 - our own
            for table, columns in _TABLES.items()
        }
    return [json.dumps(rows).encode()]


def take_runs(data: bytes) -> None:
    """Use a log with these rows: right values, or `check` finds something; errors are one line.

    A block that is gone with all that tells of it leaves no trace: then the values may be any.
    """
    given = json.loads(data)
    given = given if isinstance(given, dict) else {}
    path = fresh("runs.db")
    path.write_bytes(_sound())
    with closing(sqlite3.connect(path)) as connection:
        before = {id for (id,) in connection.execute("SELECT id FROM block")}
        _stored(connection, given)
        after = {id for (id,) in connection.execute("SELECT id FROM block")}
    errors = _asked(path, right=before <= after)
    if errors:
        raise errors[0]


def _stored(connection: sqlite3.Connection, given: Mapping[str, Any]) -> None:
    """Put the rows GIVEN in the place of those of the log; ValueError where no table could hold them."""
    held = dict(connection.execute("SELECT id, data FROM block"))
    try:
        for table, columns in _TABLES.items():
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own words
            for row in given.get(table, ()):
                values = row if table != "block" else [*row, held.get(row[0], b"")]
                names = columns if table != "block" else f"{columns}, data"
                marks = ", ".join("?" * len(values))
                connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)  # noqa: S608
        connection.commit()
    except (sqlite3.Error, TypeError, LookupError, OverflowError) as error:
        raise ValueError(f"expected rows of a table, found {error!r:.200}; send others") from error


# ---------------------------------------------------------------- saved states


def snapshot_seeds() -> Sequence[bytes]:
    """Return what was saved of a key."""
    path = fresh("saved.db")
    path.write_bytes(_sound(PLAIN))
    with _opened(path, PLAIN) as log:
        data = log.snapshot_of(_KEY)
    assert data is not None
    return [data]


def take_snapshot(data: bytes) -> None:
    """Answer from a log whose saved states of a key are DATA: they are refused, or the values are right.

    Once more with a right checksum: then a value may be any, but there is an answer, and once something is
    forgotten the values are right again. Raises what they were refused with.
    """
    refusals: list[Exception] = []
    try:
        unpack(data)
    except ValueError as error:
        refusals.append(error)
    sound = crc32(data[4:]).to_bytes(4, "little") + data[4:]
    path = fresh("saved.db")
    path.write_bytes(_sound(PLAIN))
    with _opened(path, PLAIN) as log, _telling(refusals):
        log.keep_snapshot(_KEY, data)
        _ask(_engine(log), right=True)
        log.keep_snapshot(_KEY, sound)
        engine = _engine(log)
        _ask(engine, right=sound == data)
        log.append(event(0, NOW - 9_000, event_id="late", user_id=_KEY))
        log.append(event(0, NOW, event_id="new", user_id=_KEY))
        _ask(engine, right=False)
        engine.forget(before=NOW - 5_000)
        engine.forget(event_id="new")
        _ask(engine, right=True)
    if refusals:
        raise refusals[-1]


def _ask(engine: Engine, *, right: bool) -> None:
    try:
        values = engine.extract(LIFE.id, at_ms=_AT).values
    except FeatureGraphError:
        assert not right, "expected values"
        return
    assert not right or _is_told(_KEY, values), f"expected {_told()[_KEY]}, found {values}"


@contextmanager
def _telling(refusals: list[Exception]) -> Iterator[None]:
    """Put into REFUSALS why states were not gone on from, which engines tell nobody."""
    resume = KeyState.resume

    def told(self: KeyState, *args: Any) -> None:
        try:
            resume(self, *args)
        except (TypeError, ValueError) as error:
            refusals.append(error)
            raise

    with patch.object(KeyState, "resume", told):
        yield
