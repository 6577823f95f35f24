"""Damaged files, full disks and failing writes: one line says what is wrong, and what was accepted stays."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import featuregraph as fg
from stream.engine import MODES, Engine, Mode
from stream.errors import LogCorruptError, LogError, LogFullError
from stream.event import Row
from stream.log import EventLog

pytestmark = pytest.mark.device

E = {"event": "e", "user_id": "u"}
EVENTS = 400


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sound log of some pages, all in the file itself."""
    path = tmp_path_factory.mktemp("sound") / "events.db"
    with EventLog(path) as log:
        log.append_many(
            [{**E, "ts_ms": i, "event_id": f"id-{i}", "x": f"value {i} " * 9} for i in range(EVENTS)]
        )
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    """Return a copy of the sound log, to be damaged."""
    return Path(shutil.copy(sound, tmp_path / "events.db"))


def outcome(path: Path, call: Callable[[EventLog], object]) -> str:
    """Return the one line that CALL on the log at PATH fails with, '' if it does not fail."""
    message = ""
    try:
        with EventLog(path) as log:
            call(log)
    except LogError as error:
        message = str(error)
    assert not message or (message.startswith(f"{path}: expected ") and "\n" not in message)
    return message


def test_the_sound_log_is_sound(path: Path) -> None:
    """Check finds nothing wrong where nothing is."""
    with EventLog(path) as log:
        assert (log.check(), log.count) == ([], EVENTS)


@pytest.mark.parametrize("kept", [1, 50, 99, 100, 4095, 4096, 4097, 8192, 20_000, 60_000, -4096, -1])
def test_a_truncated_file(path: Path, kept: int) -> None:
    """A file cut short is refused in one line or found out by check, and never made a new log."""
    with path.open("rb+") as file:
        file.truncate(kept % path.stat().st_size)
    found: list[object] = []
    assert outcome(path, partial(_check, found)) or found


def _read(rows: set[Row], log: EventLog) -> None:
    rows.update(log.rows_after(0))
    log.scan("u", ["e"], None, None)


def _check(findings: list[object], log: EventLog) -> None:
    findings.extend(log.check())


def test_flipped_bits(path: Path) -> None:
    """Whatever bit flips: a read gives rows that were written, or one line, or check names the row."""
    content = path.read_bytes()
    chance = random.Random(7)
    with EventLog(path) as log:
        written = set(log.rows_after(0))
    seen: dict[str, int] = {"sound": 0, "refused": 0, "found": 0}
    for _ in range(150):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        for extra in ("-wal", "-shm"):
            Path(f"{path}{extra}").unlink(missing_ok=True)
        path.write_bytes(damaged)
        rows: set[Row] = set()
        findings: list[object] = []
        message = outcome(path, partial(_read, rows)) or outcome(path, partial(_check, findings))
        # Some bytes mean nothing: free space, a hint for a cache.
        what = "refused" if message else "found" if findings else "sound"
        seen[what] += 1
        assert what != "sound" or rows == written
    assert seen["refused"] > 40


