"""extract(record=True): the answer is in the log, with what it was computed from, and goes with that."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.testing.clock import FakeClock
from stream import Engine, EventLog, Limits, LogCorruptError, LogFullError, LogReadOnlyError
from stream.backfill.served import prove
from stream.served import Seen

pytestmark = pytest.mark.device

HOUR = 3_600_000
NOW = 1_700_000_000_000
PRIVATE = "nobody-may-find-this"


class Click(fg.Event, name="click"):
    """Something looked at."""

    item = fg.category()


class Context(fg.Request):
    """What is known when one asks."""

    price = fg.decimal(2)
    place = fg.vector(2)


class Item(fg.Candidate):
    """What could be shown."""

    item = fg.category()


class Features:
    """A window, a lifetime, requests and candidates."""

    _hour = fg.rows(Click).over("1h")
    clicks = _hour.count()
    items = _hour.sequence(9, {"item": Click.item, "age": fg.age()})
    affinity = _hour.group_by(Click.item).count().lookup(Item.item)
    price = Context.price
    place = Context.place


class Life:
    """A lifetime."""

    ever = fg.rows(Click).count()


class Served:
    """A device that records what it serves."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.path = path
        self.clock = FakeClock(NOW)
        self.log = EventLog(path, clock=self.clock, history_start_ms="all", limits=limits)
        self.engine = Engine(self.log, key="me")
        self.graph = fg.Graph("served", Features)
        self.id = self.engine.install(self.graph.compile())

    def click(self, ts_ms: int, item: str = "a", **more: Any) -> Any:
        """Append a click."""
        return self.engine.append({"event": "click", "ts_ms": ts_ms, "item": item, **more})

    def ask(self, **more: Any) -> fg.FeatureVector:
        """Ask, and record the answer."""
        return self.engine.extract(self.id, record=True, **more)

    @property
    def ids(self) -> list[int]:
        """Return which records are held."""
        return [one.id for one in self.log.served()]

    def counter(self, name: str) -> int:
        """Return a counter of the log."""
        return self.log.stats().counters[name]


@pytest.fixture
def device(tmp_path: Path) -> Any:
    """Return a device."""
    made = Served(tmp_path / "log.db")
    yield made
    made.log.close()


def test_a_record_has_all_that_it_takes(device: Served) -> None:
    """What was asked as the engine read it, the newest event, the history, the vector."""
    device.click(NOW - 5, event_id="x")
    vector = device.ask(
        request={"price": "1.5", "place": [0.1, 2]}, candidates={"item": ["a", None, 3.5]}, request_id=7
    )
    (one,) = device.log.served()
    assert one.vector == vector
    assert (one.id, one.asked.key, one.asked.request_id) == (1, "me", "7")
    assert {name: str(value) for name, value in one.asked.request.items()} == {
        "price": "1.50",
        "place": "[0.10000000149011612, 2.0]",
    }
    assert one.asked.candidates == {"item": ["a", None, None]}
    assert one.seen == Seen(1, NOW - 5, 0, NOW)
    assert (one.held_from_ms, one.asked.as_known, one.asked.history_start_ms) == (None, False, None)
    assert [record.id for record in device.log.served(key="you")] == []


def test_nothing_is_recorded_unasked(device: Served) -> None:
    """Without record=True nothing is written; a request_id alone is a slip."""
    device.click(NOW - 5)
    device.engine.extract(device.id)
    assert device.ids == []
    with pytest.raises(fg.RequestError, match="expected record=True beside a request_id"):
        device.engine.extract(device.id, request_id="r")
    for wrong in (1.5, "x" * 5_000):
        with pytest.raises(fg.RequestError, match="expected request_id as text of at most 4096"):
            device.ask(request_id=wrong)
    assert device.ids == []


def test_the_newest_event_is_told_by_its_id(device: Served) -> None:
    """An event of the same millisecond that came after the answer was not seen, though known_ms says so."""
    device.click(NOW - 5)
    first = device.ask(at_ms=NOW)
    device.click(NOW - 4)
    second = device.ask(at_ms=NOW)
    assert (first["clicks"], second["clicks"]) == (1, 2)
    records = list(device.log.served())
    assert [one.seen.id for one in records] == [1, 2]
    assert {one.seen.known_ms for one in records} == {NOW}
    found = prove(device.path)
    assert (found.ok, found.records, found.equal) == (True, 2, 10)
    assert found.otherwise == 1  # the first: replay --as-known counts both clicks at NOW


