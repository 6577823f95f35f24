"""Devices that run the real machine reach a release, and leave one that fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deploy.gate.policy import Policy, Stage
from deploy.simulate.director import NEW_BUNDLE, Director
from deploy.simulate.estimate import Assumptions, estimate
from deploy.simulate.fleet import Fleet, Ways
from deploy.simulate.story import WARM_MS, reach, stop

pytestmark = pytest.mark.device

WAYS = Ways(devices=2_000)
SOON = Policy(
    stages=(Stage(devices=400, least_s=1_800), Stage(millionths=1_000_000, least_s=1_800)),
    watch_s=1_200,
    silent_s=7_200,
)


def test_machines_do_what_the_estimate_says() -> None:
    """Polls alone: half of those online as soon as the estimate says, all but a hundredth soon after."""
    found = reach(replace(WAYS, requests_per_h=0.0), 3, hours=0.5)
    said = estimate(Assumptions(WAYS.devices, WAYS.online, requests_per_h=0.0, install_s=31.0), 1)
    assert found.t50_min is not None
    assert said.t50_s is not None
    assert abs(found.t50_min - said.t50_s / 60) < 1.5
    assert found.t99_min is not None
    assert found.t99_min <= 20  # polls have a jitter of a fifth, and one in fifty is cut


def test_hints_are_sooner_than_polls() -> None:
    """99 % of those online within ten minutes."""
    found = reach(WAYS, 3, hours=0.3)
    assert found.t99_min is not None
    assert found.t99_min <= 10


def test_a_release_that_fails_is_stopped_and_taken_back() -> None:
    """Its examples, its runs or its process fail, on a tenth of devices: nobody runs it in the end."""
    found = stop(replace(WAYS, fails=0.1), 3, 6, SOON)
    assert found.verdict == "stop"
    assert "broken" in found.why
    assert 0 < found.exposed <= 500
    assert found.left == 0


def test_a_release_that_is_good_passes() -> None:
    """With cuts, full disks and ends of processes: none of them is its fault."""
    found = stop(WAYS, 3, 6, SOON)
    assert found.verdict == "done"


def test_equal_seeds_give_equal_fleets() -> None:
    """To the last count."""

    def told(seed: int) -> tuple[int, int, int, dict[int, int]]:
        director = Director(SOON, 300, WAYS.poll_s)
        fleet = Fleet(replace(WAYS, devices=300, fails=0.3), director, seed)
        fleet.run(WARM_MS, lambda: False)
        director.begin(fleet.now_ms)
        fleet.hint()
        fleet.run(2 * WARM_MS, lambda: False)
        return fleet.steps, fleet.bytes, fleet.runs[NEW_BUNDLE], fleet.per_second

    assert told(5) == told(5)
    assert told(5) != told(6)
