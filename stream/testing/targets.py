"""Everything that reads bytes from outside, as targets of `fuzzing`."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from struct import Struct
from typing import Any, Final, NamedTuple
from zlib import crc32

import msgspec

from featuregraph import CompileError, EventError, FeatureOverflowError, Graph, Plan
from featuregraph.aggregates import aggregate
from featuregraph.reference import Log
from featuregraph.reference.answers import ask
from featuregraph.testing.clock import FakeClock
from featuregraph.testing.graphs import random_graph
from featuregraph.testing.values import World
from featuregraph.types import BOOLEAN, FLOAT64, IDENTIFIER, INT64, STRING, TIMESTAMP, decimal
from featuregraph.values import same
from stream.blocks.events import Events, order, write_events
from stream.blocks.fields import converted
from stream.blocks.sealing import SEALING, Sealing
from stream.codec import encode, full_decoder, typed_decoder
from stream.engine import Engine
from stream.errors import BlockError, EventFileError, LogError
from stream.limits import Limits
from stream.log import EventLog
from stream.served import Seen, Shape
from stream.tables import read_events
from stream.testing.fuzzing import Target
from stream.testing.lives import GRAPH, NOW, event
from stream.testing.mutation import mutated_json

_ALL_TIME: Final = FakeClock(2**62)  # nothing lies in its future
_SOON: Final = Sealing(most_tail=40, least_tail=10, own=8, most_events=32, join=2)
_SMALL: Final = Limits(busy_ms=0, sealing=_SOON)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that goes with the process."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - files by the thousand
    return tempfile.TemporaryDirectory(prefix="headrace-fuzz-", dir=memory)


def _fresh(name: str) -> Path:
    """Return the path of a file called NAME that is not there, nor what belongs to it."""
    folder = Path(_folder().name)
    for file in folder.glob(f"{name}*"):
        file.unlink()
    return folder / name


# ---------------------------------------------------------------- events

_ODD: Final[dict[str, Any]] = {
    "!bytes": b"\xff",
    "!tuple": (1, 2),
    "!set": {1},
    "!decimal": Decimal("1e-30"),
    "!big": Decimal("1e400"),
    "!nan": Decimal("nan"),
    "!complex": 1j,
    "!class": int,
}


def _odd(value: Any) -> Any:
    """Return VALUE, read from JSON, with values of Python that JSON has not."""
    if isinstance(value, str):
        return _ODD.get(value, value)
    if isinstance(value, list):
        return [_odd(v) for v in value]
    return {k: _odd(v) for k, v in value.items()} if isinstance(value, dict) else value


def _event_seeds() -> list[bytes]:
    plain = [event(n, NOW + n) for n in range(6)]
    odd = [{**event(n, NOW + n), "attrs": {"a": word, "n": word}} for n, word in enumerate(_ODD, 10)]
    seq = [event(20, NOW, seq=4, event_id=None), event(21, NOW, seq=4, event_id=None), event(20, NOW)]
    return [json.dumps(batch).encode() for batch in (plain, odd, seq, plain[:1] + seq[:1], odd[:2])]


def take_events(data: bytes) -> None:
    """Append what DATA says, one by one: a log takes what the reference takes, and tells the same of it."""
    found = _odd(json.loads(data))
    told = Log("user_id", GRAPH.events, max_future_ms=2**62)
    refusal: EventError | None = None
    with EventLog(_fresh("events.db"), clock=_ALL_TIME, max_future=None, limits=_SMALL) as log:
        engine = Engine(log)
        engine.install(GRAPH.compile())
        for one in found if isinstance(found, list) else [found]:
            try:
                engine.append(one)
            except EventError as error:
                refusal = error
                continue
            told.append({"known_ms": log.known_ms, **one})
        for key in log.keys():  # noqa: SIM118 - a log is no mapping
            t = min((log.max_ts(key) or 0) + 1, 2**63 - 1)
            _require_same(engine, key, t, told)
    if refusal is not None:
        raise refusal


def _require_same(engine: Engine, key: str, t: int, told: Log) -> None:
    """Raise AssertionError unless the values of KEY are the reference's, or both overflow."""
    try:
        expected = ask(GRAPH, told, {"key": key, "t": t}).values
    except FeatureOverflowError:
        return
    values = engine.extract(GRAPH.id, key=key, at_ms=t).values
    assert same(dict(values), dict(expected)), f"{key!r} at {t}: expected {expected}, found {values}"


