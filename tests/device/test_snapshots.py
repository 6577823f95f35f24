"""What was computed of a lifetime is saved in the log file, and a restart goes on from it."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

import featuregraph as fg
from stream import Engine, EventLog, LogError
from stream.decode import Decoder
from stream.snapshot import FORMAT, Snapshot, pack, unpack

pytestmark = pytest.mark.device

NOW = 1_700_000_000_000
SECOND = 1_000

VIEW = fg.Event.of("view", {"item": fg.category(), "n": fg.int64(), "x": fg.float64()})
BUY = fg.Event.of("buy", {"item": fg.category(), "n": fg.int64()})

_all, _views = fg.rows(VIEW, BUY), fg.rows(VIEW)
LIFE = fg.Graph(
    "life",
    {
        "n": _views.count(),
        "sum": _views.sum(VIEW["x"]),
        "first": _all.first(VIEW["item"]),
        "top": _all.topk(VIEW["item"], 2),
        "seen": _views.sequence(3, {"n": VIEW["n"], "x": VIEW["x"]}),
        "kinds": _all.sequence(4, {"item": VIEW["item"]}, distinct=VIEW["item"]),
        "latest": fg.rows(BUY).last(3).mean(BUY["n"]),
        "recent": _views.over("10s").count(),
        "before": _views.offset("5s").count(),
    },
)
# Other plans, which come first, give other places to the values of rows.
OTHER = fg.Graph("other", {"x": fg.rows(VIEW).over("1m").sum(VIEW["n"]), "y": fg.rows(BUY).last(BUY["item"])})


def view(number: int, **more: Any) -> dict[str, Any]:
    """Return the view NUMBER, a second after the one before."""
    values = {"item": "abcd"[number % 4], "n": number, "x": 0.1}
    return {"event": "view", "ts_ms": NOW + number * SECOND} | values | more


def buy(number: int) -> dict[str, Any]:
    """Return a purchase at the time of a view."""
    return view(number, event="buy", ts_ms=NOW + number * SECOND + 1)


@pytest.fixture
def device(make: Any) -> Any:
    """Return a device that has seen a thousand events and answered."""
    made = make(mode="incremental")
    made.install(LIFE)
    made.clock.set(NOW + 10**9)
    made.tell(*(view(number) for number in range(800)), *(buy(number) for number in range(0, 800, 4)))
    made.check(NOW + 800 * SECOND)
    return made


def rows_read(device: Any, t: int) -> int:
    """Return how many rows are read from the log for the first query after a restart, which is checked."""
    device.restart()
    found: list[Any] = []
    load = Decoder.load_columns

    def counted(decoder: Decoder, *args: Any) -> Any:
        rows = load(decoder, *args)
        found.extend(rows.all)
        return rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Decoder, "load_columns", counted)
        device.check(t)
    return len(found)


def test_a_restart_reads_no_lifetime(device: Any) -> None:
    """After a restart only the rows that windows hold are read, and everything goes on."""
    assert rows_read(device, NOW + 800 * SECOND) < 600
    device.tell(view(801), buy(801), view(798, seq=5), view(3, seq=5))
    device.check(NOW + 805 * SECOND)
    assert rows_read(device, NOW + 900 * SECOND) < 1_010, "a very late event: all is read once more"
    assert rows_read(device, NOW + 901 * SECOND) < 600


def test_what_came_since_is_taken(device: Any) -> None:
    """Events that came after the snapshot, also late ones and behind the engine's back, count."""
    device.log.close()
    with EventLog(device.path, clock=device.clock) as log:
        more = [view(799, seq=7), view(810), buy(810), view(797, event="buy", seq=7)]
        log.append_many({"user_id": "me", **event} for event in more)
        device.told += [{"user_id": "me", **event} for event in more]
    assert rows_read(device, NOW + 811 * SECOND) < 600


def test_other_plans_at_a_restart(device: Any) -> None:
    """Each aggregate finds its own state, whatever plans come before it and wherever its values stand."""
    device.plans.insert(0, OTHER.compile())
    assert rows_read(device, NOW + 800 * SECOND) < 6000
    device.tell(view(802), buy(803))
    device.check(NOW + 810 * SECOND)


