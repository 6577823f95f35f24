"""`headrace verify --served`, and what other commands say of answers that were kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import featuregraph as fg
from featuregraph.sources import load_graph
from featuregraph.testing.clock import FakeClock
from stream import Engine, EventLog
from stream.codec import checksum
from stream.tables import read_events

pq = pytest.importorskip("pyarrow.parquet")

Run = Callable[..., Any]
NOW = 1_700_000_000_000


@pytest.fixture
def log(tmp_path: Path, events: Path, shop: str) -> Path:
    """Return a log of the small history whose answers between the events are kept."""
    path = tmp_path / "device.db"
    with EventLog(path, history_start_ms="all", clock=FakeClock(NOW)) as opened:
        engine = Engine(opened)
        graph_id = engine.install(load_graph(shop).compile())
        for batch in read_events(events):
            for event in batch:
                engine.append_many([event], keep_known=True)
                for key in ("a", "b"):
                    engine.extract(
                        graph_id,
                        key=key,
                        at_ms=6_500,
                        request={"budget": 10.0},
                        candidates={"category": ["tea", None]},
                        record=True,
                        request_id=f"r{opened.last_id}",
                    )
    return path


def falsify(path: Path, id: int = 3) -> None:
    """Change the value of buys_30d in one record, as if it had been served so."""
    with EventLog(path) as log:
        connection = log._connection
        assert connection is not None
        row = connection.execute("SELECT * FROM served WHERE id = ?", (id,)).fetchone()
        body = msgspec.msgpack.decode(row[8])
        body[7][1] += 1  # of the features, in the order of names
        falsified = msgspec.msgpack.encode(body)
        crc = checksum(*row[:8], falsified)
        connection.execute("UPDATE served SET body = ?, crc = ? WHERE id = ?", (falsified, crc, id))


def test_what_was_served_is_equal(run: Run, log: Path) -> None:
    """The log alone is enough: its events, its records, the plans in it."""
    ran = run("verify", "--served", log)
    assert (ran.code, ran.err) == (0, "")
    assert "208 of 208 cells equal (100 %): 16 records, 1 graph, 7 events" in ran.out
    assert "cells are not empty or default" in ran.out
    found = run("verify", "--served", log, "--json").json
    assert (found["ok"], found["records"], found["cells"], found["equal"]) == (True, 16, 208, 208)
    assert (found["unequal"], found["damaged"], found["unplaced"]) == ([], [], 0)
    (graph,) = found["graphs"].values()
    assert (graph["name"], graph["records"], len(graph["features"])) == ("shop", 16, 13)


def test_a_falsified_answer_is_printed_and_is_code_1(run: Run, log: Path) -> None:
    """Each unequal cell is told: which record and request, the feature, expected and served."""
    falsify(log)
    ran = run("verify", "--served", log)
    assert ran.code == 1
    assert "207 of 208 cells equal (99.5192 %)" in ran.out
    assert (
        "record 3, request r2: buys_30d of shop (key a at 1970-01-01T00:00:06.500Z): expected 1, served 2"
        in ran.out
    )
    found = run("verify", "--served", log, "--json")
    assert found.code == 1
    (cell,) = found.json["unequal"]
    assert cell == {
        "graph": "shop",
        "record": 3,
        "request_id": "r2",
        "key": "a",
        "at_ms": 6_500,
        "feature": "buys_30d",
        "expected": "1",
        "found": "2",
    }


def test_a_falsified_event_is_found(run: Run, log: Path) -> None:
    """An event that is not what was seen makes the answers that stand on it unequal."""
    with EventLog(log) as opened:
        connection = opened._connection
        assert connection is not None
        opened.forget(event_id="nobody")  # the row is written anew under the same id
        (row,) = opened.rows_after(0, 1)
        payload = row.payload.replace(b'"quantity":2', b'"quantity":9')
        assert payload != row.payload
        crc = checksum(row.key, row.name, *row[:3], row.event_id, *row[7:11], payload)
        connection.execute("UPDATE event SET payload = ?, crc = ? WHERE id = 1", (payload, crc))
    found = run("verify", "--served", log, "--json")
    assert found.code == 1
    assert {cell["feature"] for cell in found.json["unequal"]} == {"spend_30d", "ticket", "left", "pull"}


def test_damage_is_named_and_is_code_1(run: Run, log: Path) -> None:
    """A damaged record is left out and named by verify and check; all others are computed again."""
    with EventLog(log) as opened:
        assert opened._connection is not None
        opened._connection.execute("UPDATE served SET body = x'00' WHERE id = 5")
    ran = run("verify", "--served", log)
    assert ran.code == 1
    assert "195 of 195 cells equal (100 %): 15 records" in ran.out
    assert "damaged and left out: record 5: expected the bytes that were written, found others" in ran.out
    checked = run("log", "check", log)
    assert (checked.code, "record 5" in checked.out) == (1, True)


def test_only_a_graph_or_a_sample(run: Run, log: Path, shop: str, tmp_path: Path) -> None:
    """--graph takes its records only, --sample some of them; none is an error of one line."""
    assert run("verify", "--served", log, "-g", shop, "--json").json["records"] == 16
    assert run("verify", "--served", log, "--sample", 5, "--json").json["records"] == 5
    other = json.loads(load_graph(shop).to_json())
    del other["features"]["idle"]
    (tmp_path / "other.json").write_text(json.dumps(other))
    ran = run("verify", "--served", log, "-g", tmp_path / "other.json")
    assert ran.code == 2
    assert "expected at least one record of what was served of graph 'shop'" in ran.err


def test_events_from_elsewhere(run: Run, log: Path, tmp_path: Path) -> None:
    """EVENTS stand for those of the log: its export in any format."""
    for name in ("events.parquet", "events.csv", "events.jsonl"):
        assert run("log", "export", log, tmp_path / name).code == 0
        found = run("verify", tmp_path / name, "--served", log, "--json").json
        assert (found["ok"], found["records"], found["events"]) == (True, 16, 7)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{events}", "{events}", "--served", "{log}"], "expected EVENTS alone beside --served"),
        ([], "expected EVENTS and --graph GRAPH, or --served LOG, found no EVENTS"),
        (["{events}"], "expected EVENTS and --graph GRAPH, or --served LOG, found no --graph GRAPH"),
        (["--served", "{empty}"], "expected at least one record of what was served, found none; serve with"),
        (["--served", "{events}"], "expected a log"),
        (["--served", "{log}x"], "expected a log, found nothing"),
    ],
)
def test_bad_usage_is_one_line(
    run: Run, log: Path, events: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    """What is missing, too much or no log is said in one line."""
    with EventLog(tmp_path / "empty.db"):
        pass
    known = {"events": events, "log": log, "empty": tmp_path / "empty.db"}
    ran = run("verify", *(argument.format(**known) for argument in arguments))
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_answers_that_went_are_counted(run: Run, log: Path) -> None:
    """Forgetting takes answers along; stats and verify say how many."""
    assert run("log", "forget", log, "--event-id", "1").code == 0
    stats = run("log", "stats", log)
    assert "answers kept" in stats.out
    found = run("log", "stats", log, "--json").json
    assert (found["served"], found["counters"]["served_forgotten"]) == (8, 8)
    ran = run("verify", "--served", log)
    assert ran.code == 0
    assert "8 records gone with forgotten events, ever" in ran.out


def test_80_columns(run: Run, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables and sentences keep to the edge."""
    monkeypatch.setenv("COLUMNS", "80")
    falsify(log)
    out = run("verify", "--served", log).out
    assert [line for line in out.splitlines() if len(line) > 80] == []
    assert "... " not in out