# ---------------------------------------------------------------- payloads

_NAMES: Final = (("a", "b"), ("n", "x", "item", "note"), ('"', "\\", "é"), ())


def _payload_seeds() -> list[bytes]:
    fields: Sequence[dict[str, Any]] = (
        {},
        {"a": 1, "b": -0.5, "c": None},
        {"n": 2**63, "x": 1e300, "item": "i\u00e9\n", "note": "x" * 300},
        {'"': True, "\\": "\U0001f600", "é": 10**300},
    )
    return [encode(dict(one), []) for one in fields]


def take_payload(data: bytes) -> None:
    """Decode the fields of an event in full and by name: both give the same."""
    typed = [typed_decoder(names) for names in _NAMES]
    whole = full_decoder()(data)
    for names, decode in zip(_NAMES, typed, strict=True):
        shape = decode(data)
        found = [getattr(shape, f"f{place}", None) for place in range(len(names))]
        wanted = [whole.get(name) for name in names]
        assert same(_plain(found), _plain(wanted)), f"{names}: expected {wanted}, found {found}"


def _plain(values: list[Any]) -> list[Any]:
    return [repr(v) if isinstance(v, (dict, list)) else v for v in values]


# ---------------------------------------------------------------- graphs and plans


@cache
def _graphs() -> tuple[bytes, ...]:
    rng = Random(1)
    forms = [random_graph(rng, World.any(rng), features=3, depth=2) for _ in range(40)]
    return (*(json.dumps(form).encode() for form in forms), GRAPH.to_json().encode())


def take_graph(data: bytes) -> None:
    """Read a graph: its JSON reads back as the same graph, and it compiles, or says why not."""
    graph = Graph.from_json(data)
    again = Graph.from_json(graph.to_json())
    assert (again.id, again.feature_ids) == (graph.id, graph.feature_ids)
    graph.compile()
    graph.explain()


def _plan_seeds() -> list[bytes]:
    return [Graph.from_json(form).compile().to_bytes() for form in _graphs()[-6:]]


def take_plan(data: bytes) -> None:
    """Read a plan, which says of itself whose it is."""
    plan = Plan.from_bytes(data)
    assert Plan.from_bytes(plan.to_bytes()).id == plan.id == plan.graph.id


# ---------------------------------------------------------------- states

_STATES: Final[Sequence[tuple[str, Any, dict[str, Any], Sequence[Any]]]] = (
    ("count", None, {}, [None] * 5),
    ("sum", INT64, {}, [1, 2, -3]),
    ("sum", FLOAT64, {}, [0.1, 1e300, -1e-300]),
    ("mean", FLOAT64, {}, [0.1, None, 2.5]),
    ("var", FLOAT64, {}, [0.1, 7.0]),
    ("min", STRING, {}, ["b", "a", "c"]),
    ("max", INT64, {}, [3, 1, 2]),
    ("first", STRING, {}, ["x", None, "y"]),
    ("distinct", STRING, {}, ["x", "y", "x"]),
    ("topk", STRING, {"k": 2}, ["x", "y", "x"]),
    ("quantile", INT64, {"q": "0.5"}, [5, 1, 4]),
)


def _state_seeds() -> list[bytes]:
    return [
        bytes([number, endless]) + _aggregate(number).fold(xs, forgets=not endless).encode()
        for number, (*_, xs) in enumerate(_STATES)
        for endless in (0, 1)
    ]


def _aggregate(number: int) -> Any:
    name, x, parameters, _ = _STATES[number % len(_STATES)]
    return aggregate(name, x, parameters) if x is not None else aggregate(name)


def take_state(data: bytes) -> None:
    """Decode a state, of the aggregate that its first byte says: it has a value, and one form as bytes."""
    if len(data) < 2:
        raise ValueError("expected two bytes before a state, found fewer; fold the rows anew")
    state = _aggregate(data[0]).decode(data[2:], forgets=not data[1])
    again = state.encode()
    assert _aggregate(data[0]).decode(again, forgets=not data[1]).encode() == again
    state.value(0)


# ---------------------------------------------------------------- what was served


@cache
def _shape() -> Shape:
    return Shape(GRAPH)


