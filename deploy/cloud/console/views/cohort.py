"""Whom a release is for, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deploy.cloud.console import words
from deploy.cohort import Cohort, Condition

_OPS: Final = {
    "in": "is",
    "not_in": "is not",
    "has": "has",
    "at_least": "at least",
    "below": "below",
    "version_at_least": "at least version",
    "version_below": "below version",
}


def told(cohort: Cohort) -> list[str]:
    """Return COHORT as lines: its share, its conditions, its lists."""
    return list(_lines(cohort))


def _lines(cohort: Cohort) -> Iterator[str]:
    whom = "devices that fit" if cohort.where else "all devices"
    yield f"{words.share(cohort.millionths)} of {whom}"
    yield from map(_condition, cohort.where)
    if cohort.allow:
        yield f"{words.count(len(cohort.allow))} allowed by name"
    if cohort.deny:
        yield f"{words.count(len(cohort.deny))} denied by name"


def _condition(condition: Condition) -> str:
    values = [str(value).lower() if isinstance(value, bool) else str(value) for value in condition.values]
    shown = " or ".join(values[:8]) + (f" or {len(values) - 8} more" if len(values) > 8 else "")
    return f"{condition.fact} {_OPS[condition.op]} {shown}"
