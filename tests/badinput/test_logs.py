"""An engine on a log that is damaged or only read: one line of the log's own, never a fault of the engine."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.testing.clock import FakeClock
from stream import Engine, EventLog, LogCorruptError, LogError, LogReadOnlyError
from stream.blocks.sealing import Sealing
from stream.damage import Finding, joined
from stream.damage import lost as lost_row
from stream.engine import MODES, Mode
from stream.errors import CHECKING, OPENING, translated
from stream.key_rows import KeyRows
from stream.key_state import KeyState
from stream.limits import Limits
from stream.tables import read_events

pytestmark = pytest.mark.device

NOW = 1_700_000_000_000
CLICK = fg.Event.of("click", {"n": fg.int64(), "item": fg.category(), "session_id": fg.identifier()})
_STREAM = fg.rows(CLICK)
GRAPH = fg.Graph(
    "damaged",
    {
        "count": _STREAM.count(),
        "sum": _STREAM.over("1d").sum(CLICK["n"]),
        "top": _STREAM.topk(CLICK["item"], 3),
        "session": _STREAM.last(CLICK["session_id"]),
    },
)


def open_log(path: Path, **options: Any) -> EventLog:
    """Open the log at PATH with a clock that stands still."""
    return EventLog(path, clock=FakeClock(NOW), **options)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sound log."""
    path = tmp_path_factory.mktemp("sound") / "events.db"
    with open_log(path, history_start_ms="all") as log:
        log.append_many(
            {
                "user_id": f"u{i % 2}",
                "event": "click",
                "ts_ms": NOW - 1000 + i,
                "n": i,
                "item": f"i{i % 5}",
                "session_id": f"s{i % 3}",
                "attrs": {"note": "x" * (i % 90)},
            }
            for i in range(300)
        )
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    """Return a copy of the sound log, to be damaged."""
    return Path(shutil.copy(sound, tmp_path / "events.db"))


def values(path: Path, mode: Mode = "auto", **options: Any) -> list[str]:
    """Return the features of both keys."""
    with open_log(path, **options) as log:
        engine = Engine(log, mode=mode)
        engine.install(GRAPH.compile())
        return [repr(engine.extract(GRAPH.id, key=key, at_ms=NOW).values) for key in ("u0", "u1")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "harm",
    [
        "payload = x'7b'",
        "payload = x'ff00'",
        "payload = 7",
        "payload = 'text'",
        "payload = x'5b315d'",
        "session_id = x'ff'",
    ],
)
def test_an_engine_never_takes_damage_for_its_own_fault(path: Path, mode: Mode, harm: str) -> None:
    """A row that cannot be read is a LogCorruptError with file and row; other keys are still answered."""
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE event SET {harm} WHERE id = 101")  # noqa: S608 - our own words
    connection.close()
    with open_log(path) as log:
        engine = Engine(log, mode=mode)
        engine.install(GRAPH.compile())
        for _ in range(2):
            with pytest.raises(LogCorruptError) as caught:
                engine.extract(GRAPH.id, key="u0", at_ms=NOW)
            line = str(caught.value)
            assert line.startswith(f"{path}: expected a sound file")
            assert "row 101" in line
            assert "\n" not in line
            assert "found a fault, row 101: " in line
        assert engine.extract(GRAPH.id, key="u1", at_ms=NOW)["count"] == 150
        assert engine.append({"event": "click", "user_id": "u1", "ts_ms": NOW}).accepted == 1
        assert engine.extract(GRAPH.id, key="u1", at_ms=NOW + 1)["count"] == 151


def test_a_request_is_not_taken_for_damage(path: Path) -> None:
    """An error of the caller's own stays what it is, on a sound and on a damaged log."""
    with open_log(path) as log:
        engine = Engine(log)
        engine.install(GRAPH.compile())
        with pytest.raises(fg.RequestError):
            engine.extract(GRAPH.id, key="u0", at_ms=1.5)  # type: ignore[arg-type]
        error = ValueError("mine")
        assert log.explained(error) is error


