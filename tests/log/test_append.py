"""What becomes of an event that is appended: taken, dropped, kept apart or refused (SEMANTICS 1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph.errors import EventError
from featuregraph.reference import events as reference
from featuregraph.testing.clock import FakeClock
from stream.codec import full_decoder
from stream.event import Receipt
from stream.limits import Limits
from stream.log import EventLog

pytestmark = pytest.mark.device

E: dict[Any, Any] = {"event": "e", "ts_ms": 5, "user_id": "u"}
fields_of = full_decoder()


def positions(log: EventLog, key: str = "u") -> list[tuple[int, int]]:
    """Return (ts_ms, seq) of the rows of KEY, in total order."""
    return [(row.ts_ms, row.seq) for row in log.scan(key, None, None, None)]


def test_seq_is_the_largest_so_far_plus_one(log: EventLog) -> None:
    """An event without seq gets the next one within (user_id, ts_ms), also after one that was given (1.2)."""
    log.append_many([E, E, {**E, "seq": 7}, E, {**E, "ts_ms": 4}, {**E, "user_id": "v"}])
    assert positions(log) == [(4, 0), (5, 0), (5, 1), (5, 7), (5, 8)]
    assert positions(log, "v") == [(5, 0)]


def test_taken_position_is_refused(log: EventLog) -> None:
    """A second event at a position is an error, and nothing of the call is kept (1.2)."""
    log.append({**E, "seq": 0})
    with pytest.raises(EventError, match="free position"):
        log.append_many([{**E, "ts_ms": 9}, {**E, "seq": 0, "event_id": "other"}])
    assert positions(log) == [(5, 0)]


def test_no_position_is_left_beyond_int64(log: EventLog) -> None:
    """After the largest seq there is no next one; a duplicate asks for none."""
    log.append({**E, "seq": 2**63 - 1, "event_id": "a"})
    assert log.append({**E, "event_id": "a"}).duplicate == 1
    with pytest.raises(EventError, match="free position"):
        log.append(E)


def test_a_duplicate_takes_no_position(log: EventLog) -> None:
    """A known event_id is dropped before its position is looked at; the first wins (1.3)."""
    first = {**E, "seq": 0, "event_id": 7, "attrs": {"x": "first"}}
    receipt = log.append_many([first, {**first, "attrs": {"x": "second"}}, {**E, "event_id": "7"}])
    assert (receipt.accepted, receipt.duplicate) == (1, 2)
    assert fields_of(log.rows_after(0)[0].payload) == {"x": "first"}
    assert log.append({**E, "user_id": "v", "event_id": "7"}).accepted == 1


def test_null_event_id_is_never_a_duplicate(log: EventLog) -> None:
    """Events without an id, or with one that is no identifier, are all different (1.3)."""
    assert log.append_many([E, {**E, "event_id": None}, {**E, "event_id": True}]).accepted == 3


@pytest.mark.parametrize("ahead", [0, 1])
def test_far_future_is_kept_apart(log: EventLog, clock: FakeClock, ahead: int) -> None:
    """Up to clock + max_future an event is taken, later ones are kept apart; their ids stay free (1.5)."""
    event = {**E, "ts_ms": clock.ms + 300_000 + ahead, "event_id": "q", "seq": 3}
    receipt = log.append(event)
    assert (receipt.accepted, receipt.quarantined) == (1 - ahead, ahead)
    assert len(log.quarantined()) == ahead
    clock.advance(1)
    assert log.append(event).duplicate == 1 - ahead


def test_quarantine_is_bounded(path: Path, clock: FakeClock) -> None:
    """The oldest events kept apart go where the bounds ask for it, and are counted."""
    limits = Limits(max_quarantined=3, max_quarantined_bytes=400)
    with EventLog(path, clock=clock, limits=limits) as log:
        far = [{**E, "ts_ms": 2**40 + i, "attrs": {"x": "y" * (200 if i == 9 else 1)}} for i in range(10)]
        log.append_many(far)
        assert [kept.event["ts_ms"] - 2**40 for kept in log.quarantined()] == [7, 8, 9]
        log.append({**far[9], "ts_ms": 2**41})
        assert [kept.event["ts_ms"] for kept in log.quarantined()] == [2**41]
        assert log.stats().counters["quarantine_evicted"] == 10


def test_quarantine_keeps_its_bounds_across_failures_and_restarts(path: Path, clock: FakeClock) -> None:
    """What a refused call, or another life, kept apart is counted as what it is: undone, or there."""
    limits = Limits(max_quarantined=3)
    far = [{**E, "ts_ms": 2**40 + i} for i in range(6)]
    with EventLog(path, clock=clock, limits=limits) as log:
        log.append_many(far[:2])
        taken = [{**E, "seq": 1, "attrs": {"x": x}} for x in "ab"]
        with pytest.raises(EventError):
            log.append_many([*far[2:5], *taken])
        assert [kept.event["ts_ms"] - 2**40 for kept in log.quarantined()] == [0, 1]
        log.append(far[2])
        assert [kept.event["ts_ms"] - 2**40 for kept in log.quarantined()] == [0, 1, 2]
        log.forget(before=2**40 + 1)
    with EventLog(path, clock=clock, limits=limits) as log:
        log.append_many(far[3:5])
        assert [kept.event["ts_ms"] - 2**40 for kept in log.quarantined()] == [2, 3, 4]
        assert log.stats().counters["quarantine_evicted"] == 1


def test_an_event_kept_apart_may_be_appended_again(log: EventLog, clock: FakeClock) -> None:
    """It is kept whole, so that it can be appended once the clock is right."""
    event = {
        **E,
        "ts_ms": 2**40,
        "event_id": "a",
        "seq": 3,
        "page_id": 0.5,
        "attrs": {"x": 10**30, "y": None},
    }
    log.append(event)
    (kept,) = log.quarantined()
    assert (kept.at_ms, kept.key, kept.event) == (clock.ms, "u", event)
    clock.set(2**40)
    assert log.append(kept.event).accepted == 1


def test_no_time_is_too_far_without_max_future(open_log: Any) -> None:
    """max_future=None takes any time."""
    assert open_log(max_future=None).append({**E, "ts_ms": 2**63 - 1}).accepted == 1


def test_known_ms_never_falls(log: EventLog, clock: FakeClock, open_log: Any) -> None:
    """The clock may go back, known_ms does not, also after a restart or a forgotten event (1.7)."""
    log.append(E)
    clock.set(500)
    log.append_many([E, {**E, "known_ms": 3}])
    log.forget(key="u")
    log.close()
    again = open_log()
    again.append(E)
    assert [row.known_ms for row in again.rows_after(0)] == [1_000_000]
    assert again.known_ms == 1_000_000


def test_carried_known_ms_does_not_move_the_clock(log: EventLog, open_log: Any) -> None:
    """Imported events keep their known_ms, null too; the log's own goes on from its own clock (1.7)."""
    log.append_many([{**E, "known_ms": "45"}, {**E, "known_ms": 2**50}, E], keep_known=True)
    log.close()
    again = open_log()
    again.append(E)
    assert [row.known_ms for row in again.rows_after(0)] == [45, 2**50, None, 1_000_000]