def _served_seeds() -> list[bytes]:
    with EventLog(_fresh("served.db"), clock=FakeClock(NOW), history_start_ms=NOW - 200) as log:
        engine = Engine(log, "u0")
        engine.install(GRAPH.compile())
        for n in range(40):
            engine.append(event(n, NOW - 500 + n))
            if n % 8 == 0:
                engine.extract(GRAPH.id, at_ms=NOW, record=True, request_id=n)
        return [_shape().encode(one.asked, one.held_from_ms, one.vector) for one in log.served()]


def take_served(data: bytes) -> None:
    """Decode a record: it has one form as bytes, which is the same record."""
    found = _shape().decode(1, "u0", NOW, Seen(0), data)
    again = _shape().encode(found.asked, found.held_from_ms, found.vector)
    assert repr(_shape().decode(1, "u0", NOW, Seen(0), again)) == repr(found)


# ---------------------------------------------------------------- blocks

_START: Final = Struct("<BII")  # of a block: version, size and checksum of its header
_TYPES: Final = (INT64, FLOAT64, STRING, BOOLEAN, TIMESTAMP, IDENTIFIER, decimal(2))


def _block_seeds() -> list[bytes]:
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
        _read_block(_mended(data))
        raise


def _read_block(data: bytes) -> None:
    events = Events(data)
    events.check()
    for name in (*events.block.names, ".note", ".nothing"):
        for type in _TYPES if name.startswith(".") else ():
            converted(events.field(name[1:]), type)


def _mended(data: bytes) -> bytes:
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


# ---------------------------------------------------------------- files


def _lines_seeds() -> list[bytes]:
    events = [event(n, NOW + n, attrs={"a": n}) for n in range(5)]
    return [b"\n".join(json.dumps(one).encode() for one in events), b"\n\n" + json.dumps(events[0]).encode()]


def take_lines(data: bytes) -> None:
    """Read a file of JSON lines into a log."""
    path = _fresh("lines.jsonl")
    path.write_bytes(data)
    with EventLog(_fresh("from-lines.db"), clock=_ALL_TIME, max_future=None, limits=_SMALL) as log:
        for batch in read_events(path):
            log.append_many(batch)


class _Sound(NamedTuple):
    """What a sound log is, and holds."""

    main: bytes
    wal: bytes  # what was written after it
    rows: frozenset[str]
    served: frozenset[str]


@cache
def _sound(sealing: Sealing) -> _Sound:
    """Return a log whose events are sealed, or not, as SEALING says."""
    path, limits = _fresh("sound.db"), Limits(sealing=sealing)
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


def _log_seeds() -> list[bytes]:
    return [_sound(sealing).main for sealing in (SEALING, _SOON)]


def _wal_seeds() -> list[bytes]:
    return [_sound(_SOON).wal]


def take_log(data: bytes) -> None:
    """Open a log file, read it in every way, and write to it: right values, or one line."""
    path = _fresh("log.db")
    path.write_bytes(data)
    _read(path)


def take_wal(data: bytes) -> None:
    """Do so with a sound log file whose write-ahead log is DATA."""
    path = _fresh("wal.db")
    path.write_bytes(_sound(_SOON).main)
    Path(f"{path}-wal").write_bytes(data)
    _read(path)


def _read(path: Path) -> None:
    errors: list[LogError] = []
    for read_only in (True, False):
        for read in _READS:
            if read_only and read in _WRITES:
                continue
            try:
                with EventLog(path, read_only=read_only, clock=FakeClock(NOW), limits=_SMALL) as log:
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
    out = _fresh("out.jsonl")
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


TARGETS: Final = (
    Target("events", _event_seeds, take_events, (EventError, ValueError, RecursionError), mutated_json),
    Target("lines", _lines_seeds, take_lines, (EventFileError, EventError)),
    Target("payload", _payload_seeds, take_payload, (ValueError, RecursionError), mutated_json),
    Target("served", _served_seeds, take_served, (ValueError, TypeError, OverflowError, RecursionError)),
    Target("graph", lambda: list(_graphs()), take_graph, (CompileError,), mutated_json),
    Target("plan", _plan_seeds, take_plan, (CompileError,), mutated_json),
    Target("block", _block_seeds, take_block, (BlockError,)),
    Target("state", _state_seeds, take_state, (ValueError,)),
    Target("log", _log_seeds, take_log, (LogError,)),
    Target("wal", _wal_seeds, take_wal, (LogError,)),
)
