"""Whatever arrives, in whatever order and by whatever door, values are those of the reference."""

from __future__ import annotations

from typing import Any

import pytest

from featuregraph import EventError
from stream import Receipt

pytestmark = pytest.mark.device

HOUR = 3_600_000
NOW = 1_700_000_000_000


def click(ts_ms: int, item: Any = "a", **more: Any) -> dict[str, Any]:
    """Return a click."""
    return {"event": "click", "ts_ms": ts_ms, "item": item, "n": 1, "score": 0.1, **more}


def buy(ts_ms: int, item: Any = "a", price: Any = "1.10", **more: Any) -> dict[str, Any]:
    """Return a purchase."""
    return {"event": "buy", "ts_ms": ts_ms, "item": item, "n": 2, "price": price, **more}


def test_in_order(device: Any) -> None:
    """Events that arrive as they happen, with a query after each."""
    for i in range(30):
        device.tell((click if i % 3 else buy)(NOW - HOUR + i * 200_000, "abc"[i % 3]))
        device.check(NOW - HOUR + i * 200_000 + 1)
        device.check(NOW - HOUR + i * 200_000 + 150_000)


def test_no_event_at_all(device: Any) -> None:
    """A key without events has the empty values, in every plan."""
    device.check(NOW)
    device.tell(click(NOW))
    device.check(NOW + 1, key="somebody else")


def test_late_events_change_later_queries_only(device: Any) -> None:
    """A late event is there at the next query, and a vector given earlier stays as it was (1.4)."""
    device.tell(*(click(NOW + i * 1000, "b", score=0.3) for i in range(10)))
    device.check(NOW + 20_000)
    before = device.engine.extract(device.plans[0].id, at_ms=NOW + 20_000)
    kept = repr(before.values)
    receipt = device.tell(click(NOW - HOUR + 30_000), buy(NOW + 3_500), click(NOW - 50 * HOUR))
    assert receipt == Receipt(accepted=3, late=3)
    device.check(NOW + 20_000)
    device.check(NOW + 20_001)
    assert repr(before.values) == kept


def test_out_of_order_in_one_call(device: Any) -> None:
    """Times decide, not the order in a call; among equal times without seq the arrival decides."""
    device.tell(*(click(NOW + i * 7 % 5, "abcde"[i]) for i in range(5)))
    device.check(NOW + 5)
    device.tell(click(NOW + 9, "x"), buy(NOW + 9, "y"), click(NOW + 9, "z"))
    device.check(NOW + 10)
    assert device.engine.extract(device.plans[0].id, at_ms=NOW + 10)["latest"] == "z"


def test_duplicates_are_dropped_and_counted(device: Any) -> None:
    """The first event of an id wins, in one call and across calls (1.3)."""
    first = click(NOW, "a", event_id="1")
    assert device.tell(first, {**first, "item": "b"}) == Receipt(accepted=1, duplicate=1)
    device.check(NOW + 1)
    assert device.tell({**first, "ts_ms": NOW + 5}).duplicate == 1
    device.check(NOW + 6)


def test_far_future_events_are_quarantined(device: Any) -> None:
    """An event beyond clock + 5 min is never visible, whatever t is asked; one at the bound is (1.5)."""
    receipt = device.tell(click(NOW + 300_001, "far"), click(NOW + 300_000, "near"))
    assert receipt == Receipt(accepted=1, quarantined=1)
    for t in (NOW, NOW + 300_001, NOW + 300_002, NOW + 10 * HOUR):
        device.check(t)
    device.clock.advance(2)
    assert device.tell(click(NOW + 300_001, "far")).accepted == 1
    device.check(NOW + 300_002)


def test_a_refused_event_changes_nothing(device: Any) -> None:
    """A taken position is an error, and nothing of that call is kept, neither in the log nor in states."""
    device.tell(click(NOW, seq=4))
    device.check(NOW + 1)
    told = list(device.told)
    with pytest.raises(EventError, match="taken"):
        device.tell(click(NOW + 1), buy(NOW, seq=4))
    device.told = told
    device.check(NOW + 2)
    assert device.log.count == 1