@pytest.mark.parametrize("mode", MODES)
def test_a_fault_of_ours_is_not_taken_for_damage(
    path: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails after the rows were read is raised as it is, without a look through the whole file."""

    def faulty(*_: Any) -> Any:
        raise TypeError("ours")

    def never(*_: Any) -> Any:
        raise AssertionError("the file was read")

    with open_log(path) as log:
        engine = Engine(log, mode=mode)
        engine.install(GRAPH.compile())
        expected = repr(engine.extract(GRAPH.id, key="u0", at_ms=NOW).values)
        with monkeypatch.context() as patched:
            patched.setattr(log, "check", never)
            patched.setattr(KeyRows, "fold", faulty)
            patched.setattr(KeyState, "answer", faulty)
            with pytest.raises(TypeError, match="ours"):
                engine.extract(GRAPH.id, key="u0", at_ms=NOW)
        assert repr(engine.extract(GRAPH.id, key="u0", at_ms=NOW).values) == expected


@pytest.mark.parametrize(
    "harm", ["ts_ms = 'text'", "ts_ms = 1.5", "seq = 'text'", "seq = x'00'", "payload = x'7b'"]
)
def test_damage_among_rows_that_arrive_is_told(path: Path, harm: str) -> None:
    """A reader that follows a writer names the row, also where no scan would find it."""
    with open_log(path, read_only=True) as log:
        engine = Engine(log, key="u0")
        engine.install(GRAPH.compile())
        engine.extract(GRAPH.id, at_ms=NOW)
        with open_log(path) as writer:
            last = writer.last_id + 1
            writer.append({"event": "click", "user_id": "u0", "ts_ms": NOW, "x": 1})
        with sqlite3.connect(path) as connection:
            connection.execute(f"UPDATE event SET {harm} WHERE id = {last}")  # noqa: S608 - our own words
        connection.close()
        with pytest.raises(LogCorruptError, match=f"row {last}"):
            engine.extract(GRAPH.id, at_ms=NOW + 9)


@pytest.mark.parametrize("seed", range(8))
def test_random_damage(path: Path, sound: Path, seed: int) -> None:
    """Whatever bytes change, opening and extracting gives values or one line of the log's own errors."""
    rng = random.Random(seed)
    whole = sound.read_bytes()
    lines = []
    for _ in range(12):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 3, 30))):
            place = rng.randrange(len(data))
            size = rng.choice((1, 1, 16, 4096))
            data[place : place + size] = rng.randbytes(size)
        for beside in path.parent.glob("events.db*"):
            beside.unlink()
        path.write_bytes(data)
        for options in ({"read_only": True}, {}):
            try:
                values(path, rng.choice(MODES), **options)
            except LogError as error:
                lines.append(str(error))
            except fg.FeatureOverflowError:
                continue  # a number may have become another number
    assert lines
    assert all(line.startswith(f"{path}: expected ") and "\n" not in line for line in lines)


def test_an_engine_on_a_log_that_is_only_read(path: Path, sound: Path) -> None:
    """An engine reads a read-only log and is refused to append to it, in one line."""
    expected = values(sound, "fused")
    with open_log(path, read_only=True) as log:
        engine = Engine(log, key="u0")
        engine.install(GRAPH.compile())
        for _ in range(2):
            with pytest.raises(LogReadOnlyError) as caught:
                engine.append({"event": "click", "ts_ms": NOW})
            assert "\n" not in str(caught.value)
            found = [repr(engine.extract(GRAPH.id, key=key, at_ms=NOW).values) for key in ("u0", "u1")]
            assert found == expected


def test_a_reader_follows_its_writer(path: Path) -> None:
    """An engine on a read-only log sees what another process's writer appends and forgets meanwhile."""
    with open_log(path) as writer, open_log(path, read_only=True) as reader:
        engine = Engine(reader, key="u0")
        engine.install(GRAPH.compile())
        assert engine.extract(GRAPH.id, at_ms=NOW + 9)["count"] == 150
        writer.append({"event": "click", "user_id": "u0", "ts_ms": NOW, "event_id": "x"})
        assert engine.extract(GRAPH.id, at_ms=NOW + 9)["count"] == 151
        writer.forget(event_id="x")
        assert engine.extract(GRAPH.id, at_ms=NOW + 9)["count"] == 150


# ---------------------------------------------------------------- what a damaged log still gives