def test_a_clock_that_goes_back_changes_nothing(device: Served) -> None:
    """known_ms does not fall; what was seen at an earlier time of the clock is computed again as it was."""
    device.click(NOW - 5)
    device.clock.advance(-HOUR)
    device.click(NOW - HOUR - 5)
    assert device.ask()["clicks"] == 1  # at the latest event, which is later than the clock
    assert device.ask(at_ms=NOW - HOUR)["clicks"] == 1
    found = prove(device.path)
    assert (found.ok, found.records, found.otherwise) == (True, 2, 2)


def test_late_and_duplicate_and_future_events(device: Served) -> None:
    """Each answer is computed again from what the log held when it was given."""
    for ts_ms, more in (
        (NOW - 9, {"event_id": "a"}),
        (NOW - 20, {}),
        (NOW - 9, {"event_id": "a"}),
        (NOW + HOUR, {}),
    ):
        device.click(ts_ms, **more)
        device.ask(candidates={"item": ["a"]})
    assert [one.vector["clicks"] for one in device.log.served()] == [1, 2, 2, 2]
    assert [one.seen.id for one in device.log.served()] == [1, 2, 2, 2]
    found = prove(device.path)
    assert (found.ok, found.records, found.cells) == (True, 4, 20)


def test_as_known_and_before_any_event(device: Served) -> None:
    """A query as known is computed again as known; an answer of an empty log stands on nothing."""
    device.ask()
    device.click(NOW - HOUR // 2)
    device.click(NOW - 5)
    device.ask(as_known=True, history_start_ms=NOW - 60_000)
    device.ask(as_known=True, at_ms=NOW - 1)
    records = list(device.log.served())
    assert [one.vector["clicks"] for one in records] == [0, 1, 0]
    assert (records[0].seen, records[1].asked.history_start_ms) == (Seen(0), NOW - 60_000)
    found = prove(device.path)
    assert (found.ok, found.records) == (True, 3)


def test_a_restart_goes_on(device: Served, tmp_path: Path) -> None:
    """Records outlive the process, numbers go on, and a plan is kept once."""
    device.click(NOW - 5)
    device.ask()
    device.log.close()
    again = Served(tmp_path / "log.db")
    again.ask()
    assert again.ids == [1, 2]
    assert _value(again, "SELECT count(*) FROM served_graph") == 1
    again.log.close()


def test_a_reader_cannot_record(device: Served) -> None:
    """Who reads a log beside its writer is told so."""
    with EventLog(device.path, read_only=True, clock=device.clock) as log:
        engine = Engine(log, key="me")
        id = engine.install(device.graph.compile())
        assert engine.extract(id)["clicks"] == 0
        with pytest.raises(LogReadOnlyError):
            engine.extract(id, record=True)


# ---------------------------------------------------------------- bounds


def test_the_oldest_go_first(tmp_path: Path) -> None:
    """At most so many records are kept, and what is dropped is counted, also after a restart."""
    device = Served(tmp_path / "log.db", Limits(max_served=3))
    for _ in range(5):
        device.ask()
    assert (device.ids, device.counter("served_dropped")) == ([3, 4, 5], 2)
    device.log.close()
    device = Served(tmp_path / "log.db", Limits(max_served=2))
    device.ask()
    assert (device.ids, device.counter("served_dropped")) == ([5, 6], 4)
    device.log.close()


def test_bytes_are_bounded_with_those_of_plans(tmp_path: Path) -> None:
    """Records go until they and their plans fit; a plan goes with its last record."""
    plan = fg.Graph("served", Features).compile().to_bytes()
    device = Served(tmp_path / "log.db", Limits(max_served_bytes=len(plan) + 3_000))
    other = device.engine.install(fg.Graph("life", Life).compile())
    device.engine.extract(other, record=True)
    for n in range(40):
        device.ask(candidates={"item": [f"{n}"] * 100})
        records = _value(device, "SELECT sum(length(body) + length(key)) FROM served")
        assert records + _value(device, "SELECT sum(length(plan)) FROM served_graph") <= len(plan) + 3_000
    assert device.ids[-1] == 41
    assert 2 < len(device.ids) < 20
    assert {one.vector.graph_id for one in device.log.served()} == {device.id}
    assert _value(device, "SELECT count(*) FROM served_graph") == 1
    device.log.close()


def test_a_huge_answer_is_given_and_not_kept(tmp_path: Path) -> None:
    """Beyond max_served_each an answer is left out and counted: no answer fails for its size."""
    device = Served(tmp_path / "log.db", Limits(max_served_each=500))
    assert len(device.ask(candidates={"item": ["a"] * 1_000})["affinity"]) == 1_000  # type: ignore[arg-type]
    device.ask()
    assert (device.ids, device.counter("served_too_large")) == ([1], 1)
    device.log.close()


# ---------------------------------------------------------------- forgetting


def forgetful(device: Served) -> None:
    """Serve two keys before and after events, one of another name."""
    device.click(NOW - 3 * HOUR, "old", event_id="old")
    device.ask(at_ms=NOW - 2 * HOUR + 1)  # 1: an hour reaches not so far
    device.ask(at_ms=NOW - 2 * HOUR)  # 2 sees it
    device.click(NOW - 9, PRIVATE, event_id="x")
    device.engine.append({"event": "other", "ts_ms": NOW - 8, "event_id": "other"})
    device.ask(at_ms=NOW)  # 3 sees x
    device.ask(at_ms=NOW - 9)  # 4 is asked at its time: not before it
    device.ask(key="you", candidates={"item": [PRIVATE]})  # 5 sees nothing
    device.click(NOW - 7, event_id="y")
    device.ask(at_ms=NOW)  # 6


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ({"before": NOW - 3 * HOUR}, [1, 2, 3, 4, 5, 6]),
        ({"before": NOW - 3 * HOUR + 1}, [1, 3, 4, 5, 6]),
        ({"before": NOW - 8}, [1, 5]),
        ({"event_id": "x"}, [1, 2, 5]),
        ({"event_id": "y"}, [1, 2, 3, 4, 5]),
        ({"event_id": "other"}, [1, 2, 3, 4, 5, 6]),
        ({"event_id": "none"}, [1, 2, 3, 4, 5, 6]),
        ({"key": "me"}, [5]),
        ({"key": "you"}, [1, 2, 3, 4, 6]),
    ],
)
def test_answers_go_with_the_events_that_they_may_have_seen(
    device: Served, what: dict[str, Any], left: list[int]
) -> None:
    """What is left is computed again all the same; what went is counted apart."""
    forgetful(device)
    device.engine.forget(**what)
    assert device.ids == left
    assert device.counter("served_forgotten") == 6 - len(left)
    found = prove(device.path)
    assert (found.ok, found.records, found.forgotten) == (True, len(left), 6 - len(left))
    device.ask()
    assert device.ids == [*left, 7]  # a number is never used twice


