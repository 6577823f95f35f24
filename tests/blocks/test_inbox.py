"""Events from a second process: handed over through the file, none lost, judged by the same rules."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.errors import EventError
from stream import inbox
from stream.engine import Engine
from stream.errors import LogFullError, LogLockedError, LogReadOnlyError
from stream.event import Receipt
from stream.limits import Limits
from stream.log import EventLog

pytestmark = pytest.mark.device

Open = Callable[..., EventLog]
SCRIPT = Path(__file__).with_name("handing.py")
E: dict[str, Any] = {"event": "e", "ts_ms": 5, "user_id": "u"}


@pytest.fixture
def sender(log: EventLog, open_log: Open) -> EventLog:
    """Return the log as a second process has it, beside its writer."""
    return open_log(shared=True)


def test_the_first_process_is_the_writer(open_log: Open) -> None:
    """A shared log is written by who opens it first; without the word the second one is refused."""
    first = open_log(shared=True)
    assert first.append(E) == Receipt(accepted=1)
    with pytest.raises(LogLockedError):
        open_log()
    second = open_log(shared=True)
    assert second.append_many([E, {**E, "user_id": None}]) == Receipt(keyless=1, handed_over=1)
    with pytest.raises(LogReadOnlyError, match="another process writing; call it in that process, or"):
        second.forget(key="u")


def test_events_are_taken_before_whatever_comes_next(log: EventLog, sender: EventLog, open_log: Open) -> None:
    """Reads, appends and a restart of the writer take what waits, in the order of arrival, once."""
    sender.append_many([{**E, "event_id": "a"}, {**E, "event_id": "b"}])
    assert sender.count == 0
    assert [(row.id, row.event_id, row.seq) for row in log.rows_after(0)] == [(1, "a", 0), (2, "b", 1)]
    assert sender.count == 2
    sender.append({**E, "event_id": "c"})
    log.append({**E, "event_id": "d"})
    sender.append({**E, "event_id": "e"})
    log.close()
    assert [row.event_id for row in open_log().rows_after(2)] == ["c", "d", "e"]


def test_the_same_rules_hold(log: EventLog, sender: EventLog) -> None:
    """Form is judged at once; duplicate, quarantine, lateness, known_ms and bad values by the writer."""
    log.append({**E, "event_id": "a"})
    with pytest.raises(EventError, match="ts_ms"):
        sender.append({**E, "ts_ms": "x"})
    later = {**E, "ts_ms": 2**50, "event_id": "far"}
    odd = {**E, "ts_ms": 3, "session_id": 0.5, "page_id": True, "item_id": 7, "x": float("nan"), "y": 10**30}
    assert sender.append_many([{**E, "event_id": "a"}, later, odd]).handed_over == 3
    sender.append_many([{**E, "known_ms": 7}, {**E, "known_ms": None}], keep_known=True)
    rows = log.rows_after(1)
    assert [(row.ts_ms, row.known_ms) for row in rows] == [(3, 1_000_000), (5, 7), (5, None)]
    assert rows[0][8:] == (0.5, True, 7, b'{"x":null,"y":1000000000000000000000000000000}')
    stats = log.stats()
    found = {name: n for name, n in stats.counters.items() if n}
    assert found == {"duplicate": 1, "quarantined": 1, "late": 1, "handed_over": 5}
    assert (stats.unparsable, stats.held_apart) == ({"x": 1}, 1)


def test_a_taken_position_is_kept_apart_and_counted(log: EventLog, sender: EventLog) -> None:
    """There is nobody left to tell, and no event is lost: people find it in quarantine."""
    log.append({**E, "seq": 0})
    sender.append_many([{**E, "seq": 0, "x": 1}, {**E, "ts_ms": 6}])
    assert log.count == 2
    (kept,) = log.quarantined()
    assert kept.event == {**E, "seq": 0, "attrs": {"x": 1}}
    assert log.stats().counters["refused"] == 1


def test_an_engine_answers_with_what_was_handed_over(log: EventLog, sender: EventLog) -> None:
    """An extraction of the writer sees it at once; one of the sender when the writer has taken it."""
    graph = fg.Graph("count", {"n": fg.rows(fg.Event.of("e", {})).count()})
    engines = [Engine(one, key="u") for one in (log, sender)]
    for engine in engines:
        engine.install(graph.compile())
    for i in range(40):
        assert engines[1].append({"event": "e", "ts_ms": i}).handed_over == 1
        assert engines[0].append({"event": "e", "ts_ms": i}).accepted == 1
        assert [e.extract(graph.id, at_ms=100)["n"] for e in engines] == [2 * i + 2] * 2
    assert log.stats().sealed > 50


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list that grows with each look into the inbox alone."""
    found: list[object] = []

    def counted(connection: sqlite3.Connection) -> bool:
        found.append(connection)
        return waiting(connection)

    waiting = inbox.waiting
    monkeypatch.setattr(inbox, "waiting", counted)
    return found