def test_events_without_a_key_are_dropped_and_counted(log: EventLog) -> None:
    """Null, absent, or no identifier: the key is null and the event does not belong to the log (1.1)."""
    events = [{**E, "user_id": key} for key in (None, True, 7.0, 2**63, "\ud800", [1])]
    assert log.append_many([*events, {"event": "e", "ts_ms": 5}]) == Receipt(keyless=7)
    assert log.stats().counters["keyless"] == 7


def test_an_integer_key_is_its_text(log: EventLog) -> None:
    """The key 7 and the key "7" are one, "07" is another (2.1)."""
    log.append_many([{**E, "user_id": key} for key in (7, "7", "07", "")])
    assert log.keys() == ["", "07", "7"]


def test_another_key_column(path: Path, clock: FakeClock) -> None:
    """A key may be any column, or a field; the top level goes before attrs, also when it is null."""
    with EventLog(path, key="store", clock=clock) as log:
        log.append_many([{**E, "store": 3}, {**E, "attrs": {"store": "3"}}])
        assert log.append({**E, "store": None, "attrs": {"store": "3"}}).keyless == 1
        assert [row.user_id for row in log.scan("3", ["e"], None, None)] == ["u", "u"]


def test_late_events_are_counted(log: EventLog, open_log: Any) -> None:
    """An accepted event below the greatest ts_ms of its key is late, also after a restart."""
    assert (
        log.append_many([E, {**E, "ts_ms": 4}, {**E, "ts_ms": 5}, {**E, "user_id": "v", "ts_ms": 1}]).late
        == 1
    )
    log.close()
    assert open_log().append({**E, "ts_ms": 3}).late == 1


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (None, "None"),
        ([("event", "e")], "mapping"),
        ({"event": "e", "user_id": "u"}, "ts_ms"),
        ({**E, "ts_ms": None}, "found None in event 'e'; give every event its time"),
        ({**E, "ts_ms": "5.0"}, "5.0"),
        ({**E, "ts_ms": 5.5}, "5.5"),
        ({**E, "ts_ms": np.int64(5)}, "as int64, found numpy.int64 in event 'e'; convert it by int()"),
        ({**E, "seq": np.int32(5)}, "found numpy.int32 in event 'e' at ts_ms 5; convert it by int()"),
        ({**E, "ts_ms": True}, "True"),
        ({**E, "ts_ms": 2**63}, str(2**63)),
        ({"ts_ms": 5, "user_id": "u"}, "event"),
        ({**E, "event": None}, "event"),
        ({**E, "event": "\udfff"}, "event"),
        ({**E, "seq": "x"}, "seq"),
        ({**E, "seq": 2**63}, "seq"),
        ({**E, "attrs": "x"}, "attrs"),
        ({**E, "attrs": [1]}, "attrs"),
        ({**E, "attrs": {7: "x"}}, "field name"),
        ({**E, "attrs": {"\ud800": "x"}}, "field name"),
        ({**E, 7: "x"}, "field name"),
        ({**E, "x": "y" * 2**20}, "1048576 bytes"),
        ({**E, "attrs": dict.fromkeys(map(str, range(5_000)), 1)}, "4096 fields"),
        ({**E, "user_id": "u" * 5_000}, "user_id of 5000"),
        ({**E, "session_id": "u" * 5_000}, "session_id of 5000"),
        ({**E, "event": "e" * 5_000}, "event of 5000"),
        ({**E, "n" * 5_000: 1}, "4096"),
    ],
)
def test_an_event_of_another_form_is_refused(log: EventLog, event: Any, found: str) -> None:
    """A wrong form is an EventError of one line that names it; in a call of many nothing is kept."""
    with pytest.raises(EventError, match="expected") as caught:
        log.append(event)
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(EventError, match="event 1 of the call"):
        log.append_many([E, event])
    assert log.count == 0
    assert log.append(E).accepted == 1


