"""The service of a made fleet: the real rulesets, choices and gates, without disk, network or clock."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from deploy.bucket import MILLION
from deploy.chooser import Chooser
from deploy.cohort import Cohort
from deploy.device.words import Answered, Unchanged
from deploy.gate.arm import Arm, Seen
from deploy.gate.policy import Policy
from deploy.gate.stage import Shares, Stand, shares
from deploy.gate.verdict import Step, next_step
from deploy.growth import surprises
from deploy.rollout import Release, Ruleset
from deploy.wire.assignment import Assigned, AssignmentManifest
from deploy.wire.report import Report

TASK: Final = "rank"
OLD, CONTROL, NEW = "old", "control", "new"  # releases; the first two are of one bundle
OLD_BUNDLE, NEW_BUNDLE, GRAPH = "0" * 64, "1" * 64, "a" * 64
RUNS_OLD: Final = Assigned(OLD, OLD_BUNDLE, GRAPH)
_NEVER_MS: Final = 1 << 50
_ALL: Final = {OLD: Release(TASK, OLD_BUNDLE, GRAPH, Cohort("old"))}


class Director:
    """What runs where, and what becomes of the new release."""

    def __init__(self, policy: Policy, fleet: int, poll_s: int) -> None:
        self.policy, self.fleet, self.poll_s = policy, fleet, poll_s
        self.rules = Ruleset(1, _ALL)
        self.stand: Stand | None = None  # None: not begun
        self.step: Step | None = None  # the last look's
        self.arms = {NEW: Arm(), CONTROL: Arm()}
        self._seen: dict[tuple[str, str], Seen] = {}
        self._view = policy.view({})
        self._put(self.rules)

    def check(self, device: str, etag: str) -> Answered | Unchanged:
        """Return what DEVICE should run, or that it knows."""
        choice = tuple(self._chooser.choose(device, {}).releases.items())
        answer = self._answers.get(choice)
        if answer is None:
            answer = self._answers[choice] = self._answer(choice)
        return Unchanged() if answer.etag == etag else answer

    def chosen(self, device: str) -> str:
        """Return the bundle that DEVICE should run."""
        return self.rules.releases[self._chooser.choose(device, {}).releases[TASK]].bundle

    def take(self, report: Report, now_ms: int) -> None:
        """Count REPORT in its arm."""
        arm = self.arms.get(report.release)
        if arm is not None:
            who = (report.release, report.device)
            self._seen[who] = arm.take(report, self._seen.get(who), now_ms // 60_000, self._view)

    def begin(self, now_ms: int) -> None:
        """Release the new bundle to the first stage."""
        self.stand = Stand(0, now_ms)
        self._grow(shares(self.policy, 0, self.fleet))

    def look(self, now_ms: int) -> bool:
        """Do what the gates say; tell whether devices should now run something else."""
        if self.stand is None or self.is_over:
            return False
        step = next_step(self.policy, self.stand, (self.arms[NEW], self.arms[CONTROL]), self.fleet, now_ms)
        self.step, self.stand = step, step.stand
        if step.verdict == "continue":
            now = self.rules.releases[NEW].cohort.millionths
            self._grow(shares(self.policy, step.stand.stage, self.fleet, now))
        elif step.verdict == "stop":
            halted = {**self.rules.releases, NEW: replace(self.rules.releases[NEW], halted=True)}
            self._put(Ruleset(self.rules.version + 1, halted))
        return step.verdict in ("continue", "stop")

    @property
    def is_over(self) -> bool:
        """Tell whether the gates have no more to say."""
        return self.step is not None and self.step.verdict in ("stop", "done")

    def _grow(self, wanted: Shares) -> None:
        releases = {
            **_ALL,
            CONTROL: Release(TASK, OLD_BUNDLE, GRAPH, Cohort("new", wanted.control), priority=1),
            NEW: Release(TASK, NEW_BUNDLE, GRAPH, Cohort("new", min(wanted.treated, MILLION)), priority=2),
        }
        self._put(Ruleset(self.rules.version + 1, releases))

    def _put(self, rules: Ruleset) -> None:
        if rules is not self.rules and (found := surprises(self.rules, rules)):
            raise AssertionError(found[0])
        self.rules = rules
        self._chooser = Chooser(rules)
        self._answers: dict[tuple[tuple[str, str], ...], Answered] = {}

    def _answer(self, choice: tuple[tuple[str, str], ...]) -> Answered:
        releases = {task: (name, self.rules.releases[name]) for task, name in choice}
        tasks = {task: Assigned(name, each.bundle, each.graph_id) for task, (name, each) in releases.items()}
        manifest = AssignmentManifest(self.rules.version, _NEVER_MS, tasks)
        etag = ",".join(name for _, name in choice)
        return Answered(manifest, _NEVER_MS, self.poll_s, etag)