@pytest.mark.parametrize("what", [{"before": NOW - 8}, {"event_id": "x"}, {"key": "me"}])
def test_no_byte_of_them_is_left(device: Served, what: dict[str, Any]) -> None:
    """The item that was looked at is in no file of the log, neither as an event nor as an answer."""
    device.click(NOW - 9, PRIVATE, event_id="x")
    for _ in range(50):
        device.ask()
    assert _holds(device)
    device.engine.forget(**what)
    assert not _holds(device)


@pytest.mark.parametrize("what", [{"before": NOW - 8}, {"event_id": "x"}, {"key": "me"}])
def test_no_time_of_them_is_left_in_others(device: Served, what: dict[str, Any]) -> None:
    """What others were served goes on, without the times of the newest event if that was removed."""
    device.click(NOW - 9, event_id="x")
    device.ask(key="you")
    device.engine.forget(**what)
    (one,) = device.log.served()
    assert one.seen == Seen(1)
    assert device.log.check() == []
    assert prove(device.path).ok
    device.ask(key="you")
    assert [one.seen for one in device.log.served()] == [Seen(1), Seen(1)]


def test_a_newest_event_that_stays_is_still_told(device: Served) -> None:
    """Only times of before are taken out: other marks go on finding their place."""
    device.click(NOW - 10)
    device.ask(key="you")
    device.click(NOW - 9)
    device.ask(key="you")
    device.engine.forget(before=NOW - 9)
    assert [one.seen for one in device.log.served()] == [Seen(1), Seen(2, NOW - 9, 0, NOW)]