def test_deep_values_are_null_and_counted(log: EventLog) -> None:
    """What no declared type can be is null, however deep it is, and counted by field (2.2)."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    bad = {
        "a": deep,
        "b": {"x": 1},
        "c": float("nan"),
        "d": float("inf"),
        "f": b"x",
        "g": "\ud800",
        "h": 2**2000,
    }
    receipt = log.append({**E, **bad, "ok": 1, "session_id": "\ud800", "page_id": [1]})
    assert receipt.unparsable == len(bad) + 2
    assert fields_of(log.rows_after(0)[0].payload) == {**dict.fromkeys(bad), "ok": 1}
    assert log.stats().unparsable == dict.fromkeys([*bad, "page_id", "session_id"], 1)
    while deep:  # taken apart by hand: the interpreter would do it by recursion
        deep = deep.pop()


def test_counted_fields_are_bounded(path: Path, clock: FakeClock) -> None:
    """Beyond the bound, unparsable values of further fields are counted together."""
    with EventLog(path, clock=clock, limits=Limits(max_counted=2)) as log:
        log.append({**E, "a": [], "b": [], "c": [], "d": []})
        assert log.stats().unparsable == {"": 2, "a": 1, "b": 1}


def test_columns_keep_any_scalar(log: EventLog) -> None:
    """session_id, page_id and item_id come back as the scalars they were, and never from attrs (2.1)."""
    log.append(
        {**E, "session_id": True, "page_id": 0.1, "item_id": 10**30, "attrs": {"item_id": "no", "x": 1}}
    )
    log.append({**E, "session_id": 7, "page_id": "p", "item_id": None})
    for rows in (log.rows_after(0), log.scan("u", ["e"], None, None)):
        assert [repr(row[8:11]) for row in rows] == [repr((True, 0.1, 10**30)), repr((7, "p", None))]
    assert fields_of(log.rows_after(0)[0].payload) == {"x": 1}


def test_top_level_goes_before_attrs(log: EventLog) -> None:
    """A field at the top level hides that in attrs, also when it is null (2.1)."""
    log.append({**E, "x": None, "y": 2, "attrs": {"x": "1", "y": "1", "z": "1"}})
    assert fields_of(log.rows_after(0)[0].payload) == {"x": None, "y": 2, "z": "1"}


def test_rows_of_an_append_are_those_that_are_read(log: EventLog) -> None:
    """append_rows gives the rows that a scan gives."""
    receipt, rows = log.append_rows(
        [{**E, "event_id": "a", "x": 1}, {**E, "event_id": "a"}, {**E, "page_id": 0.5}]
    )
    assert receipt.accepted == 2
    assert rows == log.rows_after(0) == log.scan("u", ["e"], 5, 6)


def test_ids_are_never_used_twice(log: EventLog, open_log: Any) -> None:
    """Neither a refused call nor a forgotten row gives an id to another row."""
    log.append_many([E, E])
    with pytest.raises(EventError):
        log.append_many([E, {**E, "seq": 0}])
    log.append(E)
    last = log.last_id
    log.forget(key="u")
    log.close()
    again = open_log()
    assert again.last_id == last
    again.append(E)
    assert again.rows_after(0)[0].id == again.last_id > last


KEYS = st.sampled_from(["u", "v", 7, "7", None, "é", "\ud800"])
EVENTS = st.fixed_dictionaries(
    {"event": st.sampled_from(["e", "f"]), "ts_ms": st.sampled_from([-1, 0, 1, 2, "2", 301_000, 301_001])},
    optional={
        "user_id": KEYS,
        "item_id": KEYS,
        "event_id": st.sampled_from([None, "a", "b", 1, "1", True]),
        "seq": st.sampled_from([None, 0, 1, 2, -3, "2", "x", 2**63 - 1]),
        "known_ms": st.sampled_from([None, 5, "6", "x"]),
    },
)
ARRIVALS = st.lists(
    EVENTS
    | st.sampled_from([{"clock": 1_000}, {"clock": 2_000}])
    | st.sampled_from([{"forget": {"before": 1}}, {"forget": {"key": "u"}}, {"forget": {"event_id": "a"}}]),
    max_size=14,
)


@settings(max_examples=60)
@given(ARRIVALS, st.sampled_from(["user_id", "item_id"]))
def test_the_log_holds_what_the_reference_holds(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list[Mapping[str, Any]], key: str
) -> None:
    """Whatever arrives, each key has the rows and the log the counts that the reference gives."""
    clock = FakeClock(2**60)  # no clock has been told: nothing lies in the future
    oracle = reference.Log(key, {})
    with EventLog(tmp_path_factory.mktemp("log") / "log.db", key=key, clock=clock) as log:
        for entry in arrivals:
            assert _refused(log, clock, entry) == _refused_by(oracle, entry)
        for each in ("u", "v", "7", "é"):
            rows = log.scan(each, None, None, None)
            expected = [
                (r.key, r.user_id, r.event, r.ts_ms, r.seq, r.event_id, r.known_ms)
                for r in oracle.ordered(each)
            ]
            assert [
                (r.key, r.user_id, r.name, r.ts_ms, r.seq, r.event_id, r.known_ms) for r in rows
            ] == expected
        counters = log.stats().counters
        assert [counters[c] for c in ("duplicate", "quarantined", "keyless")] == [
            oracle.counts[c] for c in ("duplicate", "quarantined", "without_key")
        ]
        assert log.check() == []


def _refused(log: EventLog, clock: FakeClock, entry: Mapping[str, Any]) -> bool:
    if "clock" in entry:
        clock.set(entry["clock"])
    elif "forget" in entry:
        log.forget(**entry["forget"])
    else:
        try:
            log.append_many([entry], keep_known=True)
        except EventError:
            return True
    return False


def _refused_by(oracle: reference.Log, entry: Mapping[str, Any]) -> bool:
    try:
        oracle.arrive(entry)
    except EventError:
        return True
    return False
