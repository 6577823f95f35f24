"""What one ruleset changes of another, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.cloud.console import words
from deploy.rollout import Release, Ruleset


def told(old: Ruleset | None, new: Ruleset) -> list[str]:
    """Return what happens when NEW takes OLD's place, a line each; None: NEW is the first one."""
    return list(_lines(old or Ruleset(1), new)) or ["nothing" if old else "no release yet"]


def _lines(old: Ruleset, new: Ruleset) -> Iterator[str]:
    for name in sorted({*old.releases, *new.releases}):
        before, after = old.releases.get(name), new.releases.get(name)
        if before is None and after is not None:
            state = "halted" if after.halted else f"on {words.share(after.cohort.millionths)}"
            yield f"{name} begins, {state}"
        elif after is None:
            yield f"{name} ends"
        elif before is not None:
            yield from (f"{name}: {what}" for what in _changes(before, after))
    yield from (f"task {task} is halted" for task in sorted(new.halted_tasks - old.halted_tasks))
    yield from (f"task {task} is resumed" for task in sorted(old.halted_tasks - new.halted_tasks))


def _changes(before: Release, after: Release) -> Iterator[str]:
    if before.halted != after.halted:
        yield "halted" if after.halted else "no longer halted"
    if before.cohort.millionths != after.cohort.millionths:
        yield f"{words.share(before.cohort.millionths)} → {words.share(after.cohort.millionths)}"
    if before.priority != after.priority:
        yield f"priority {before.priority} → {after.priority}"
    for what, size in (("allowed", "allow"), ("denied", "deny")):
        if getattr(before.cohort, size) != getattr(after.cohort, size):
            yield f"other devices are {what} by name"
    if before.cohort.where != after.cohort.where:
        yield "other conditions"
    if (before.bundle, before.task, before.graph_id) != (after.bundle, after.task, after.graph_id):
        yield "another bundle"
