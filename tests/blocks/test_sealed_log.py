"""A log whose events are sealed answers as one of rows: duplicates, positions, order, arrival, forgetting."""

from __future__ import annotations

import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from featuregraph.errors import EventError
from featuregraph.testing.clock import FakeClock
from stream.blocks.sealing import Sealing
from stream.errors import LogCorruptError
from stream.event import Row
from stream.limits import Limits
from stream.log import EventLog
from stream.schema import STEPS
from stream.tables import read_events

pytestmark = pytest.mark.device

Open = Callable[..., EventLog]
PRIVATE = "nobody-may-find-this"
ROWS_ONLY = Limits(sealing=Sealing(most_tail=10**9))


def event(i: int, **more: Any) -> dict[str, Any]:
    """Return event number I of three names and two users, with its number in its fields."""
    attrs = {"n": i, "s": f"v{i % 5}", "x": i / 4, "note": None if i % 2 else "ä"}
    return {
        "event": f"e{i % 3}",
        "user_id": f"u{i % 2}",
        "ts_ms": i,
        "event_id": f"id-{i}",
        "item_id": (i, f"i{i}", None, 0.5)[i % 4],
        "attrs": attrs,
        **more,
    }


def everything(log: EventLog) -> list[Any]:
    """Return all that reads of a log give."""
    keys = log.keys()
    return [
        log.rows_after(0),
        keys,
        [log.max_ts(key) for key in keys],
        [log.scan(key, None, None, None) for key in keys],
        [log.scan(key, ["e1", "e2"], 13, 57, after_id=20) for key in keys],
        [log.scan_columns(key, ["e0"], None, None, ("ts_ms", "seq", "payload", "name")) for key in keys],
        [log.rows_after(n, 7) for n in range(0, log.last_id, 5)],
        log.count,
        (log.last_id, log.known_ms),
        log.stats().by_name,
    ]


@pytest.mark.parametrize("key", ["user_id", "item_id", "shop"])
def test_every_read_gives_what_rows_give(tmp_path: Path, open_log: Open, key: str) -> None:
    """Whatever the key and the order of arrival, with late events, duplicates, and after a restart."""
    rng = random.Random(key)
    events = [event(i, shop=f"s{i % 4}") for i in range(150)]
    late = rng.sample(range(150), 60)
    arrivals = [e for i, e in enumerate(events) if i not in late] + [events[i] for i in late] + events[::7]
    with EventLog(tmp_path / "rows.db", clock=FakeClock(1_000_000), key=key, limits=ROWS_ONLY) as plain:
        log = open_log(key=key)
        for start in range(0, len(arrivals), 4):
            batch = arrivals[start : start + 4]
            assert log.append_many(batch) == plain.append_many(batch)
            if start % 40 == 0:
                assert everything(log) == everything(plain)
        assert log.stats().blocks > 3
        assert log.stats().sealed > 50
        log.close()
        for options in ({}, {"read_only": True}):
            with closing(open_log(**options)) as again:
                assert everything(again) == everything(plain)
                assert again.check() == []


def test_positions_in_blocks_are_taken(log: EventLog) -> None:
    """An explicit position of a sealed event is refused; without one the next seq is given (1.2)."""
    log.append_many(event(i) for i in range(60))
    assert log.scan("u0", None, 0, 1)[0].seq == 0
    with pytest.raises(EventError, match="free position"):
        log.append({"event": "other", "user_id": "u0", "ts_ms": 0, "seq": 0})
    assert log.append({"event": "other", "user_id": "u0", "ts_ms": 0}).late == 1
    assert [row.seq for row in log.scan("u0", None, 0, 1)] == [0, 1]
    assert log.append({"event": "other", "user_id": "u1", "ts_ms": 0, "seq": 0}).accepted == 1


def test_duplicates_in_blocks_are_known(log: EventLog, open_log: Open) -> None:
    """An event_id of a sealed event is known under its key, and only there, also after a restart (1.3)."""
    log.append_many(event(i) for i in range(60))
    assert log.append_many(event(i, ts_ms=500 + i) for i in range(60)).duplicate == 60
    assert log.append(event(0, user_id="u1", ts_ms=900)).accepted == 1
    log.close()
    again = open_log()
    assert again.append(event(1, ts_ms=901)).duplicate == 1
    again.forget(event_id="id-1")
    assert again.append(event(1, ts_ms=901)).accepted == 1