def counting(log: EventLog) -> Callable[[], object]:
    """Return what an engine on LOG counts at 100 ms."""
    graph = fg.Graph("count", {"n": fg.rows(fg.Event.of("e", {})).count()})
    engine = Engine(log, key="u")
    engine.install(graph.compile())
    return lambda: engine.extract(graph.id, at_ms=100)["n"]


def test_a_writer_looks_again_once_it_is_rung(log: EventLog, sender: EventLog, looks: list[object]) -> None:
    """Until then one look holds for all answers, whatever it appends itself."""
    count = counting(log)
    log.append(E)
    assert [count(), count()] == [1, 1]
    for n in (2, 3):
        looks.clear()
        assert (count(), looks) == (n - 1, [])
        sender.append(E)
        assert (count(), count()) == (n, n)
        assert looks


def test_a_sender_rings_whoever_writes_now(log: EventLog, sender: EventLog, open_log: Open) -> None:
    """The writer that it knew has gone, another one has looked already."""
    log.close()
    next_one = open_log()
    count = counting(next_one)
    assert [count(), count()] == [0, 0]
    sender.append(E)
    assert count() == 1
    next_one.close()
    assert sender.append(E).handed_over == 1
    assert counting(open_log())() == 2


def test_where_nobody_can_ring_a_writer_looks_each_time(
    log: EventLog, sender: EventLog, looks: list[object]
) -> None:
    """A disk that was full as the log was opened has no room for the bell."""
    with Path(f"{log.path}.lock").open("r+b") as file:
        file.truncate(32)
    count = counting(log)
    assert [count(), count()] == [0, 0]
    looks.clear()
    assert [count(), count()] == [0, 0]
    assert len(looks) == 2
    sender.append(E)
    assert count() == 1


def test_a_bell_that_may_not_be_rung_is_told_of_before_anything_is_handed_over(
    log: EventLog, open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the writer would not look."""

    def refused(path: Any, flags: int, *args: int) -> int:
        if str(path).endswith(".lock") and not flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied")
        return open_(path, flags, *args)

    open_ = os.open
    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(LogReadOnlyError, match="lock file") as caught:
        open_log(shared=True)
    assert "\n" not in str(caught.value)
    assert log.append(E).accepted == 1


def test_the_inbox_is_bounded(log: EventLog, open_log: Open) -> None:
    """Where the writer takes nothing a call is refused whole, in one line."""
    sender = open_log(shared=True, limits=Limits(max_handed_over=5))
    sender.append_many([E] * 4)
    with pytest.raises(LogFullError, match="writer to take") as caught:
        sender.append_many([E] * 4)
    assert "\n" not in str(caught.value)
    assert log.count == 4


def test_damage_in_the_inbox_is_counted(path: Path, log: EventLog, sender: EventLog) -> None:
    """What cannot be read any more is counted, and the events behind it are taken."""
    import sqlite3

    sender.append_many([{**E, "ts_ms": i} for i in range(3)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE inbox SET event = x'00' WHERE id = 2")
        connection.commit()
    assert [row.ts_ms for row in log.rows_after(0)] == [0, 2]
    assert log.stats().counters["inbox_damaged"] == 1


def test_no_event_is_lost_whoever_is_killed(tmp_path: Path) -> None:
    """Writer and sender killed again and again: each has all that it was told was taken or handed over."""
    path = tmp_path / "events.db"
    EventLog(path).close()
    chance = random.Random(3)
    told: dict[str, set[int]] = {"a": set(), "b": set()}
    for _ in range(6):
        running = []
        for name, numbers in told.items():
            first = max(numbers, default=-1) + 1_000  # behind what may be there, untold
            command = [sys.executable, "-c", SCRIPT.read_text(), str(path), name, str(first)]
            running.append((name, subprocess.Popen(command, stdout=subprocess.PIPE)))
        for _, process in running:
            assert process.stdout is not None
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.3))
        for name, process in chance.sample(running, 2):
            process.kill()
            assert process.stdout is not None
            for line in process.stdout.read().split():
                low, _, high = line.partition(b"-")
                if high.isdigit():
                    told[name].update(range(int(low), int(high) + 1))
            process.stdout.close()
            process.wait()
            time.sleep(chance.uniform(0, 0.1))
    with EventLog(path, max_future=None) as log:
        assert log.check() == []
        for name, numbers in told.items():
            held = [row.ts_ms for row in log.scan(name, None, None, None)]
            assert numbers <= set(held)
            assert len(held) == len(set(held))
            assert len(numbers) > 20
        assert log.stats().counters["handed_over"] > 0
