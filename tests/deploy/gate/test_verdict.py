"""What becomes of a release, case by case and as laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.bucket import MILLION
from deploy.errors import GateError
from deploy.gate.arm import Arm, Entrants
from deploy.gate.policy import Criterion, Policy, Stage, counter
from deploy.gate.stage import Shares, Stand, shares, size
from deploy.gate.totals import Totals
from deploy.gate.verdict import next_step

pytestmark = pytest.mark.device

HOUR = 3_600_000
FLEET = 1_000_000
POLICY = Policy(stages=(Stage(devices=100), Stage(devices=1_000), Stage(millionths=MILLION)))
HEALTHY, FEW = {"alive": 95, "failing": 1}, {"alive": 47}


def arm(
    devices: int,
    hits: dict[str, int] | None = None,
    hour: int = 0,
    last: int = 4,
    totals: Totals | None = None,
) -> Arm:
    """Return an arm whose devices all came at HOUR and spoke last at the hour LAST."""
    found = Arm(open={60 * hour: Entrants(devices, hits or {})}, last=60 * last)
    found.totals = totals or Totals()
    return found


def verdict(
    treated: Arm, control: Arm, hour: float = 4, stage: int = 0, *, paused: bool = False
) -> tuple[str, str]:
    """Return the verdict at HOUR of a stage that began at 0."""
    step = next_step(
        POLICY, Stand(stage, 0, paused), (treated, control), FLEET, int(hour * HOUR), {"price": (500, 500)}
    )
    return step.verdict, step.why


GOOD, BESIDE = arm(100, HEALTHY), arm(400, {"alive": 380, "failing": 4})


@pytest.mark.parametrize(
    ("found", "expected", "why"),
    [
        (verdict(GOOD, BESIDE), "continue", "stage 0 passed"),
        (verdict(GOOD, BESIDE, hour=2.9), "wait", "the stage lasts 180 minutes at least"),
        (verdict(arm(49, FEW), BESIDE), "wait", "expected 50 devices of the release"),
        (verdict(GOOD, arm(49, FEW)), "wait", "expected 50 devices of the control arm"),
        (verdict(arm(100, HEALTHY, hour=3), BESIDE), "wait", "watched to the end, found 0"),
        (verdict(arm(49, FEW, last=70), BESIDE, hour=72), "pause", "found 49 in 4320 minutes"),
        (verdict(GOOD, BESIDE, paused=True), "wait", "paused"),
        (
            verdict(arm(100, {**HEALTHY, "broken": 20}), BESIDE),
            "stop",
            "broken: more than 1 %: 20 of 100",
        ),
        (verdict(arm(100, {**HEALTHY, "broken": 20}), BESIDE, paused=True), "stop", "broken: more than 1 %"),
        (
            verdict(arm(100, {"broken": 20}), arm(400, {"broken": 80})),
            "pause",
            "the control arm fails as well",
        ),
        (verdict(arm(100, {"alive": 95, "failing": 20}), BESIDE), "stop", "failing: more than control"),
        (
            verdict(arm(100, {"alive": 60}), BESIDE),
            "stop",
            "less than control: 60 of 100 devices, control 380 of 400",
        ),
        (
            verdict(arm(0, last=-1), BESIDE, hour=6),
            "stop",
            "reports of the release, found none for 360 minutes",
        ),
        (verdict(arm(100, HEALTHY, last=0), BESIDE, hour=6), "stop", "expected reports"),
        (verdict(GOOD, BESIDE, hour=6), "continue", "stage 0 passed"),
        (verdict(arm(600_000, {"alive": 570_000}), arm(0), stage=2), "done", "all stages passed"),
    ],
)
def test_verdicts(found: tuple[str, str], expected: str, why: str) -> None:
    """Each way to each verdict."""
    assert found[0] == expected
    assert why in found[1]


def test_drift_pauses_where_the_control_arm_has_none() -> None:
    """Where it drifts as well the world moved, not the release."""
    moved, stood = Totals(drift={"price": [100, 900]}), Totals(drift={"price": [500, 500]})
    treated = arm(100, HEALTHY, totals=moved)
    assert verdict(treated, arm(400, {"alive": 380}, totals=stood))[0] == "pause"
    assert verdict(treated, arm(400, {"alive": 380}, totals=moved))[0] == "continue"
    assert verdict(arm(100, HEALTHY, totals=stood), BESIDE)[0] == "continue"


def test_a_counter_that_falls_stops_a_release() -> None:
    """It does not crash and does not fail: fewer click."""
    policy = Policy(stages=(Stage(devices=100),), criteria=(counter("clicked"),))
    treated, control = arm(100, {"counter.clicked": 20}), arm(400, {"counter.clicked": 200})
    step = next_step(policy, Stand(0, 0), (treated, control), FLEET, 4 * HOUR)
    assert (step.verdict, step.why) == (
        "stop",
        "counter.clicked: less than control: 20 of 100 devices, control 200 of 400",
    )


def test_a_stage_moves_the_stand() -> None:
    """The next one begins now, unpaused."""
    assert next_step(POLICY, Stand(0, 0), (GOOD, BESIDE), FLEET, 4 * HOUR).stand == Stand(1, 4 * HOUR)
    late = next_step(POLICY, Stand(0, 0), (arm(49, FEW, last=70), BESIDE), FLEET, 72 * HOUR)
    assert late.stand == Stand(0, 0, paused=True)


@given(st.integers(1, 1 << 30), st.integers(0, 9), st.integers(0, MILLION))
def test_shares_never_shrink_nor_pass_all(fleet: int, stage: int, now: int) -> None:
    """A stage of devices is no more than those, where a millionth is no more than those."""
    policy = Policy()
    got = shares(policy, stage, fleet, now)
    assert now <= got.treated <= got.control <= MILLION
    assert got.control == MILLION or got.control == got.treated * 5
    free = shares(policy, stage, fleet)
    if free.treated > 1:
        assert free.treated * fleet <= size(policy, stage, fleet) * MILLION + (
            MILLION if policy.stages[stage].millionths else 0
        )


def test_the_shares_of_a_fleet() -> None:
    """Of 22 million devices a millionth is 22."""
    stages = [shares(Policy(), stage, 22_000_000) for stage in range(10)]
    assert [each.treated for each in stages] == [4, 11, 22, 45, 90, 454, 2_727, 100_000, 500_000, MILLION]
    assert stages[0] == Shares(4, 20)
    assert [each.control for each in stages[-3:]] == [500_000, MILLION, MILLION]


def test_a_policy_is_one_text() -> None:
    """It is read back as it was written, and the evidence that it needs is spread over its tests."""
    policy = Policy(criteria=(Criterion("broken", most=10_000), counter("clicked", effect="pause")))
    assert Policy.from_json(policy.to_json()) == policy
    assert policy.need("stop") == pytest.approx(6.9078, abs=1e-4)  # ln(2 / 0.002)
    assert policy.need("pause") == pytest.approx(5.2983, abs=1e-4)  # ln(1 / 0.005)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"criteria":[],"stages":[]}', "expected its JSON"),
        ('{"stages":[{"devices":1,"millionths":1}]}', "found both; give one"),
        ('{"stages":[{}]}', "found none; give one"),
        ('{"stages":[{"devices":1,"least_s":100,"most_s":99}]}', "expected least_s up to 99, found 100"),
        ('{"criteria":[{"event":"slow"},{"event":"slow"}]}', "found two of 'slow'"),
        ('{"criteria":[{"control":false,"event":"slow"}]}', "found neither"),
        ('{"criteria":[{"event":"alive","most":9,"worse":"less"}]}', "expected no `most`"),
        ('{"silent_s":60}', "expected silent_s of 7200 or more"),
        ('{"latency_us":60000}', "expected its JSON"),
        ('{"alpha":1}', "expected its JSON"),
    ],
)
def test_a_policy_that_says_nothing_sound_is_refused(text: str, message: str) -> None:
    """In one line."""
    with pytest.raises(GateError) as refused:
        Policy.from_json(text.encode())
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
