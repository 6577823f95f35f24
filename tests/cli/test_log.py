"""`headrace log`: events in, out, counted, checked and forgotten."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from headrace.cli import main
from stream import EventLog, tables


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Give a file of three events, one of them twice."""
    events = [
        {"event": "view", "ts_ms": 1_000, "user_id": "u", "event_id": "a", "attrs": {"x": "1"}},
        {"event": "view", "ts_ms": 2_000, "user_id": "v", "event_id": "b"},
        {"event": "buy", "ts_ms": 3_000, "user_id": "u", "event_id": "c", "attrs": {"x": "2"}},
        {"event": "buy", "ts_ms": 3_000, "user_id": "u", "event_id": "c", "attrs": {"x": "2"}},
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return path


@pytest.fixture
def log(tmp_path: Path, recorded: Path) -> Path:
    """Give a log with the recorded events."""
    path = tmp_path / "log.db"
    assert main(["log", "import", str(path), str(recorded)]) == 0
    return path


def test_import_counts_what_became_of_the_events(
    tmp_path: Path, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The receipt says how many came in and how many were duplicates; a second import is all duplicates."""
    path = tmp_path / "log.db"
    assert main(["log", "import", str(path), str(recorded), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["accepted"], found["duplicate"]) == (3, 1)
    assert main(["log", "import", str(path), str(recorded), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["duplicate"] == 4


def test_stats_tell_what_a_log_holds(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Events by name, keys and times are there, for machines and for people."""
    capsys.readouterr()
    assert main(["log", "stats", str(log), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["events"], found["keys"], found["by_name"]) == (3, 2, {"buy": 1, "view": 2})
    assert (found["first_ts_ms"], found["last_ts_ms"]) == (1_000, 3_000)
    assert main(["log", "stats", str(log)]) == 0
    shown = capsys.readouterr().out
    assert "1970-01-01" in shown
    assert "view" in shown


def test_export_and_import_are_inverse(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was exported fills a log with the same events."""
    out, other = tmp_path / "out.jsonl", tmp_path / "other.db"
    assert main(["log", "export", str(log), str(out)]) == 0
    assert main(["log", "import", str(other), str(out)]) == 0
    capsys.readouterr()
    found = []
    for path in (log, other):
        assert main(["log", "stats", str(path), "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["by_name"])
    assert found[0] == found[1] == {"buy": 1, "view": 2}


def test_check_finds_damage(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sound log gives 0; one whose payload was changed gives 1 and names the row."""
    assert main(["log", "check", str(log)]) == 0
    assert "sound" in capsys.readouterr().out
    data = log.read_bytes()
    assert data.count(b'{"x":"1"}') == 1
    log.write_bytes(data.replace(b'{"x":"1"}', b'{"x":"9"}'))
    assert main(["log", "check", str(log), "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert finding["what"] == "checksum"


def test_forget_removes_by_one_measure(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key, a time or an id: exactly one of them, else one line and code 2."""
    capsys.readouterr()
    assert main(["log", "forget", str(log), "--key", "v", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": 1}
    assert main(["log", "forget", str(log), "--before", "1970-01-01T00:00:02Z"]) == 0
    assert "1 events removed" in capsys.readouterr().out
    assert main(["log", "forget", str(log)]) == 2
    assert "expected one of before, key, event_id" in capsys.readouterr().err


def test_trim_bounds_a_log_by_time_or_by_bytes(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Old events go, but those with a name that stays; from when on the log is complete is told."""
    capsys.readouterr()
    assert main(["log", "trim", str(log), "--max-bytes", "1GiB", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": 0, "history_start_ms": None}
    assert main(["log", "trim", str(log), "--before", "3001", "--keep", "buy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": 2, "history_start_ms": 3001}
    with EventLog(log, read_only=True) as opened:
        assert [row.name for row in opened.rows_after(0)] == ["buy"]
    assert main(["log", "trim", str(log), "--before", "1970-01-01T00:00:04Z"]) == 0
    assert "1 events removed; complete from 1970-01-01" in capsys.readouterr().out


def test_trim_takes_one_measure(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A time or a size, and names that stay only beside a time; else one line and code 2."""
    capsys.readouterr()
    for options in ([], ["--before", "1", "--max-bytes", "1KiB"], ["--max-bytes", "1KiB", "--keep", "view"]):
        assert main(["log", "trim", str(log), *options]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "expected" in line


@pytest.mark.parametrize("command", ["stats", "check", "export"])
def test_a_file_that_is_no_log_is_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing or foreign file gives one line on standard error and code 2."""
    foreign = tmp_path / "foreign.db"
    foreign.write_bytes(b"not a database, whatever its name says" * 100)
    more = [str(tmp_path / "out.jsonl")] if command == "export" else []
    for path in (tmp_path / "none.db", foreign):
        assert main(["log", command, str(path), *more]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert str(path) in said


def test_an_option_of_another_form_is_one_line(
    tmp_path: Path, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sync that is none is bad usage, not a fault."""
    assert main(["log", "import", str(tmp_path / "log.db"), str(recorded), "--sync", "often"]) == 2
    assert capsys.readouterr().err.startswith('headrace: expected sync "batch" or "full"')


FIRST = '{"event": "view", "ts_ms": 1, "user_id": "u", "seq": 0}\n'
NOTHING = {
    "missing": None,
    "no JSON": "no JSON at all\n",
    "cut short": '{"event": "view"\n',
    "a bad event": '{"event": "view", "user_id": "u"}\n',
    "a bad event later": FIRST + '{"event": "view", "user_id": "u"}\n',
    "a position that is taken": FIRST + FIRST,
}


@pytest.mark.parametrize("text", NOTHING.values(), ids=NOTHING)
def test_an_import_of_nothing_makes_no_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    """An import that fails before it has brought in an event leaves nothing behind."""
    events, log = tmp_path / "events.jsonl", tmp_path / "log.db"
    if text is not None:
        events.write_text(text, encoding="utf-8")
    assert main(["log", "import", str(log), str(events)]) == 2
    assert str(events) in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ([] if text is None else ["events.jsonl"])


def test_an_import_that_fails_leaves_a_log_as_it_was(log: Path, tmp_path: Path) -> None:
    """A log that was there before stays, also one without events."""
    bad, empty = tmp_path / "bad.jsonl", tmp_path / "empty.db"
    bad.write_text(FIRST + FIRST, encoding="utf-8")
    EventLog(empty).close()
    before = log.read_bytes()
    assert [main(["log", "import", str(path), str(bad)]) for path in (log, empty)] == [2, 2]
    assert log.read_bytes() == before
    assert empty.exists()


@pytest.mark.parametrize("ts_ms", [1, 99_999_999_999_999], ids=["accepted", "kept apart"])
def test_what_an_import_brought_in_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ts_ms: int) -> None:
    """After a batch is in, a bad event further on takes nothing away."""
    monkeypatch.setattr(tables, "read_events", partial(tables.read_events, rows=1))
    events, log = tmp_path / "events.jsonl", tmp_path / "log.db"
    events.write_text(f'{{"event": "view", "ts_ms": {ts_ms}, "user_id": "u"}}\nno JSON\n', encoding="utf-8")
    assert main(["log", "import", str(log), str(events)]) == 2
    with EventLog(log, read_only=True) as found:
        assert found.count + len(found.quarantined()) == 1


def test_a_log_is_imported_into_another_but_not_into_itself(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any log is a file of events; its own would double what has no id."""
    other = tmp_path / "other.db"
    assert main(["log", "import", str(other), str(log)]) == 0
    capsys.readouterr()
    assert main(["log", "import", str(log), str(log)]) == 2
    assert "expected another file than the log" in capsys.readouterr().err
