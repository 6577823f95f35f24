"""What becomes of a release now: a pure function of its policy, where it stands and what its arms reported.

In this order, the first that holds:
1. stop, if a test that stops has its evidence; but pause (3), if the control arm fails the same test.
2. stop, if no device of the release has reported for `silent_s`: who cannot report cannot complain.
3. pause, if a test that pauses has its evidence, and nobody has waived it.
4. wait, while it is paused: tests go on, and may stop it.
5. go on, if the stage has lasted `least_s` and enough of its devices, in both arms, were watched to the end.
6. pause, if the stage has lasted `most_s`.
7. wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from deploy.bucket import MILLION
from deploy.gate.arm import Arm
from deploy.gate.policy import Policy
from deploy.gate.reading import Bins, Reading, readings
from deploy.gate.stage import Stand, shares, size

Verdict = Literal["continue", "wait", "pause", "stop", "done"]


class Step(Struct, frozen=True):
    """What to do now, where the release stands then, and why."""

    verdict: Verdict
    stand: Stand
    why: str
    readings: tuple[Reading, ...] = ()


def next_step(
    policy: Policy,
    stand: Stand,
    arms: tuple[Arm, Arm | None],
    fleet: int,
    now_ms: int,
    trained: Bins | None = None,
) -> Step:
    """Return what becomes of a release at NOW_MS.

    Args:
        policy: its gates.
        stand: where it stands.
        arms: what the release's devices reported, and those of the control arm; None: it has none.
        fleet: how many devices its conditions let in.
        now_ms: by the service's clock, since 1970.
        trained: counts of training by feature and bin, of its bundle.
    """
    share = shares(policy, stand.stage, fleet)
    treated, control = arms[0], arms[1] if share.control > share.treated else None
    read = tuple(readings(policy, treated, control, trained or {}, now_ms // 60_000))
    fired = {effect: [r for r in read if r.fires and r.effect == effect] for effect in ("stop", "pause")}
    verdict, why = _judge(policy, stand, fired, _silence(treated, stand, now_ms))
    if verdict is None:
        least = policy.least_millionths
        wanted = max(1, size(policy, stand.stage, fleet) * least // MILLION)
        verdict, why = _grow(policy, stand, now_ms, _lacks(policy, (treated, control), wanted, now_ms))
    return Step(verdict, _moved(stand, verdict, now_ms), why, read)


def _judge(
    policy: Policy, stand: Stand, fired: Mapping[str, list[Reading]], silent_ms: int
) -> tuple[Verdict | None, str]:
    """Return what the tests say, None if nothing."""
    for reading in fired["stop"]:
        if not reading.shared:
            return "stop", _told(reading)
    if silent_ms >= 1_000 * policy.silent_s:
        return "stop", f"expected reports of the release, found none for {silent_ms // 60_000} minutes"
    if stand.paused:
        return "wait", "paused"
    for reading in _unwaived(stand, fired):
        if reading.effect == "stop":
            return "pause", f"{_told(reading)}; the control arm fails as well: look for another cause"
        if not reading.shared:
            return "pause", _told(reading)
    return None, ""


def _unwaived(stand: Stand, fired: Mapping[str, list[Reading]]) -> list[Reading]:
    return [each for each in (*fired["stop"], *fired["pause"]) if each.test not in stand.waived]


def _grow(policy: Policy, stand: Stand, now_ms: int, lacks: str) -> tuple[Verdict, str]:
    """Return whether the stage is over."""
    stage = policy.stages[stand.stage]
    stood_ms = now_ms - stand.since_ms
    if stood_ms >= 1_000 * stage.least_s and not lacks:
        last = stand.stage + 1 == len(policy.stages)
        return ("done", "all stages passed") if last else ("continue", f"stage {stand.stage} passed")
    if stood_ms >= 1_000 * stage.most_s:
        return "pause", f"{lacks} in {stage.most_s // 60} minutes"
    return "wait", lacks or f"the stage lasts {stage.least_s // 60} minutes at least"


def _lacks(policy: Policy, arms: tuple[Arm, Arm | None], wanted: int, now_ms: int) -> str:
    """Return which arm has fewer than WANTED devices that were watched to the end, "" if none."""
    for name, arm in zip(("the release", "the control arm"), arms, strict=True):
        settled = wanted if arm is None else arm.tosses("", now_ms // 60_000, policy.watch).settled
        if settled < wanted:
            return f"expected {wanted} devices of {name}, watched to the end, found {settled}"
    return ""


def _silence(treated: Arm, stand: Stand, now_ms: int) -> int:
    """Return for how long no device of the release has reported, in this stage."""
    return now_ms - max(stand.since_ms, 60_000 * treated.last)


def _moved(stand: Stand, verdict: Verdict, now_ms: int) -> Stand:
    if verdict == "continue":
        return Stand(stand.stage + 1, now_ms, waived=stand.waived)
    return replace(stand, paused=True) if verdict == "pause" else stand


def _told(reading: Reading) -> str:
    if reading.test.startswith("drift"):
        return f"{reading.test}: PSI {reading.value:.2f}, {reading.need:.2f} is too much"
    beside = f", control {reading.control_hits} of {reading.control}" if reading.control else ""
    return f"{reading.test}: {reading.hits} of {reading.devices} devices{beside}"
