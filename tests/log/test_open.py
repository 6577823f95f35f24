"""Which files are opened, by whom, and what is said about the others."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from featuregraph.testing.clock import FakeClock
from stream import lockfile
from stream.errors import ArgumentError, LogError, LogFormatError, LogLockedError, LogReadOnlyError
from stream.limits import Limits
from stream.log import EventLog
from stream.schema import APPLICATION_ID, FORMAT, STEPS

pytestmark = pytest.mark.device

E = {"event": "e", "ts_ms": 5, "user_id": "u"}


def one_line(caught: pytest.ExceptionInfo[LogError], path: Path) -> str:
    """Return the message, which is one line and names the file."""
    message = str(caught.value)
    assert message.startswith(f"{path}: expected ")
    assert "\n" not in message
    return message


def test_a_second_writer_is_told_who_writes(path: Path, log: EventLog) -> None:
    """Another writer, of this process or another one, gets an error with the pid of the first."""
    with pytest.raises(LogLockedError) as caught:
        EventLog(path)
    assert f"process {os.getpid()} " in one_line(caught, path)
    code = f"from stream.log import EventLog; EventLog({str(path)!r})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"LogLockedError: {path}: expected no other writer, found process {os.getpid()} " in found.stderr
    log.append(E)
    log.close()
    EventLog(path).close()


def test_the_lock_works_without_the_systems_help(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no flock the lock file itself is the lock, and is removed when the log is closed."""
    monkeypatch.setattr(lockfile, "fcntl", None)
    with EventLog(path), pytest.raises(LogLockedError) as caught:
        EventLog(path)
    assert f"process {os.getpid()} " in one_line(caught, path)
    EventLog(path).close()
    assert not Path(f"{path}.lock").exists()


def test_a_writer_that_closes_leaves_one_file(path: Path, log: EventLog) -> None:
    """Nothing stays beside it, also where opening failed."""
    log.append(E)
    log.close()
    foreign = path.with_name("foreign.txt")
    foreign.write_bytes(b"not a database, whatever its name says" * 100)
    with pytest.raises(LogError):
        EventLog(foreign)
    assert sorted(found.name for found in path.parent.iterdir()) == sorted([path.name, foreign.name])