def test_a_lifetime_saw_all(device: Served) -> None:
    """An answer over the whole life goes with any event that it had seen, however old."""
    life = device.engine.install(fg.Graph("life", Life).compile())
    device.click(NOW - 9 * HOUR, event_id="old")
    device.engine.extract(life, record=True)
    device.ask()
    device.engine.forget(event_id="old")
    assert [one.vector.graph_id for one in device.log.served()] == [device.id]


def test_a_plan_of_another_version_does_not_hold_up_forgetting(device: Served) -> None:
    """Where nobody can tell what a graph reads its answers go with any event of their key."""
    forgetful(device)
    _damage(device, "UPDATE served_graph SET plan = x'7b7d'")
    device.log.forget(event_id="y")
    assert _value(device, "SELECT group_concat(id) FROM served") == "1,2,3,4,5"
    device.log.forget(event_id="old")
    assert _value(device, "SELECT group_concat(id) FROM served") == "5"


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE served SET body = x'00' WHERE id = 2", "record 2: expected the bytes that were written"),
        (
            "UPDATE served SET at_ms = at_ms + 1 WHERE id = 2",
            "record 2: expected the bytes that were written",
        ),
        ("UPDATE served SET seen_id = 'x' WHERE id = 2", "record 2: expected the bytes that were written"),
        ("UPDATE served SET crc = 0 WHERE id = 2", "record 2: expected the bytes that were written"),
        ("DELETE FROM served_graph", "record 1: expected the plan of its graph, found none"),
        (
            "UPDATE served_graph SET plan = x'7b7d'",
            "record 1: expected the plan of its graph, found other bytes",
        ),
    ],
)
def test_damage_is_named_and_gone_around(device: Served, damage: str, said: str) -> None:
    """A damaged record is found by check, named and left out; without anybody to tell it is an error."""
    for _ in range(3):
        device.ask()
    _damage(device, damage)
    (first, *_) = device.log.check()
    assert (first.what, f"{first.where}: {first.detail}"[: len(said)]) == ("served", said)
    told: list[Any] = []
    left = [one.id for one in device.log.served(tell=told.append)]
    assert len(left) + len(told) == 3
    with pytest.raises(LogCorruptError, match=r"expected a sound log, found record"):
        list(device.log.served())
    found = prove(device.path)
    assert (found.ok, found.records, len(found.damaged)) == (False, len(left), len(told))


