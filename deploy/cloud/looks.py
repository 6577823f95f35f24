"""What one look of a gate leads to: a pure function of where its release stands, the rules and both arms.

A person goes first: where they halted or ended the release the gate takes leave, and while its task is
halted it waits, and its stage begins anew afterwards. What it does is told by rows, a deed per verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from deploy import canonical
from deploy.cloud import staged
from deploy.cloud.rulesets import Edit
from deploy.gate.arm import Arm
from deploy.gate.policy import Policy
from deploy.gate.reading import Bins, Reading
from deploy.gate.stage import Stand, shares
from deploy.gate.verdict import Verdict, next_step
from deploy.rollout import Release, ReleaseId, Ruleset
from deploy.task.manifest import TaskName
from deploy.wire.assignment import Moment
from inference.contract import Sha256

# running: led; stopped: by its gate; halted, ended: by a person; done: all stages passed
State = Literal["running", "stopped", "halted", "ended", "done"]
Arms = tuple[Arm, Arm | None]


class Look(Struct, frozen=True):
    """What a gate saw at one time, and what it said."""

    at_ms: Moment
    stage: int
    verdict: Verdict
    why: str
    share: int  # of the release then, in millionths
    devices: int = 0  # of the release that entered
    control: int = 0  # of the control arm
    readings: tuple[Reading, ...] = ()

    def to_json(self) -> bytes:
        """Return the canonical JSON."""
        return canonical.encode(self)


class Gate(Struct, frozen=True):
    """One release that gates lead."""

    release: ReleaseId
    task: TaskName
    bundle: Sha256
    control: ReleaseId | None
    policy: Policy
    fleet: int  # devices that its conditions let in
    began_ms: Moment
    stand: Stand
    state: State = "running"
    look: Look | None = None  # the last one
    looked_ms: Moment = 0
    serial: int = 0

    @property
    def arms(self) -> tuple[str, ...]:
        """Return the releases whose devices it counts."""
        return (self.release,) if self.control is None else (self.release, self.control)


class Decided(NamedTuple):
    """What a look leads to."""

    gate: Gate  # as it stands then
    look: Look
    edit: Edit | None = None  # of the rules
    action: str = ""  # for the audit log; "": nothing was done


def decide(gate: Gate, rules: Ruleset, arms: Arms, trained: Bins, now_ms: int) -> Decided:
    """Return what becomes of GATE's release under RULES at NOW_MS.

    Args:
        gate: as it stands.
        rules: in force.
        arms: what was told of the release, and of its control arm.
        trained: counts of training by feature and bin, of its bundle.
        now_ms: by the service's clock.
    """
    release = rules.releases.get(gate.release)
    if release is None:
        return _left(gate, "ended", "ended by a person", 0, now_ms)
    share = release.cohort.millionths
    if release.halted:
        return _left(gate, "halted", "halted by a person", share, now_ms)
    if gate.task in rules.halted_tasks:
        anew = replace(gate.stand, since_ms=now_ms)
        return _told(gate, anew, Look(now_ms, anew.stage, "wait", "the task is halted", share))
    step = next_step(gate.policy, gate.stand, arms, gate.fleet, now_ms, trained)
    devices, control = (0 if arm is None else arm.entered for arm in arms)
    look = Look(now_ms, gate.stand.stage, step.verdict, step.why, share, devices, control, step.readings)
    return _DEEDS[step.verdict](_told(gate, step.stand, look), release)


def _told(gate: Gate, stand: Stand, look: Look) -> Decided:
    after = replace(gate, stand=stand, look=look, looked_ms=look.at_ms, serial=gate.serial + 1)
    return Decided(after, look)


def _left(gate: Gate, state: State, why: str, share: int, now_ms: int) -> Decided:
    """Return that a person decided; the control arm goes with the release."""
    found = _told(gate, gate.stand, Look(now_ms, gate.stand.stage, "stop", why, share))
    edit = partial(staged.finished, control=gate.control)
    return found._replace(gate=replace(found.gate, state=state), edit=edit, action=f"gate.{state}")


def _continued(found: Decided, release: Release) -> Decided:
    gate = found.gate
    wanted = shares(gate.policy, gate.stand.stage, gate.fleet, release.cohort.millionths)
    edit = partial(staged.grown, name=gate.release, control=gate.control, wanted=wanted)
    return found._replace(edit=edit, action="gate.continue")


def _stopped(found: Decided, _release: Release) -> Decided:
    gate = replace(found.gate, state="stopped")
    edit = partial(staged.stopped, name=gate.release, control=gate.control)
    return found._replace(gate=gate, edit=edit, action="gate.stop")


def _done(found: Decided, _release: Release) -> Decided:
    gate = replace(found.gate, state="done")
    return found._replace(gate=gate, edit=partial(staged.finished, control=gate.control), action="gate.done")


_DEEDS: Final[dict[Verdict, Callable[[Decided, Release], Decided]]] = {
    "continue": _continued,
    "wait": lambda found, _release: found,
    "pause": lambda found, _release: found._replace(action="gate.pause"),
    "stop": _stopped,
    "done": _done,
}