def test_a_cell_of_many_is_told_in_bounds(run: Run, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most so many cells are told one by one; the others are counted."""
    for id in (1, 3, 5):
        falsify(log, id)
    monkeypatch.setattr("stream.backfill.served.MOST_UNEQUAL", 2)
    out = run("verify", "--served", log).out
    assert (out.count("expected "), "... 1 more cells differ" in out) == (2, True)


def test_what_was_served_is_a_training_table(run: Run, log: Path, shop: str, tmp_path: Path) -> None:
    """It has the form of what replay gives, and replay of its query columns gives the same features."""
    out, queries, again = (tmp_path / f"{name}.parquet" for name in ("served", "queries", "again"))
    ran = run("log", "export", log, out, "--served")
    assert (ran.code, "16 rows" in ran.out) == (0, True)
    table = pq.read_table(out)
    asked = ["user_id", "ts_ms", "budget", "category", "as_known", "history_start_ms"]
    asked += ["served.id", "served.request_id"]
    assert table.column_names[: len(asked)] == asked
    pq.write_table(table.select(asked), queries)
    assert run("replay", log, queries, "-g", shop, "-o", again).code == 0
    replayed = pq.read_table(again)
    assert table.schema.equals(replayed.schema, check_metadata=True)
    same = [a == b for a, b in zip(table.to_pylist(), replayed.to_pylist(), strict=True)]
    otherwise = run("verify", "--served", log, "--json").json["otherwise_in_replay_as_known"]
    assert same.count(False) <= otherwise < 16  # asked at 6,500, when more was to come


def test_one_graph_of_several_is_exported(run: Run, log: Path, tmp_path: Path) -> None:
    """Which is told by name or id; a wrong or missing choice lists what there is, in one line."""
    plan = fg.Graph("life", {"ever": fg.rows(fg.Event.of("view", {})).count()})
    with EventLog(log) as opened:
        engine = Engine(opened, key="a")
        id = engine.install(plan.compile())
        engine.extract(id, record=True)
    out = tmp_path / "served.parquet"
    for choice, rows in (("life", 1), (id[:10], 1), ("shop", 16)):
        assert run("log", "export", log, out, "--served", "-g", choice, "--json").json["rows"] == rows
    for arguments, said in (
        (["--served"], "expected one graph in what was served, found shop"),
        (["--served", "-g", "x"], "expected one graph 'x' in what was served, found shop"),
        (["-g", "x"], "expected --served beside --graph, found it alone"),
    ):
        ran = run("log", "export", log, out, *arguments)
        assert (ran.code, said in ran.err) == (2, True)


def test_damaged_records_are_left_out_of_the_table(run: Run, log: Path, tmp_path: Path) -> None:
    """They are listed, and the exit code is 1."""
    with EventLog(log) as opened:
        assert opened._connection is not None
        opened._connection.execute("UPDATE served SET body = x'00' WHERE id = 5")
    ran = run("log", "export", log, tmp_path / "served.parquet", "--served")
    assert (ran.code, "15 rows" in ran.out, "left out, damaged: 1 row" in ran.out) == (1, True, True)
