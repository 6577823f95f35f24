"""How things stand, as a word and a tone: never told by colour alone. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

from deploy.bucket import MILLION
from deploy.cloud.console import words
from deploy.cloud.staged import CONTROL
from deploy.rollout import Ruleset

Tone = Literal["good", "live", "wait", "bad", "off"]


class Mark(NamedTuple):
    """How something stands."""

    word: str
    tone: Tone


def release_mark(name: str, rules: Ruleset, *, halted: bool) -> Mark:
    """Return how the release NAME stands under RULES; HALTED: it was halted once."""
    release = rules.releases.get(name)
    if release is None:
        return Mark("halted, then ended", "bad") if halted else Mark("ended", "off")
    if release.halted:
        return Mark("halted", "bad")
    if release.task in rules.halted_tasks:
        return Mark("task halted", "bad")
    if name.endswith(CONTROL):
        return Mark("control arm", "off")
    if release.cohort.millionths == MILLION:
        return Mark("on all", "good")
    return Mark(f"on {words.share(release.cohort.millionths)}", "live")


def task_mark(task: str, rules: Ruleset) -> Mark:
    """Return how TASK stands under RULES."""
    if task in rules.halted_tasks:
        return Mark("halted", "bad")
    if any(each.task == task and not each.halted for each in rules.releases.values()):
        return Mark("released", "good")
    return Mark("not released", "off")