def harmed(rng: random.Random, whole: bytes) -> bytes:
    """Return a log with some of its bytes behind the first page changed."""
    data = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 5))):
        size = rng.choice((1, 1, 16, 4096))
        place = rng.randrange(4096, len(data)) // size * size
        data[place : place + size] = rng.randbytes(size)[: len(data) - place]
    return bytes(data)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of a sound log of many pages, whose events say in their id what they are."""
    path = tmp_path_factory.mktemp("long") / "events.db"
    # Without free pages, and with texts that do not compress: most of the file holds events.
    rng = random.Random(1)
    with open_log(path, history_start_ms="all", limits=Limits(free_bytes=0)) as log:
        log.append_many(
            {
                "event": "click",
                "user_id": f"u{i % 7}",
                "ts_ms": NOW - 9_000 + i,
                "event_id": f"e{i}",
                "attrs": {"n": i, "note": rng.randbytes(i % 200).hex()},
            }
            for i in range(1_500)
        )
        assert log.stats().blocks > 1
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("format", ["jsonl", "arrow"])
def test_an_export_has_all_that_can_be_read(tmp_path: Path, long: bytes, seed: int, format: str) -> None:
    """Each event is in the file as it was, or told: none silently left out, twice or changed."""
    if format == "arrow":
        pytest.importorskip("pyarrow")
    rng = random.Random(seed)
    path, out = tmp_path / "events.db", tmp_path / f"out.{format}"
    refused = told = 0
    for _ in range(10):
        for beside in tmp_path.glob("events.db*"):
            beside.unlink()
        path.write_bytes(harmed(rng, long))
        lost: list[Finding] = []
        try:
            with open_log(path, read_only=True) as log:
                count = log.export(out, tell=lost.append)
        except LogCorruptError:  # the page that says what the tables are is gone
            refused += 1
            continue
        events = [event for batch in read_events(out) for event in batch]
        numbers = [int(event["event_id"][1:]) for event in events]
        assert count == len(set(numbers)) == len(numbers)
        for number, event in zip(numbers, events, strict=True):
            assert (event["ts_ms"], event.get("n", event["attrs"].get("n"))) == (NOW - 9_000 + number, number)
        missing = 1_500 - count
        assert sum(one.events or missing for one in lost) >= missing
        told += bool(lost)
    assert refused < 5
    assert told


def test_without_anyone_to_tell_damage_ends_an_export(path: Path, tmp_path: Path) -> None:
    """The call that cannot say what it leaves out refuses, and leaves no file."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE event SET payload = x'7b7d' WHERE id = 101")
    connection.close()
    wrong = pytest.raises(LogCorruptError, match=r"row 101: expected the bytes that .*headrace log export")
    with open_log(path, read_only=True) as log, wrong:
        log.export(tmp_path / "out.jsonl")
    with pytest.raises(LogCorruptError, match="row 101"):
        list(read_events(path))
    assert list(tmp_path.glob("out*")) == []