def test_a_lock_whose_file_was_removed_is_no_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who opened the file of a lock just before its holder removed it must not write beside a third."""
    holder = lockfile.LockFile(str(path))
    opened = lockfile._open

    def open_then_lose(name: str, log: str, flags: int) -> int:
        fd = opened(name, log, flags)
        monkeypatch.setattr(lockfile, "_open", opened)
        holder.release()
        return fd

    monkeypatch.setattr(lockfile, "_open", open_then_lose)
    late = lockfile.LockFile(str(path))
    with pytest.raises(LogLockedError):
        lockfile.LockFile(str(path))
    late.release()


def test_a_full_disk_does_not_keep_a_log_shut(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds it cannot be written down there, but it is held: forgetting is how room is made."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with EventLog(path), pytest.raises(LogLockedError) as caught:
        EventLog(path)
    assert "found process unknown holding it" in one_line(caught, path)


def test_a_discarded_log_is_gone(path: Path, log: EventLog) -> None:
    """With its file, its lock and its events; another may be made in its place, and a reader removes none."""
    log.append(E)
    with EventLog(path, read_only=True) as reader, pytest.raises(LogReadOnlyError):
        reader.discard()
    log.discard()
    assert list(path.parent.iterdir()) == []
    with EventLog(path) as again:
        assert again.count == 0


def test_readers_see_what_is_committed(path: Path, log: EventLog, open_log: Any) -> None:
    """A reader opens beside the writer, sees each commit at once, new names too, and what is forgotten."""
    log.append(E)
    reader = open_log(read_only=True)
    assert len(reader.scan("u", None, None, None)) == 1
    log.append_many([{**E, "event": "f"}, {**E, "user_id": "v", "session_id": 0.5}])
    assert [row.name for row in reader.scan("u", None, None, None)] == ["e", "f"]
    assert reader.scan("v", ["e"], None, None)[0].session_id == 0.5
    assert (reader.last_id, reader.count, reader.known_ms) == (log.last_id, 3, log.known_ms)
    log.forget(key="u")
    log.append({**E, "user_id": "w"})
    assert (reader.scan("u", None, None, None), reader.keys()) == ([], ["v", "w"])
    assert reader.generation == log.generation
    with pytest.raises(LogReadOnlyError) as caught:
        reader.append(E)
    one_line(caught, path)


def test_a_reader_in_another_process(path: Path, log: EventLog) -> None:
    """Another process reads while this one writes."""
    log.append(E)
    code = f"from stream.log import EventLog; print(EventLog({str(path)!r}, read_only=True).count)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "1\n"


def test_reading_what_is_not_there(path: Path) -> None:
    """A reader makes no file."""
    with pytest.raises(LogError, match="found nothing") as caught:
        EventLog(path, read_only=True)
    one_line(caught, path)
    assert list(path.parent.iterdir()) == []


def test_an_empty_file_becomes_a_log(path: Path) -> None:
    """A file without a byte, as mktemp makes it, is made a log by a writer and refused by a reader."""
    path.touch()
    with pytest.raises(LogFormatError, match="empty file"):
        EventLog(path, read_only=True)
    with EventLog(path) as log:
        assert log.append(E).accepted == 1


@pytest.mark.parametrize("read_only", [False, True])
def test_another_programs_database_is_refused_untouched(path: Path, read_only: bool) -> None:
    """A database that is no log is named as such, and not a byte of it changes."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LogFormatError, match="another program") as caught:
        EventLog(path, read_only=read_only)
    one_line(caught, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", range(1, FORMAT))
def test_a_log_of_an_older_format_is_brought_to_this_one(path: Path, open_log: Any, version: int) -> None:
    """Opened for writing it gets what it lacks, and keeps what it has; who may only read says what to do."""
    with EventLog(path.with_name("now.db")) as now:
        now.append({**E, "ts_ms": 4, "event_id": "before", "attrs": {"n": 1}})
    connection = sqlite3.connect(path)
    connection.executescript("".join(STEPS[:version]))
    connection.execute("ATTACH ? AS now", (f"{path.with_name('now.db')}",))
    for table in ("meta", "text", "event"):
        connection.execute(f"INSERT INTO {table} SELECT * FROM now.{table}")  # noqa: S608 - our own words
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.commit()
    connection.close()
    with pytest.raises(LogFormatError, match="open it once for writing, which brings it to this format"):
        open_log(read_only=True)
    log = open_log()
    assert log.append({**E, "event_id": "before"}).duplicate == 1
    log.append(E)
    assert [row.ts_ms for row in log.scan("u", ["e"], None, None)] == [4, 5]
    assert (log.stats().format, log.check(), list(log.served())) == (FORMAT, [], [])


@pytest.mark.parametrize(("version", "step"), [(FORMAT + 1, "newer headrace"), (-1, "format -1")])
def test_another_format_is_refused(path: Path, version: int, step: str) -> None:
    """A log of a format that this version does not know is refused, with what to do."""
    EventLog(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(LogFormatError, match=step) as caught:
        EventLog(path)
    one_line(caught, path)


@pytest.mark.parametrize("content", [b"PAR1 no database", b"\0" * 5000, b"SQLite format 3\0" + b"x" * 5000])
@pytest.mark.parametrize("read_only", [False, True])
def test_no_database_at_all(path: Path, content: bytes, read_only: bool) -> None:
    """A file of another kind is refused and stays as it is."""
    path.write_bytes(content)
    with pytest.raises(LogError) as caught:
        EventLog(path, read_only=read_only)
    one_line(caught, path)
    assert path.read_bytes() == content


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    """A folder in place of the file is named as such."""
    with pytest.raises(LogError, match="found a folder") as caught:
        EventLog(tmp_path)
    one_line(caught, tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    """A log in a folder that does not exist is refused, with the path."""
    path = tmp_path / "no" / "events.db"
    with pytest.raises(LogError, match="folder exists") as caught:
        EventLog(path)
    one_line(caught, path)


def test_a_log_keeps_its_key(path: Path) -> None:
    """A log is opened with the key that it was made with, or without saying one."""
    EventLog(path, key="item_id").close()
    with pytest.raises(LogFormatError, match="'item_id'") as caught:
        EventLog(path, key="user_id")
    one_line(caught, path)
    assert EventLog(path, read_only=True).key == "item_id"


@pytest.mark.parametrize(
    "bad", [{"key": ""}, {"key": "ts_ms"}, {"history_start_ms": "ALL"}, {"history_start_ms": 1.5}]
)
def test_an_argument_of_another_form_is_refused(path: Path, bad: dict[str, Any]) -> None:
    """A key that owns nothing, a history that begins at no time: one line, and no file is made."""
    with pytest.raises(ValueError, match="expected"):
        EventLog(path, **bad)
    assert not path.exists()


@pytest.mark.parametrize(("given", "kept"), [(None, 7), (3, 3), ("all", None)])
def test_history_starts_when_the_log_is_made(path: Path, given: Any, kept: int | None) -> None:
    """History starts at the clock's time, or the one given; opening the log again does not move it (3.5)."""
    EventLog(path, clock=FakeClock(7), history_start_ms=given).close()
    for again in (None, 5, "all"):
        with EventLog(path, clock=FakeClock(9), history_start_ms=again) as log:
            assert log.history_start_ms == log.stats().history_start_ms == kept


@pytest.mark.parametrize(
    ("bad", "least"),
    [
        *((name, 0) for name in ("max_served", "max_log_bytes", "max_counted", "busy_ms", "free_bytes")),
        ("max_text", 1),
    ],
)
def test_a_bound_below_its_least_value_is_refused(bad: str, least: int) -> None:
    """One line, as the Limits are made, with the field, its least value and what was found."""
    for found in (least - 1, 2.0, True, "7"):
        with pytest.raises(ArgumentError) as caught:
            Limits(**{bad: found})  # type: ignore[arg-type]
        assert str(caught.value) == (
            f"Limits: expected {bad} as an int of at least {least}, found {found!r}; correct it"
        )
    assert getattr(Limits(**{bad: least}), bad) == least  # type: ignore[arg-type]


def test_a_closed_log_says_so(path: Path, log: EventLog) -> None:
    """Whatever is asked of a closed log, the answer is one line."""
    log.close()
    log.close()
    for call in (lambda: log.append(E), lambda: log.scan("u", None, None, None), log.stats, log.flush):
        with pytest.raises(LogError, match="found a closed one") as caught:
            call()
        one_line(caught, path)


def test_sync_is_one_of_two(path: Path) -> None:
    """An unknown durability is refused before any file is made."""
    with pytest.raises(ValueError, match="expected sync"):
        EventLog(path, sync="off")  # type: ignore[arg-type]
    assert not path.exists()


@pytest.mark.parametrize(("sync", "level"), [("batch", 1), ("full", 2)])
def test_the_file_is_set_up(path: Path, sync: Any, level: int) -> None:
    """Each setting that durability and forgetting stand on is really set."""
    with EventLog(path, sync=sync) as log, log._using("testing") as connection:
        asked = ["journal_mode", "synchronous", "secure_delete", "auto_vacuum"]
        asked += ["fullfsync", "checkpoint_fullfsync"]
        found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked]
        assert found == ["wal", level, 1, 2, 1, 1]


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """Give a folder that others may enter: those of pytest, which any session of it shuts, are its own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
@pytest.mark.parametrize("mode", ["file", "folder", "both"])
def test_what_may_not_be_written(open_to_all: Path, mode: str) -> None:
    """Without write permission a writer is refused in one line, and a reader reads."""
    path = open_to_all / "events.db"
    with EventLog(path) as log:
        log.append(E)
    try:
        path.chmod(0o666 if mode == "folder" else 0o444)
        path.parent.chmod(0o777 if mode == "file" else 0o555)
        written = _as_nobody(
            path, "log = EventLog(PATH); log.append({'event': 'e', 'ts_ms': 5, 'user_id': 'u'})"
        )
        assert f"LogReadOnlyError: {path}: expected " in written.stderr
        read = _as_nobody(path, "print(EventLog(PATH, read_only=True).scan('u', ['e'], 0, 9)[0].ts_ms)")
        assert (read.stdout, read.stderr) == ("5\n", "")
    finally:
        path.parent.chmod(0o777)


def _as_nobody(path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run CODE as somebody whom permissions bind, with PATH as the path of the log."""
    # Modules are loaded before privileges are dropped: the checkout may lie where nobody may read.
    drop = "import os\nif os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
    script = f"from stream.log import EventLog\n{drop}PATH = {str(path)!r}\n{code}"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def test_threads_share_a_log(log: EventLog) -> None:
    """Several threads append and read at once: every event is there once, in a place of its own."""
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(50):
                log.append({**E, "event_id": f"{number}-{i}"})
                log.scan("u", ["e"], None, None)
        except BaseException as error:  # noqa: BLE001  a thread has nobody else to tell
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [row.seq for row in log.scan("u", ["e"], None, None)] == list(range(200))
