"""What a new ruleset may change of the one before without moving a device that nobody meant to move. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.rollout import Release, Ruleset

KEPT = ("task", "bundle", "graph_id", "priority")  # for the life of a release


def surprises(old: Ruleset, new: Ruleset) -> list[str]:
    """Return what NEW does to OLD's releases besides growing, halting and ending them, a line each."""
    return list(_surprises(old, new))


def _surprises(old: Ruleset, new: Ruleset) -> Iterator[str]:
    if new.version <= old.version:
        yield f"ruleset: expected a version above {old.version}, found {new.version}; count it up"
    for name in sorted(set(old.releases) & set(new.releases)):
        for text in _moved(old.releases[name], new.releases[name]):
            yield f"release {name!r}: {text}"


def _moved(old: Release, new: Release) -> Iterator[str]:
    for what in KEPT:
        if getattr(old, what) != getattr(new, what):
            yield f"expected the {what} that it began with, found another; make a new release"
    was, now = old.cohort, new.cohort
    if was.salt != now.salt:
        yield "expected the salt that it began with, found another, which draws all devices anew; restore it"
    if was.where != now.where:
        yield "expected the conditions that it began with, found others; make a new release"
    if now.millionths < was.millionths:
        yield f"expected a share of {was.millionths} millionths or more, found {now.millionths}; halt it"
    if left := sorted(was.allow - now.allow - now.deny):
        yield f"expected its allow list to grow, found no {left[0]!r:.80}; put the device on the deny list"
    if freed := sorted(was.deny - now.deny):
        yield f"expected its deny list to grow, found no {freed[0]!r:.80}; make a new release"
    if old.halted and not new.halted:
        yield "expected a halted release to stay so, found it in force; make a new release"