def test_any_bytes_make_a_finding(device: Served) -> None:
    """A body that was written so, and is none of its graph, is a finding as well."""
    from random import Random

    from stream.codec import checksum

    device.click(NOW - 5)
    device.ask(candidates={"item": ["a"]})
    rng = Random(5)
    (row,) = device.log._connection.execute("SELECT * FROM served").fetchall()  # type: ignore[union-attr]
    for _ in range(300):
        body = bytearray(row[8])
        for _ in range(rng.randint(1, 4)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        body = body[: rng.randint(0, len(body))] if rng.random() < 0.3 else body
        crc = checksum(*row[:8], bytes(body))
        device.log._connection.execute("UPDATE served SET body = ?, crc = ?", (bytes(body), crc))  # type: ignore[union-attr]
        told: list[Any] = []
        assert len(list(device.log.served(tell=told.append))) + len(told) == 1


def test_a_record_is_as_durable_as_an_event(tmp_path: Path) -> None:
    """Where it cannot be written the error says so, no half of it stays, and the engine goes on."""
    device = Served(tmp_path / "log.db")
    device.click(NOW - 5)
    device.log._connection.execute("PRAGMA max_page_count = 1")  # type: ignore[union-attr]
    with pytest.raises(LogFullError, match="expected free space while keeping what was served"):
        _fill(device)
    device.log._connection.execute("PRAGMA max_page_count = 1000000")  # type: ignore[union-attr]
    before = device.ids
    device.ask()
    assert device.ids == [*before, len(before) + 1]
    assert prove(device.path).ok
    device.log.close()


# ---------------------------------------------------------------- events from elsewhere


def test_events_of_a_file_are_cut_at_the_newest_one(device: Served, tmp_path: Path) -> None:
    """Exported events, or those of another log, prove as much: what came later stands behind the mark."""
    for n in range(6):
        device.click(NOW - 5 - n)
        device.ask(at_ms=NOW)
    out = tmp_path / "events.jsonl"
    device.log.export(out)
    with EventLog(tmp_path / "copy.db", history_start_ms="all") as copy:
        copy.append({"event": "elsewhere", "ts_ms": 5, "user_id": "you"})  # so that ids differ
        copy.import_events(out)
    for events in (out, tmp_path / "copy.db"):
        found = prove(device.path, events)
        assert (found.ok, found.records, found.unplaced) == (True, 6, 0)
    lines = out.read_text().splitlines()
    out.write_text("\n".join([*lines[:2], *lines[3:]]))
    found = prove(device.path, out)
    assert (found.ok, found.records, found.unplaced) == (False, 5, 1)
    assert {cell.feature for cell in found.unequal} == {"clicks", "items"}


def _fill(device: Served) -> None:
    for _ in range(1_000):
        device.ask(candidates={"item": ["a"] * 1_000})


def test_what_the_log_let_go_of_is_not_compared(device: Served) -> None:
    """Where the log holds less history than it did, cells that reach behind it are counted, not compared."""
    life = device.engine.install(fg.Graph("life", Life).compile())
    device.click(NOW - 2 * HOUR)
    device.click(NOW - 5)
    for t in (NOW, NOW - HOUR):
        device.ask(at_ms=t)
        device.engine.extract(life, at_ms=t, record=True)
    _damage(device, "DELETE FROM event WHERE id = 1")
    found = prove(device.path)
    assert (found.ok, {cell.feature for cell in found.unequal}) == (False, {"ever", "clicks", "items"})
    held_from = NOW - HOUR
    _damage(device, f"UPDATE meta SET value = {held_from} WHERE name = 'history_start_ms'")  # noqa: S608
    found = prove(device.path)
    assert (found.ok, found.records, found.cells) == (True, 4, 12 - 5)
    assert found.beyond == 2 + 3  # both of the lifetime, and the windows of the earlier answer


def test_two_events_that_look_like_the_newest_are_none(device: Served, tmp_path: Path) -> None:
    """In a file, events of two users may share time, seq and known_ms: nobody could tell which is meant."""
    device.engine.append_many([{"event": "click", "ts_ms": NOW - 5, "user_id": u} for u in ("me", "you")])
    device.ask()
    device.log.export(tmp_path / "events.jsonl")
    assert prove(device.path).ok
    found = prove(device.path, tmp_path / "events.jsonl")
    assert (found.ok, found.records, found.unplaced) == (False, 0, 1)


def test_threads_record_one_after_the_other(device: Served) -> None:
    """Answers of several threads beside a writer are kept whole, and each is computed again."""
    done = threading.Event()

    def asks() -> None:
        while not done.is_set():
            device.ask(candidates={"item": ["a"]})

    askers = [threading.Thread(target=asks) for _ in range(3)]
    for asker in askers:
        asker.start()
    for n in range(200):
        device.log.append({"event": "click", "ts_ms": NOW - n, "user_id": "me"})  # behind the engine's back
    done.set()
    for asker in askers:
        asker.join()
    found = prove(device.path)
    assert (found.ok, found.records) == (True, len(device.ids))


def _value(device: Served, query: str) -> Any:
    with device.log.reading() as connection:
        return connection.execute(query).fetchone()[0]


def _damage(device: Served, statement: str) -> None:
    connection = device.log._connection
    assert isinstance(connection, sqlite3.Connection)
    connection.execute(statement)


def _holds(device: Served) -> bool:
    return any(PRIVATE.encode() in file.read_bytes() for file in device.path.parent.iterdir())