def test_hashes_that_meet_are_told_apart(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash is a hint: another event with the same one is no duplicate."""
    from stream.sealer import Sealer

    monkeypatch.setattr(Sealer, "hash", lambda *_: 7)
    log.append_many(event(i) for i in range(60))
    assert log.append_many(event(i) for i in range(60, 80)).accepted == 20
    assert log.append_many(event(i) for i in range(80)).duplicate == 80


@pytest.mark.parametrize("what", [{"before": 31}, {"key": "u1"}, {"event_id": "id-8"}])
def test_what_is_forgotten_is_as_if_it_had_never_been(
    tmp_path: Path, open_log: Open, what: dict[str, Any]
) -> None:
    """Of sealed events too: all reads, ids and positions; the others stay (8.1)."""
    log = open_log()
    with EventLog(tmp_path / "rows.db", clock=FakeClock(1_000_000), limits=ROWS_ONLY) as plain:
        for one in (log, plain):
            one.append_many(event(i) for i in range(70))
        assert log.forget(**what) == plain.forget(**what)
        assert everything(log) == everything(plain)
        assert log.append_many(event(i) for i in range(70)) == plain.append_many(event(i) for i in range(70))
        assert log.check() == []


@pytest.mark.parametrize("what", [{"before": 60}, {"key": "gone"}, {"event_id": "private"}])
@pytest.mark.parametrize("where", ["s", "page_id", PRIVATE])
def test_no_byte_of_it_is_left(path: Path, log: EventLog, what: dict[str, Any], where: str) -> None:
    """Blocks that hold other events too are written anew, and no file of the log has the text any more."""
    for i in range(60):
        more = {where: PRIVATE} if "event_id" in what else {where: f"{PRIVATE}-{i}"}
        id = "private" if "event_id" in what and not i else f"gone-{i}"
        keep = "event_id" in what and i
        user = "gone" if "key" in what else "u1"
        log.append(event(i, user_id=user, event_id=id, attrs={}, **({} if keep else more)))
        log.append(event(100 + i, user_id="u1", event_id=f"stays-{i}"))
    assert log.stats().sealed > 60
    removed = 1 if "event_id" in what else 60
    assert log.forget(**what) == removed
    names = [file.name for file in path.parent.iterdir() if PRIVATE.encode() in unpacked(file)]
    assert names == []
    assert log.count == 120 - removed
    assert log.check() == []


def unpacked(file: Path) -> bytes:
    """Return the bytes of a file, and those of the blocks in it as they are before compression."""
    data = file.read_bytes()
    if file.suffix == ".db":
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            for (block,) in connection.execute("SELECT data FROM block"):
                from stream.blocks.events import Events

                data += repr(Events(block).rows()).encode()
    return data


def test_a_log_of_rows_is_sealed_step_by_step(path: Path, open_log: Open) -> None:
    """A file of an older format, with rows only, opens, reads the same, and is sealed as events come."""
    with EventLog(path, clock=FakeClock(1_000_000), limits=ROWS_ONLY) as old:
        old.append_many(event(i) for i in range(100))
        before = everything(old)
    connection = sqlite3.connect(path)
    old_tables = set(re.findall(r"CREATE TABLE (\w+)", "".join(STEPS[:2])))
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in tables - old_tables - {"sqlite_sequence"}:
        connection.execute(f"DROP TABLE {table}")
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    log = open_log()
    assert everything(log) == before
    log.append(event(100))
    assert log.stats().sealed >= 80
    assert log.rows_after(0)[:-1] == before[0]
    assert log.append(event(7)).duplicate == 1


def test_a_reader_in_another_process_sees_whole_states(path: Path, open_log: Open) -> None:
    """While the writer seals and joins, each read of a reader is a prefix of what was written, once."""
    log = open_log()
    code = (
        "import sys\n"
        "from stream.log import EventLog\n"
        "most = 0\n"
        "with EventLog(sys.argv[1], read_only=True) as log:\n"
        "    print('open', flush=True)\n"
        "    while most < 600:\n"
        "        ids = [row.id for row in log.rows_after(0)]\n"
        "        assert ids == list(range(1, len(ids) + 1)), ids\n"
        "        assert len(ids) >= most\n"
        "        most = len(ids)\n"
        "        rows = log.scan('u0', None, None, None)\n"
        "        assert [row.ts_ms for row in rows] == list(range(0, 2 * len(rows), 2))\n"
        "print(most)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout as lines:
        assert lines.readline() == "open\n"
        for i in range(600):
            log.append(event(i))
        assert lines.read() == "600\n"
    assert process.returncode == 0


# ---------------------------------------------------------------- damage


@pytest.fixture
def damaged(path: Path, open_log: Open) -> tuple[int, list[Row]]:
    """Return the number of a block with a byte changed, and the rows that are not in it."""
    with closing(open_log()) as log:
        log.append_many(event(i) for i in range(80))
        rows = log.rows_after(0)
    with closing(sqlite3.connect(path)) as connection:
        block, data = connection.execute("SELECT id, data FROM block ORDER BY events DESC").fetchone()
        from stream.blocks.events import Events

        lost = {row[3] for row in Events(data).rows()}
        data = data[:-1] + bytes([data[-1] ^ 4])
        connection.execute("UPDATE block SET data = ? WHERE id = ?", (data, block))
        connection.commit()
    return block, [row for row in rows if row.id not in lost]


def test_a_damaged_block_is_named_skipped_and_counted(
    tmp_path: Path, open_log: Open, damaged: tuple[int, list[Row]]
) -> None:
    """A check names it; an export leaves its events out, says how many they are, and has all the others."""
    block, left = damaged
    log = open_log()
    (finding,) = log.check()
    assert (finding.what, finding.where, finding.events) == ("block", f"block {block}", 80 - len(left))
    told: list[Any] = []
    assert log.export(tmp_path / "out.jsonl", tell=told.append) == len(left)
    assert told == [finding]
    events = [one for batch in read_events(tmp_path / "out.jsonl") for one in batch]
    assert [one["event_id"] for one in events] == [row.event_id for row in left]
    with pytest.raises(LogCorruptError, match=f"block {block}: expected the bytes that were written"):
        log.export(tmp_path / "out.jsonl")


def test_no_read_gives_a_wrong_answer(open_log: Open, damaged: tuple[int, list[Row]]) -> None:
    """What needs the damaged block is an error of one line that names it; everything else is read."""
    block, left = damaged
    log = open_log()
    with pytest.raises(LogCorruptError, match=f"block {block}") as caught:
        log.rows_after(0)
    assert "\n" not in str(caught.value)
    assert log.append(event(200)).accepted == 1
    read = 0
    for key in ("u0", "u1"):
        for name in ("e0", "e1", "e2"):
            try:
                rows = log.scan(key, [name], None, 200)
            except LogCorruptError:
                continue
            assert rows == [row for row in left if (row.key, row.name) == (key, name)]
            read += len(rows)
    assert read


def test_damage_in_the_tail_is_not_sealed(path: Path, open_log: Open) -> None:
    """A row whose checksum does not hold stays a row, where a check finds it; the others are sealed."""
    with closing(open_log()) as log:
        log.append_many(event(i) for i in range(15))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE event SET ts_ms = 3000 WHERE id = 7")
        connection.commit()
    log = open_log()
    log.append_many(event(i) for i in range(20, 60))
    assert log.stats().sealed > 30
    assert [finding.where for finding in log.check()] == ["row 7"]


def test_a_run_that_is_lost_is_found(path: Path, open_log: Open) -> None:
    """A block whose runs are not those of the file is named: a scan would not find its events."""
    with closing(open_log()) as log:
        log.append_many(event(i) for i in range(80))
    with closing(sqlite3.connect(path)) as connection:
        (block,) = connection.execute("SELECT block FROM run LIMIT 1").fetchone()
        connection.execute("DELETE FROM run WHERE block = ? AND start = 0", (block,))
        connection.commit()
    log = open_log()
    assert [(f.what, f.where) for f in log.check()] == [("block", f"block {block}")]