def test_a_check_goes_on_behind_a_damaged_page(tmp_path: Path, long: bytes) -> None:
    """Where SQLite's own check gives up, the rows that are lost are still named one by one."""
    path = tmp_path / "events.db"
    for page in range(2, len(long) // 4096):
        path.write_bytes(long[: page * 4096] + b"\xff" * 4096 + long[(page + 1) * 4096 :])
        lost: list[Finding] = []
        try:
            with open_log(path, read_only=True) as log:
                findings = log.check()
                count = log.export(tmp_path / "out.jsonl", tell=lost.append)
        except LogCorruptError:
            continue
        assert findings or count == 1_500, page  # a page that is free holds nothing
        assert {one.row for one in findings if one.row} == {one.row for one in lost if one.row}


def test_neighbours_that_say_the_same_are_one_line() -> None:
    """A page of lost rows is one finding for people; what differs, or is elsewhere, stands apart."""
    rows = [lost_row(3, "structure", "gone"), lost_row(4, "structure", "gone"), lost_row(5, "text", "gone")]
    rows += [lost_row(7, "text", "gone"), Finding("structure", "file", "cut"), lost_row(8, "text", "gone")]
    where = [one.where for one in joined(rows)]
    assert where == ["rows 3 to 4", "row 5", "row 7", "file", "row 8"]


@pytest.mark.parametrize("doing", [OPENING, CHECKING])
def test_no_advice_goes_in_a_circle(doing: str) -> None:
    """Whoever opens or checks a damaged log is not sent to check it."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = 11
    for one in (error, sqlite3.DatabaseError("odd"), UnicodeDecodeError("utf-8", b"", 0, 1, "bad")):
        assert "log check" not in str(translated(one, "x.db", doing))
        assert "log check" in str(translated(one, "x.db", "reading"))


def test_an_index_without_its_events_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an index holds what no event has, the file is told damaged: no event is blamed."""
    path = tmp_path / "events.db"
    with EventLog(path, history_start_ms="all") as log:
        log.append({"event": "e", "ts_ms": 1, "user_id": "u", "event_id": "a"})
        monkeypatch.setattr("stream.appender._IS_KNOWN", "SELECT 1 WHERE ? = 0 AND ? = 0")
        for more in ({}, {"seq": 7}):
            with pytest.raises(LogCorruptError, match=r"an event_id in an index that no event has; run"):
                log.append({"event": "e", "ts_ms": 2, "user_id": "u", "event_id": "a", **more})
        monkeypatch.setattr("stream.appender._LAST_SEQ", "SELECT NULL WHERE ? = 0 OR ? > 0")
        with pytest.raises(LogCorruptError, match=r"UNIQUE constraint failed: event.user"):
            log.append({"event": "e", "ts_ms": 1, "user_id": "u"})
        assert log.count == 1


def sealed_log(folder: Path) -> Path:
    """Make a sound log of 40 events in small blocks; return its path."""
    path, sealing = folder / "events.db", Sealing(most_tail=5, least_tail=1, own=3, most_events=6, join=2)
    with EventLog(path, history_start_ms="all", limits=Limits(sealing=sealing)) as log:
        for n in range(40):
            log.append({"event": "e", "ts_ms": n, "user_id": "u", "event_id": f"e{n}"})
        assert log.check() == []
    return path


@pytest.mark.parametrize("value", [7, "x" * 5_000])
@pytest.mark.parametrize(
    "column", ["events", "first_id", "last_id", "first_ms", "last_ms", "owner_key", "owner_name"]
)
def test_what_the_file_says_of_a_block_is_compared(tmp_path: Path, column: str, value: object) -> None:
    """A number beside a block that is not the block's is found, and told on a line of bounded length."""
    path = sealed_log(tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        first = "WHERE id = (SELECT min(id) FROM block)"
        connection.execute(f"UPDATE block SET {column} = ? {first}", (value,))  # noqa: S608 - our own
    with EventLog(path, read_only=True) as log:
        (found,) = log.check()
    assert found.what == "block"
    assert len(found.where + found.detail) < 300


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("DELETE FROM known WHERE event IN (2, 3)", "block"),
        ("UPDATE known SET hash = hash + 1 WHERE event = 2", "block"),
        ("UPDATE meta SET value = 'no hex' WHERE name = 'salt'", "file"),
        ("DELETE FROM meta WHERE name = 'salt'", "block"),
    ],
)
def test_an_event_whose_id_is_not_known_is_found(tmp_path: Path, change: str, where: str) -> None:
    """A copy of it would be taken once more; the event itself is there, and exported."""
    path = sealed_log(tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(change).rowcount
    with EventLog(path, read_only=True) as log:
        found = log.check()
        assert {one.what for one in found} == {"known"}
        assert found[0].where.startswith(where)
        assert log.export(tmp_path / "out.jsonl") == 40


def test_a_salt_that_is_none_is_damage(tmp_path: Path) -> None:
    """No event with an id is taken: nobody could tell whether it is a copy."""
    path, sealing = tmp_path / "events.db", Sealing(most_tail=5, least_tail=1, own=3, most_events=6, join=2)
    event = {"event": "e", "ts_ms": 1, "user_id": "u", "event_id": "a"}
    with EventLog(path, history_start_ms="all", limits=Limits(sealing=sealing)) as log:
        log.append_many({**event, "ts_ms": n, "event_id": f"e{n}"} for n in range(40))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = 'no hex' WHERE name = 'salt'")
    with EventLog(path) as log, pytest.raises(LogCorruptError, match="expected the salt of hashes"):
        log.append(event)
