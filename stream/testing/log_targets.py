"""The files of logs, and what lies in them, as targets of `fuzzing`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from struct import Struct
from typing import Any, Final, NamedTuple
from zlib import crc32

import msgspec

from featuregraph import FeatureOverflowError
from featuregraph.testing.clock import FakeClock
from featuregraph.types import BOOLEAN, FLOAT64, IDENTIFIER, INT64, STRING, TIMESTAMP, decimal
from stream.blocks.events import Events, order, write_events
from stream.blocks.fields import converted
from stream.blocks.sealing import SEALING, Sealing
from stream.codec import encode
from stream.engine import Engine
from stream.errors import BlockError, LogError
from stream.limits import Limits
from stream.log import EventLog
from stream.tables import read_events
from stream.testing.lives import GRAPH, NOW, event

_SOON: Final = Sealing(most_tail=40, least_tail=10, own=8, most_events=32, join=2)
SMALL: Final = Limits(busy_ms=0, sealing=_SOON)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that goes with the process."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - files by the thousand
    return tempfile.TemporaryDirectory(prefix="headrace-fuzz-", dir=memory)


def fresh(name: str) -> Path:
    """Return the path of a file called NAME that is not there, nor what belongs to it."""
    folder = Path(_folder().name)
    for file in folder.glob(f"{name}*"):
        file.unlink()
    return folder / name


# ---------------------------------------------------------------- blocks

_START: Final = Struct("<BII")  # of a block: version, size and checksum of its header
_TYPES: Final = (INT64, FLOAT64, STRING, BOOLEAN, TIMESTAMP, IDENTIFIER, decimal(2))


def block_seeds() -> list[bytes]:
    """Return blocks of events with a field of each kind."""
    rng, found = Random(3), []
    notes: Sequence[Callable[[int], Any]] = (
        lambda n: n * 3,
        lambda n: n / 100,
        lambda n: f"{n:08x}",
        lambda n: rng.choice((None, 1, "1", 0.5, 2**70)),
        lambda n: "xyz"[n % 3],
        lambda n: n % 2 == 0,
    )
    for note in notes:
        events = []
        for n in range(30):
            fields = {"n": n % 7, "note": note(n), **({"rare": n} if n % 9 == 0 else {})}
            user = None if n % 2 else f"w{n}"
            events.append(
                ((NOW + n, n % 3, user, n, n % 2, n % 3, f"e{n}", NOW + n, f"s{n // 4}", n, None), fields)
            )
        rows = sorted(
            (((*event, encode(dict(f), [])), f) for event, f in events), key=lambda one: order(one[0])
        )
        found.append(write_events([row for row, _ in rows], [f for _, f in rows]))
    return found


def take_block(data: bytes) -> None:
    """Read all of a block; then once more with the checksums made right, so that what they guard is tried."""
    try:
        _read_block(data)
    except BlockError:
        _read_block(mended(data))
        raise


def _read_block(data: bytes) -> None:
    events = Events(data)
    events.check()
    for name in (*events.block.names, ".note", ".nothing"):
        for type in _TYPES if name.startswith(".") else ():
            converted(events.field(name[1:]), type)


def mended(data: bytes) -> bytes:
    """Return DATA with checksums that are right, as far as it has a header to hold them."""
    if len(data) < _START.size:
        return data
    version, size, _ = _START.unpack_from(data)
    header, body = data[_START.size :][:size], data[_START.size + size :]
    try:
        events, chunks, note = msgspec.msgpack.decode(header)
        at = 0
        for chunk in chunks:
            chunk[4] = crc32(body[at : at + chunk[2]])
            at += chunk[2]
        header = msgspec.msgpack.encode([events, chunks, note])
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        pass
    return _START.pack(version, len(header), crc32(header)) + header + body


# ---------------------------------------------------------------- logs


class _Sound(NamedTuple):
    """What a sound log is, and holds."""

    main: bytes
    wal: bytes  # what was written after it
    rows: frozenset[str]
    served: frozenset[str]


@cache
def _sound(sealing: Sealing) -> _Sound:
    """Return a log whose events are sealed, or not, as SEALING says."""
    path, limits = fresh("sound.db"), Limits(sealing=sealing)
    with EventLog(path, clock=FakeClock(NOW), history_start_ms="all", limits=limits) as log:
        engine = Engine(log)
        engine.install(GRAPH.compile())
        for first in range(0, 150, 10):
            engine.append_many(event(n, NOW - 500 + n, note="x" * (n % 90)) for n in range(first, first + 10))
        engine.append_many([event(900, NOW + 10**9)])
        for n in range(4):
            engine.extract(GRAPH.id, key=f"u{n}", at_ms=NOW, record=True)
        log.flush()
        main = path.read_bytes()
        for n in range(150, 160):
            engine.append(event(n, NOW - 500 + n))
            engine.extract(GRAPH.id, key="u0", at_ms=NOW, record=True)
        wal = Path(f"{path}-wal").read_bytes()
        rows, served = map(repr, log.rows_after(0)), map(repr, log.served())
        return _Sound(main, wal, frozenset(rows), frozenset(served))


def log_seeds() -> list[bytes]:
    """Return a log file without blocks, and one with some."""
    return [_sound(sealing).main for sealing in (SEALING, _SOON)]


def wal_seeds() -> list[bytes]:
    """Return a write-ahead log."""
    return [mended_wal(_sound(_SOON).wal)]


def take_log(data: bytes) -> None:
    """Open a log file, read it in every way, and write to it: right values, or one line."""
    path = fresh("log.db")
    path.write_bytes(data)
    _read(path)


def take_wal(data: bytes) -> None:
    """Do so with a sound log file whose write-ahead log is DATA; once more with its checksums made right.

    SQLite reads it up to the first frame whose checksum is wrong, so that damage alone changes nothing.
    """
    for given in {data: None, mended_wal(data): None}:
        path = fresh("wal.db")
        path.write_bytes(_sound(_SOON).main)
        Path(f"{path}-wal").write_bytes(given)
        _read(path)


_WAL: Final = Struct(">IIIIII")  # magic, version, page size, number, salts; a checksum follows
_SUM: Final = Struct(">II")


def mended_wal(data: bytes) -> bytes:
    """Return the write-ahead log DATA with right checksums (sqlite.org/fileformat2.html, 4.2).

    It ends before the first frame of other salts: what is left of a log before it, which nobody reads.
    """
    if len(data) < _WAL.size + _SUM.size:
        return data
    magic, _, size, _, *_ = _WAL.unpack_from(data)
    salts = data[16:24]
    words = Struct(">II" if magic & 1 else "<II")
    sums = _summed(words, data[: _WAL.size], (0, 0))
    found, place, step = [data[: _WAL.size], _SUM.pack(*sums)], _WAL.size + _SUM.size, 24 + size
    while size % 8 == 0 and place + step <= len(data) and data[place + 8 : place + 16] == salts:
        head, page = data[place : place + 8], data[place + 24 : place + step]
        sums = _summed(words, head + page, sums)
        found += [head, salts, _SUM.pack(*sums), page]
        place += step
    return b"".join(found)


def _summed(words: Struct, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    a, b = sums
    for x, y in words.iter_unpack(data):
        a = (a + x + b) & 0xFFFFFFFF
        b = (b + y + a) & 0xFFFFFFFF
    return a, b


def _read(path: Path) -> None:
    errors: list[LogError] = []
    for read_only in (True, False):
        for read in _READS:
            if read_only and read in _WRITES:
                continue
            try:
                with EventLog(path, read_only=read_only, clock=FakeClock(NOW), limits=SMALL) as log:
                    read(log)
            except LogError as error:
                errors.append(error)
    if errors:
        raise errors[0]


def _scan(log: EventLog) -> None:
    rows = log.rows_after(0)
    if any(repr(row) not in _sound(_SOON).rows for row in rows):
        assert log.check(), "expected rows that were written, or a finding, found other rows in a sound file"
    for key in log.keys():  # noqa: SIM118 - a log is no mapping
        log.scan(key, None, None, None)
        log.max_ts(key)
    log.quarantined()


def _stats(log: EventLog) -> None:
    log.stats()
    log.check()


def _retell(log: EventLog) -> None:
    for one in log.served(tell=lambda finding: None):
        assert repr(one) in _sound(_SOON).served, f"expected a record that was written, found {one!r:.200}"


def _serve(log: EventLog) -> None:
    engine = Engine(log, "u0")
    engine.install(GRAPH.compile())
    try:
        engine.extract(GRAPH.id, at_ms=NOW, record=True)
    except FeatureOverflowError:
        return  # a number may have become another number


def _export(log: EventLog) -> None:
    out = fresh("out.jsonl")
    log.export(out, tell=lambda finding: None)
    for batch in read_events(out):
        for one in batch:
            number = int(one["event_id"][1:])
            assert one["ts_ms"] == NOW - 500 + number, f"exported what was not written: {one!r:.200}"


def _extract(log: EventLog) -> None:
    engine = Engine(log, "u0")
    engine.install(GRAPH.compile())
    try:
        engine.extract(GRAPH.id, at_ms=NOW)
    except FeatureOverflowError:
        return  # a number may have become another number


def _append(log: EventLog) -> None:
    log.append(event(7_000, NOW))
    log.forget(event_id="e7000")
    log.flush()


_READS: Final[Sequence[Callable[[EventLog], None]]] = (
    _scan,
    _stats,
    _export,
    _extract,
    _retell,
    _serve,
    _append,
)
_WRITES: Final = (_serve, _append)