def test_events_without_a_key_are_the_engines_own(device: Any) -> None:
    """Events that name no key get the engine's; a null key stays null, and the event is dropped (1.1)."""
    device.tell(click(NOW))
    assert device.log.keys() == ["me"]
    assert device.tell(click(NOW, user_id=None)).keyless == 1
    device.check(NOW + 1)


def test_unknown_events_and_fields_are_kept_but_not_seen(device: Any) -> None:
    """An event that no plan declares, and fields that none reads, change no value and are not lost."""
    assert device.tell({"event": "scroll", "ts_ms": NOW, "depth": 3}, click(NOW, extra="x")).accepted == 2
    device.check(NOW + 1)
    assert device.log.count == 2


def test_appends_behind_the_engines_back(device: Any) -> None:
    """What others append to the log is in the next query, whatever the engine appended before and after."""
    device.tell(click(NOW, "a"))
    device.check(NOW + 1)
    device.tell(click(NOW + 1, "b"), behind=True)
    device.check(NOW + 2)
    device.tell(click(NOW + 2, "c"), behind=True)
    device.tell(buy(NOW + 3, "d"))
    device.tell(buy(NOW - 5, "e"), behind=True)
    device.check(NOW + 4)
    device.tell(buy(NOW + 4, "d"))
    device.check(NOW + 5)


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("what", [{"before": NOW + 4}, {"key": "me"}, {"event_id": "e5"}])
def test_what_is_forgotten_never_was(device: Any, what: dict[str, Any], behind: bool) -> None:
    """After forget, by the engine or the log, values are those of a log that never held the events (8.1)."""
    device.tell(*(click(NOW + i, "abc"[i % 3], event_id=f"e{i}") for i in range(9)))
    device.tell(buy(NOW + 2, user_id="you"))
    device.check(NOW + 10)
    device.check(NOW + 10, key="you")
    assert device.forget(behind=behind, **what) > 0
    device.check(NOW + 10)
    device.check(NOW + 10, key="you")
    device.tell(click(NOW + 5, "z", event_id="e5"))
    device.check(NOW + 11)


def test_append_and_forget_between_two_queries(device: Any) -> None:
    """Rows that wait for the next query are forgotten with the others."""
    device.tell(click(NOW))
    device.check(NOW + 1)
    device.tell(click(NOW + 1, "b", event_id="x"), click(NOW + 2, "c"))
    device.forget(event_id="x", behind=True)
    device.tell(click(NOW + 3, "d"))
    device.check(NOW + 4)


def test_a_restart_changes_no_value(device: Any) -> None:
    """Closed and opened anew, also in the middle of a session, the engine goes on as if nothing had been."""
    for i in range(12):
        device.clock.advance(60_000)
        device.tell(click(NOW + i * 60_000, "ab"[i % 2], event_id=f"e{i}"))
        device.check(NOW + i * 60_000 + 1)
        if i % 4 == 3:
            device.restart()
            assert device.tell(click(NOW, event_id=f"e{i}")).duplicate == 1
            device.check(NOW + i * 60_000 + 1)


def test_several_keys_never_mix(device: Any) -> None:
    """Each key has its own rows and states, asked in turn and in any order of time (1.1)."""
    for i in range(20):
        device.tell(click(NOW + i, "abc"[i % 3], user_id=("me", "you", "7")[i % 3]))
        device.check(NOW + i + 1, key=("you", "me", "7", "nobody")[i % 4])
    for key in ("me", "you", "7"):
        device.check(NOW + 100, key=key)


def test_an_integer_key_is_its_text(device: Any) -> None:
    """The key 7 is the key "7", in events and in queries (section 2)."""
    device.tell(click(NOW, user_id=7), click(NOW, user_id="7"))
    plan = device.plans[0]
    by_number = device.engine.extract(plan.id, key=7, at_ms=NOW + 1)
    assert by_number["clicks_1h"] == 2
    assert by_number.values == device.engine.extract(plan.id, key="7", at_ms=NOW + 1).values