def test_a_write_ahead_log_cut_short(tmp_path: Path) -> None:
    """What a torn write-ahead log still holds is whole calls, in order, and a sound log."""
    source, path = tmp_path / "source.db", tmp_path / "events.db"
    with EventLog(source) as log:
        for i in range(0, 60, 3):
            log.append_many([{**E, "ts_ms": i + j, "x": "y" * 500} for j in range(3)])
        main, wal = source.read_bytes(), Path(f"{source}-wal").read_bytes()
    counts = set()
    for cut in range(0, len(wal), len(wal) // 40):
        path.write_bytes(main)
        Path(f"{path}-wal").write_bytes(wal[:cut])
        with EventLog(path) as log:
            rows = log.rows_after(0)
            assert [row.ts_ms for row in rows] == list(range(len(rows)))
            assert len(rows) % 3 == 0
            assert log.check() == []
            counts.add(len(rows))
    assert max(counts) >= 54
    assert len(counts) > 10


def test_check_names_the_damaged_row(path: Path) -> None:
    """A row changed behind the log's back is found by its checksum; an unknown text and broken JSON too."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE event SET ts_ms = 100000 WHERE id = 7")
        connection.execute("UPDATE event SET name = 99 WHERE id = 8")
    connection.close()
    with EventLog(path) as log:
        assert [(f.what, f.where) for f in log.check()] == [("checksum", "row 7"), ("text", "row 8")]


def _fill(log: EventLog, times: list[int]) -> None:
    """Append calls of five events until one is refused, and note the times of those that were taken."""
    while True:
        more = range(len(times), len(times) + 5)
        log.append_many([{**E, "ts_ms": ts_ms, "x": "y" * 900} for ts_ms in more])
        times += more


def test_a_full_file(tmp_path: Path) -> None:
    """Where no room is left the call is refused whole, what was accepted is there, and freed room is used."""
    path = tmp_path / "events.db"
    with EventLog(path) as log:
        with log._using("testing") as connection:
            connection.execute("PRAGMA max_page_count = 60")
        times: list[int] = []
        with pytest.raises(LogFullError) as caught:
            _fill(log, times)
        accepted = len(times)
        assert str(caught.value).startswith(f"{path}: expected free space while appending")
        assert accepted > 50
        assert [row.ts_ms for row in log.scan("u", ["e"], None, None)] == list(range(accepted))
        log.forget(before=accepted - 5)
        log.append({**E, "ts_ms": accepted})
    with EventLog(path) as log:
        assert [row.ts_ms for row in log.rows_after(0)] == list(range(accepted - 5, accepted + 1))
        assert log.check() == []


@pytest.mark.skipif(os.name != "posix", reason="resource limits are those of POSIX")
def test_a_write_that_the_system_refuses(tmp_path: Path) -> None:
    """A file that may not grow gives one line; every acknowledged event is there afterwards."""
    path = tmp_path / "events.db"
    code = (
        "import resource, sys\n"
        "from stream.errors import LogError\n"
        "from stream.log import EventLog\n"
        "log = EventLog(sys.argv[1])\n"
        "log.append({'event': 'e', 'ts_ms': 0, 'user_id': 'u'})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "n = 1\n"
        "try:\n"
        "    while n < 10_000:\n"
        "        log.append({'event': 'e', 'ts_ms': n, 'user_id': 'u', 'x': 'y' * 500})\n"
        "        n += 1\n"
        "except LogError as error:\n"
        "    print(n, error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    taken, _, message = found.stdout.partition(" ")
    assert message.startswith(f"{path}: expected ")
    assert message.count("\n") == 1
    with EventLog(path) as log:
        held = [row.ts_ms for row in log.rows_after(0)]
        assert held[: int(taken)] == list(range(int(taken)))
        assert log.check() == []


def test_an_export_onto_a_full_disk_leaves_the_old_file(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export that cannot be finished changes nothing and leaves nothing behind."""
    from stream.errors import EventFileError

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "out" / "events.jsonl"
    target.parent.mkdir()
    target.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with EventLog(path) as log, pytest.raises(EventFileError, match="No space left"):
        log.export(target)
    assert [(file.name, file.read_text()) for file in target.parent.iterdir()] == [("events.jsonl", "old")]


def test_a_corrupt_page_is_named_as_such(path: Path) -> None:
    """A page of garbage gives LogCorruptError where it is met."""
    with path.open("rb+") as file:
        for page in range(2, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 16)
    with pytest.raises(LogCorruptError, match="expected a sound file"), EventLog(path) as log:
        _read(set(), log)


class Bought(fg.Event, name="bought"):
    """What the graph of the next test reads."""

    quantity = fg.int64()


BOUGHT = fg.Graph("bought", {"pieces": fg.rows(Bought).over("1h").sum(Bought.quantity)})


@pytest.mark.parametrize("mode", MODES)
def test_a_changed_row_that_is_not_sealed_yet_is_no_value(mode: Mode, tmp_path: Path) -> None:
    """A digit that flipped on the disk is told in one line; another key reads on, and to forget mends."""
    path = tmp_path / "events.db"
    with EventLog(path, history_start_ms="all") as log:
        for user, pieces in (("u", 11_111), ("v", 22_222)):
            log.append_many(
                [{"event": "bought", "user_id": user, "ts_ms": i, "quantity": pieces} for i in range(3)]
            )
    path.write_bytes(path.read_bytes().replace(b"11111", b"91111", 1))
    with EventLog(path) as log:
        engine = Engine(log, mode=mode)
        graph_id = engine.install(BOUGHT.compile())
        for _ in range(2):
            with pytest.raises(LogCorruptError, match=r"row [123]: expected the bytes that were written"):
                engine.extract(graph_id, key="u", at_ms=10)
        with pytest.raises(LogCorruptError, match="a fault"):
            log.rows_after(0)
        assert engine.extract(graph_id, key="v", at_ms=10).values == {"pieces": 66_666}
        engine.forget(key="u")
        assert engine.extract(graph_id, key="u", at_ms=10).values == {"pieces": 0}
