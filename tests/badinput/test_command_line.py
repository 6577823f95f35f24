"""Bad input through the command: one line on standard error, exit code 2, no accepted event lost."""

from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.cli import main
from stream import EventLog

pytestmark = pytest.mark.device

Run = Callable[..., tuple[int, str, str]]

E = {"event": "click", "user_id": "u", "ts_ms": 1_000, "attrs": {"n": 1}}
GRAPH = {
    "format": 1,
    "graph": "g",
    "events": {"click": {"n": "int64", "item": "category"}},
    "features": {"sum": {"agg": "sum", "stream": {"events": ["click"]}, "x": {"field": "n"}}},
}
COMMANDS = ("log import", "why")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `headrace ARGUMENTS` and gives its code, output and errors."""

    def do(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return do


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of 50 events."""
    path = tmp_path / "log.db"
    with EventLog(path, history_start_ms="all") as made:
        made.append_many({**E, "ts_ms": i, "event_id": f"e{i}"} for i in range(50))
    return path


def one_line(ran: tuple[int, str, str], *parts: str) -> None:
    """Require exit code 2, nothing on standard output, and one line on standard error with PARTS."""
    code, out, err = ran
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("headrace: ")
    assert "expected" in err
    assert len(err) < 1_500
    for part in parts:
        assert part in err, err


def nested(depth: int) -> str:
    """Return JSON nested DEPTH deep."""
    return "[" * depth + "1" + "]" * depth