def test_an_earlier_query_reads_the_log(device: Any) -> None:
    """States know nothing of queries before theirs."""
    assert rows_read(device, NOW + 400 * SECOND) >= 500
    device.check(NOW + 900 * SECOND)


@pytest.mark.parametrize("place", [0, 3, 4, 40, -1])
def test_a_damaged_snapshot_is_ignored(device: Any, place: int) -> None:
    """A snapshot of which one bit is another is not believed."""
    device.log.close()
    with sqlite3.connect(device.path) as connection:
        ((data,),) = connection.execute("SELECT data FROM snapshot")
        changed = bytearray(data)
        changed[place] ^= 16
        connection.execute("UPDATE snapshot SET data = ?", (bytes(changed),))
    connection.close()
    assert rows_read(device, NOW + 800 * SECOND) >= 1_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": FORMAT + 1},
        {"generation": 7},
        {"last_id": 10**6},
        {"cells": ()},
        {"t": NOW + 10**9},
    ],
)
def test_a_snapshot_of_something_else_is_ignored(device: Any, wrong: dict[str, Any]) -> None:
    """Another format, log, time or set of aggregates: the events are read."""
    device.log.close()
    with EventLog(device.path, clock=device.clock) as log:
        data = log.snapshot_of("me")
        assert data is not None
        saved = unpack(data)
        fields = {name: getattr(saved, name) for name in saved.__struct_fields__} | wrong
        log.keep_snapshot("me", pack(Snapshot(**fields)))
    assert rows_read(device, NOW + 800 * SECOND) >= 1_000


@pytest.mark.parametrize(
    "wrong",
    [{"state": b"\x90"}, {"state": b""}, {"position": (NOW, 77, "")}, {"rows": 5}, {"agg": "?"}],
)
def test_a_state_that_does_not_fit_is_ignored(device: Any, wrong: dict[str, Any]) -> None:
    """So it is where one aggregate's part is none."""
    device.log.close()
    with EventLog(device.path, clock=device.clock) as log:
        saved = unpack(log.snapshot_of("me") or b"")
        cells = list(saved.cells)
        place = next(i for i, cell in enumerate(cells) if cell.state)
        cell = cells[place]
        fields = {name: getattr(cell, name) for name in cell.__struct_fields__} | wrong
        cells[place] = type(cell)(**fields)
        about = (FORMAT, saved.generation, saved.last_id, saved.t)
        log.keep_snapshot("me", pack(Snapshot(*about, tuple(cells))))
    assert rows_read(device, NOW + 800 * SECOND) > 600, "what it was of is read from the events"


def test_forgetting_drops_what_was_saved(device: Any) -> None:
    """States may spell out events: they go with them, in the same moment."""
    device.engine.save()
    assert device.log.snapshot_of("me")
    device.forget(before=NOW + 10 * SECOND)
    assert device.log.snapshot_of("me") is None
    device.log.close()
    device.open()
    device.check(NOW + 801 * SECOND)


def test_a_reader_goes_on_from_it(device: Any) -> None:
    """A process that only reads takes what the writer saved, and writes nothing."""
    device.engine.save()
    with EventLog(device.path, read_only=True, clock=device.clock) as log:
        engine = Engine(log, key="me")
        engine.install(LIFE.compile())
        assert engine.extract(LIFE.id, at_ms=NOW + 800 * SECOND)["n"] == 800
        engine.save()


def test_a_failure_to_save_is_none(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot is a hint: where it can not be written, everything else goes on."""

    def full(*_: Any) -> None:
        raise LogError("the disk is full")

    monkeypatch.setattr(device.log, "keep_snapshot", full)
    device.tell(*(view(1_000 + number) for number in range(300)))
    device.check(NOW + 2_000 * SECOND)
    device.restart()
    device.check(NOW + 2_000 * SECOND)


def test_many_keys_are_saved_each(make: Any) -> None:
    """Each key has a snapshot of its own, and keys with few events have none."""
    device = make(mode="auto")
    device.install(LIFE)
    for key, events in (("a", 400), ("b", 300), ("c", 3)):
        device.tell(*(view(number, user_id=key) for number in range(events)))
        device.check(NOW + 500 * SECOND, key=key)
    device.restart()
    assert [device.log.snapshot_of(key) is not None for key in "abc"] == [True, True, False]
    for key in "abc":
        device.check(NOW + 501 * SECOND, key=key)
