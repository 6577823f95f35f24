"""An arm counts each device once, in the time that it is watched, in bounds."""

from __future__ import annotations

import random
from collections import defaultdict

import msgspec
import pytest

from deploy.gate.arm import Arm, Seen, Tosses
from deploy.gate.totals import Totals
from deploy.gate.view import View, events, limit_bin
from deploy.wire.report import LATENCY_BINS, Counts, Report, State

pytestmark = pytest.mark.device

VIEW = View(
    frozenset({"broken", "failing", "crashing", "slow", "alive", "counter.clicked"}), 10, 40, {"price": 2}
)


def report(state: State = "alive", error: str = "", device: str = "d", **counts: object) -> Report:
    """Return a report."""
    return Report(
        "0" * 32, device, "rank", "r1", state, 0, error, msgspec.convert(counts, Counts, strict=False)
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (report("installed"), ""),
        (report("active"), ""),
        (report(), "alive"),
        (report("failed", "no room"), "broken failing"),
        (report("rolled_back", "it died"), "broken failing"),
        (report("rolled_back"), ""),
        (report("active", crashes=1), "crashing"),
        (report("active", runs=9, failures=1), "failing"),
        (report("active", latency=(0,) * 39 + (99, 1)), ""),
        (report("active", latency=(0,) * 39 + (98, 1)), "slow"),
        (report("active", counters={"clicked": 2, "shown": 5}), "counter.clicked"),
        (report("active", counters={"clicked": 0}), ""),
    ],
)
def test_what_a_report_tells(told: Report, expected: str) -> None:
    """Each event has its rule; a device that goes back because it is told to is not broken."""
    assert " ".join(sorted(events(told, VIEW))) == expected


def test_a_device_is_one_coin() -> None:
    """What is told twice, or after the watch, counts nothing."""
    arm = Arm()
    seen = arm.take(report("active"), None, 100, VIEW)
    for minute in (101, 105, 109):
        seen = arm.take(report(runs=1, failures=1), seen, minute, VIEW)
    assert arm.tosses("failing", 109, 10) == Tosses(1, 1, 0, 0)
    seen = arm.take(report("active", crashes=3), seen, 110, VIEW)
    assert seen == Seen(100, frozenset({"failing", "alive"}))
    assert arm.tosses("crashing", 110, 10) == Tosses(1, 0, 1, 0)
    assert arm.tosses("failing", 110, 10) == Tosses(1, 1, 1, 1)


def test_a_device_that_says_nothing_is_settled_in_its_time() -> None:
    """No report is needed: it is a device that was not hit."""
    arm = Arm()
    arm.take(report("active"), None, 100, VIEW)
    assert arm.tosses("alive", 109, 10) == Tosses(1, 0, 0, 0)
    assert arm.tosses("alive", 110, 10) == Tosses(1, 0, 1, 0)


def test_an_arm_is_what_its_devices_are() -> None:
    """Against a count over all reports by device: 3,000 of 200 devices, through JSON at each hundredth."""
    chance = random.Random(3)
    arm, known = Arm(), dict[str, Seen]()
    entry, hit = dict[str, int](), defaultdict[str, set[str]](set)
    minute = 0
    for number in range(3_000):
        minute += chance.random() < 0.05
        device = f"d{chance.randrange(min(200, 1 + number // 10))}"
        told = report(
            chance.choice(["active", "alive", "failed"]), device=device, crashes=chance.choice([0, 0, 1])
        )
        known[device] = arm.take(told, known.get(device), minute, VIEW)
        if minute - entry.setdefault(device, minute) < VIEW.watch:
            hit[device] |= set(events(told, VIEW))
        if number % 100 == 0:
            arm = msgspec.json.decode(msgspec.json.encode(arm), type=Arm)
            for event in VIEW.events:
                past = [d for d in entry if minute - entry[d] >= VIEW.watch]
                assert arm.tosses(event, minute, VIEW.watch) == Tosses(
                    len(entry),
                    sum(event in hit[d] for d in entry),
                    len(past),
                    sum(event in hit[d] for d in past),
                )
    assert arm.entered == len(entry)
    assert len(arm.open) <= VIEW.watch


def test_totals_keep_what_is_looked_at() -> None:
    """A device that tells of counters and features without end fills nothing."""
    arm = Arm()
    seen = None
    for number in range(100):
        told = report(
            counters={f"c{number}": 1, "clicked": 2},
            drift={f"f{number}": [1, 2], "price": [1, 2]},
            runs=1,
            latency=[1],
        )
        seen = arm.take(told, seen, 5, VIEW)
    seen = arm.take(report(drift={"price": [1, 2, 3]}), seen, 5, VIEW)
    assert arm.totals == Totals(
        100, 0, 0, [100] + [0] * (LATENCY_BINS - 1), {"clicked": 200}, {"price": [100, 200]}
    )


def test_the_99th_percentile_is_the_end_of_its_bin() -> None:
    """98 of 100 runs are not enough."""
    assert Totals(latency=[98, 0, 0, 0, 2]).latency_us(990) == 2
    assert Totals(latency=[99, 0, 0, 0, 1]).latency_us(990) == 1
    assert Totals().latency_us(990) is None


@pytest.mark.parametrize(("us", "bin"), [(1, 0), (2, 4), (3, 7), (1_000, 40), (50_000, 63)])
def test_a_limit_is_the_first_bin_beyond(us: int, bin: int) -> None:
    """Every run in it, and none before, takes so long."""
    assert limit_bin(us) == bin
    assert 2 ** (bin / 4) >= us > 2 ** ((bin - 1) / 4)