FILES: dict[str, bytes] = {
    "missing ts": b'{"event": "click", "user_id": "u"}',
    "text as ts": json.dumps({**E, "ts_ms": "soon"}).encode(),
    "no JSON": b"click",
    "no object": b"[1, 2]",
    "deep value": b'{"event": "click", "x": ' + nested(100_000).encode() + b"}",
    "deep ts": json.dumps({**E, "ts_ms": "X"}).replace('"X"', nested(900)).encode(),
    "invalid UTF-8": b'{"event": "cli\xffck", "ts_ms": 5, "user_id": "u"}',
    "huge payload": json.dumps({**E, "x": "y" * (1 << 20)}).encode(),
    "huge line": b'{"x": "' + b"y" * (17 << 20) + b'"}',
    "huge integer": b'{"event": "click", "ts_ms": ' + b"1" * 5_000 + b"}",
    "cut short": json.dumps(E).encode()[:-3],
    "a zero byte": b"\x00",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("bad", FILES)
def test_a_file_of_events_that_is_none(run: Run, log: Path, tmp_path: Path, bad: str, command: str) -> None:
    """The line names the file and, importing, the row; nothing of it is kept, all that the log held is."""
    events, graph = tmp_path / "events.jsonl", tmp_path / "graph.json"
    events.write_bytes(json.dumps({**E, "ts_ms": 99}).encode() + b"\n" + FILES[bad] + b"\n")
    graph.write_text(json.dumps(GRAPH), encoding="utf-8")
    if command == "why":
        if bad == "huge payload":
            pytest.skip("a recording may hold what a device's log refuses")
        one_line(
            run("why", events, "--graph", graph, "--feature", "sum", "--key", "u", "--at", 500), str(events)
        )
    else:
        one_line(run("log", "import", log, events), str(events), "row 2")
    with EventLog(log) as found:
        assert (found.count, found.check()) == (50, [])


def test_values_that_are_none_are_counted(run: Run, log: Path, tmp_path: Path) -> None:
    """NaN, infinities, deep and odd values inside a file are null and counted; the events are there."""
    odd: list[Any] = [math.nan, math.inf, -math.inf, {"a": 1}, [[[1]]], "\ud800"]
    events = tmp_path / "events.jsonl"
    lines = [json.dumps({**E, "ts_ms": 100 + i, "attrs": {"n": value}}) for i, value in enumerate(odd)]
    events.write_text("\n".join([*lines, json.dumps({**E, "event_id": "e7"})]), encoding="utf-8")
    code, out, err = run("log", "import", log, events, "--json")
    assert (code, err) == (0, "")
    receipt = json.loads(out)
    assert (receipt["accepted"], receipt["unparsable"], receipt["duplicate"]) == (len(odd), len(odd), 1)


def feature(expr: Any) -> bytes:
    """Return a graph with the feature EXPR as JSON."""
    return json.dumps({**GRAPH, "features": {"bad": expr}}).encode()


STREAM = {"events": ["click"]}
GRAPHS: dict[str, bytes] = {
    "unknown event": feature({"agg": "count", "stream": {"events": ["clik"]}}),
    "unknown field": feature({"agg": "sum", "stream": STREAM, "x": {"field": "m"}}),
    "wrong type": feature({"agg": "sum", "stream": STREAM, "x": {"field": "item"}}),
    "deep": feature("X").replace(b'"X"', b'{"op":"neg","args":[' * 800 + b"1" + b"]}" * 800),
    "far deeper": feature("X").replace(b'"X"', nested(100_000).encode()),
    "NaN": feature({"lit": math.nan, "type": "float64"}),
    "invalid UTF-8": feature({"lit": "X", "type": "string"}).replace(b"X", b"\xff"),
    "cut short": json.dumps(GRAPH).encode()[:-2],
    "empty": b"",
    "no JSON": b"\x89PNG\r\n",
    "a list": b"[]",
}


@pytest.mark.parametrize("bad", GRAPHS)
def test_a_graph_that_is_none(run: Run, tmp_path: Path, bad: str) -> None:
    """The line names the file and what is wrong with the graph in it."""
    path = tmp_path / "graph.json"
    path.write_bytes(GRAPHS[bad])
    one_line(run("explain", path), str(path))


def other_database(path: Path) -> None:
    """Make the database of another program."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE person (name)")
    connection.close()


def later_format(path: Path) -> None:
    """Make a log of a format that is yet to come."""
    EventLog(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def cut_short(path: Path) -> None:
    """Make a log of which the first page is not whole."""
    EventLog(path).close()
    path.write_bytes(path.read_bytes()[:1_000])


NO_LOGS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("click,1\n" * 500, encoding="utf-8"),
    "another database": other_database,
    "another format": later_format,
    "cut short": cut_short,
    "a folder": lambda path: path.mkdir(),
    "in no folder": lambda path: None,
}


@pytest.mark.parametrize("command", ["stats", "check", "export", "import", "forget"])
@pytest.mark.parametrize("bad", NO_LOGS)
def test_a_log_that_is_none(run: Run, tmp_path: Path, bad: str, command: str) -> None:
    """Every command that opens a log refuses what is none in one line, and leaves it as it is."""
    path = tmp_path / ("none/log.db" if bad == "in no folder" else "log.db")
    NO_LOGS[bad](path)
    before = path.read_bytes() if path.is_file() else None
    events = tmp_path / "events.jsonl"
    events.write_text(json.dumps(E), encoding="utf-8")
    more: dict[str, list[object]] = {
        "export": [tmp_path / "out.jsonl"],
        "import": [events],
        "forget": ["--key", "u"],
    }
    one_line(run("log", command, path, *more.get(command, [])), str(path))
    assert (path.read_bytes() if path.is_file() else None) == before
    assert not (tmp_path / "out.jsonl").exists()


def test_a_damaged_log_fails_the_check(run: Run, log: Path, tmp_path: Path) -> None:
    """`log check` names the row with code 1, and an export leaves it out, says so, and has all others."""
    with sqlite3.connect(log) as connection:
        connection.execute("UPDATE event SET payload = x'7bff' WHERE id = 7")
    connection.close()
    code, out, err = run("log", "check", log)
    assert (code, err) == (1, "")
    assert "row 7" in out
    code, out, err = run("log", "export", log, tmp_path / "out.jsonl")
    assert (code, err) == (1, "")
    assert "49 events" in out
    assert "left out, damaged: 1 row\n" in out
    assert "row 7" in out
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    kept = [json.loads(line)["event_id"] for line in lines]
    assert kept == [f"e{i}" for i in range(50) if i != 6]


def test_a_locked_log(run: Run, log: Path, tmp_path: Path) -> None:
    """While another writer holds the log, an import says who it is; reading goes on."""
    events = tmp_path / "events.jsonl"
    events.write_text(json.dumps(E), encoding="utf-8")
    with EventLog(log) as held:
        one_line(run("log", "import", log, events), str(log), "process")
        assert run("log", "stats", log, "--json")[0] == 0
        assert held.append(E).accepted == 1
    assert run("log", "import", log, events)[0] == 0


SMALL_DISK = """
import resource, sys
from headrace.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(main(sys.argv[2:]))
"""


def test_a_full_disk_keeps_what_was_accepted(log: Path, tmp_path: Path) -> None:
    """An import that no longer fits is one line; the log is sound, holds all it held and takes events."""
    pytest.importorskip("resource", reason="the system has no limits on the size of files")
    events = tmp_path / "events.jsonl"
    line = json.dumps({**E, "x": "y" * 5_000})
    with events.open("w", encoding="utf-8") as file:
        file.writelines(line.replace('"ts_ms": 1000', f'"ts_ms": {i}') + "\n" for i in range(100, 1_500))
    room = str(log.stat().st_size + 300_000)
    args = [sys.executable, "-c", SMALL_DISK, room, "log", "import", str(log), str(events)]
    ran = subprocess.run(args, check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1), ran.stderr
    assert ran.stderr.startswith(f"headrace: {log}: expected")
    with EventLog(log) as found:
        assert found.check() == []
        kept = [row.ts_ms for row in found.rows_after(0)]
        assert kept[:50] == list(range(50))
        assert kept == sorted(set(kept)), "whole batches, in the order of the file"
        assert found.append({**E, "ts_ms": 5_000}).accepted == 1
