"""What the gate reads: whoever has not had its time is counted in favour of the release."""

from __future__ import annotations

from typing import Literal

import pytest

from deploy.bucket import MILLION
from deploy.gate.arm import Arm, Entrants
from deploy.gate.drift import noise
from deploy.gate.policy import Policy, counter
from deploy.gate.reading import Reading, readings
from deploy.gate.totals import Totals

pytestmark = pytest.mark.device

NOW = 1_000


def arm(settled: Entrants, under_way: Entrants, totals: Totals | None = None) -> Arm:
    """Return an arm with devices that were watched to the end, and some that came just now."""
    return Arm(settled=settled, open={NOW: under_way}, last=NOW, totals=totals or Totals())


TREATED = arm(Entrants(100, {"counter.x": 10}), Entrants(40, {"counter.x": 3}))
CONTROL = arm(Entrants(400, {"counter.x": 50}), Entrants(160, {"counter.x": 7}))


def compared(worse: Literal["more", "less"]) -> Reading:
    """Return the reading of both arms against each other."""
    policy = Policy(criteria=(counter("x", worse),))
    return next(each for each in readings(policy, TREATED, CONTROL, {}, NOW) if "control" in each.test)


def test_a_hit_too_many_counts_all_of_the_release_and_the_settled_of_the_control_arm() -> None:
    """A healthy device counts at once, one of the control arm that may yet be hit does not."""
    found = compared("more")
    assert (found.devices, found.hits, found.control, found.control_hits) == (140, 13, 400, 50)


def test_a_hit_too_few_counts_the_settled_of_the_release_and_all_of_the_control_arm() -> None:
    """A device that may yet click is not held against the release."""
    found = compared("less")
    assert (found.devices, found.hits, found.control, found.control_hits) == (100, 10, 560, 57)


def test_a_drift_must_exceed_what_chance_does() -> None:
    """With few devices PSI is large by itself."""
    policy, trained = Policy(drift_thousandths=250), {"price": (500, 500)}
    few = arm(Entrants(10), Entrants(10), Totals(drift={"price": [400, 600]}))
    (found,) = (each for each in readings(policy, few, None, trained, NOW) if each.test == "drift of price")
    assert found.need == pytest.approx(0.25 + noise(2, 20, policy.alpha_pause / MILLION))
    assert found.need > 0.25
    assert not found.fires


def test_a_part_of_a_minute_is_watched_as_a_whole_one() -> None:
    """Nobody is settled before its time."""
    assert [Policy(watch_s=seconds).watch for seconds in (60, 61, 119, 120)] == [1, 2, 2, 2]
