"""Releases and tasks as rows of a table. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from deploy.cloud.console.rows import Began
from deploy.cloud.console.views.gate import gate_mark
from deploy.cloud.console.views.mark import Mark, release_mark, task_mark
from deploy.cloud.looks import Gate
from deploy.cloud.staged import CONTROL
from deploy.rollout import Ruleset
from deploy.task.version import Version

NAMES = ("state:active", "state:failed", "state:rolled_back", "runs", "failures", "crashes")
Sums = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One release."""

    name: str
    task: str
    bundle: str
    mark: Mark
    millionths: int | None  # None: it is not in force
    since_ms: int
    exposed: int  # devices that a gate counts; without one, how often a device began to run it
    failing: float | None  # of 1,000 runs
    broken: int  # devices that could not install it, or took it back


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task."""

    name: str
    mark: Mark
    versions: int
    head: Version | None
    releases: int  # in force


def failing(sums: Sums) -> float | None:
    """Return how many of 1,000 runs failed or ended without a word, None without runs."""
    runs = sums.get("runs", 0)
    return 1_000 * (sums.get("failures", 0) + sums.get("crashes", 0)) / runs if runs else None


def release_row(began: Began, rules: Ruleset, sums: Sums, gate: Gate | None = None) -> ReleaseRow:
    """Return a release as a row; SUMS are its counters of `NAMES`, GATE leads it."""
    mark = None if gate is None else gate_mark(gate)
    look = None if gate is None else gate.look
    release = rules.releases.get(began.id)
    return ReleaseRow(
        name=began.id,
        task=began.task,
        bundle=began.bundle,
        mark=mark or release_mark(began.id, rules, halted=began.halted_ms is not None),
        millionths=None if release is None else release.cohort.millionths,
        since_ms=began.at_ms,
        exposed=look.devices if look is not None and look.devices else sums.get("state:active", 0),
        failing=failing(sums),
        broken=sums.get("state:failed", 0) + sums.get("state:rolled_back", 0),
    )


def in_force(rows: Iterable[ReleaseRow]) -> list[ReleaseRow]:
    """Return those of ROWS that the rules name, what needs a look first, control arms beside theirs."""
    order = {"bad": 0, "wait": 1, "live": 2, "good": 3, "off": 4}
    found = [row for row in rows if row.millionths is not None]
    tones = {row.name: order[row.mark.tone] for row in found}

    def place(row: ReleaseRow) -> tuple[int, int, str]:
        base = row.name.removesuffix(CONTROL)
        return tones.get(base, tones[row.name]), -row.since_ms, row.name

    return sorted(found, key=place)


def task_rows(
    tasks: Iterable[str], rules: Ruleset, head: Callable[[str], tuple[int, Version | None]]
) -> Iterator[TaskRow]:
    """Yield TASKS as rows; HEAD gives how many versions one has, and the last."""
    for task in tasks:
        length, version = head(task)
        running = sum(each.task == task and not each.halted for each in rules.releases.values())
        yield TaskRow(task, task_mark(task, rules), length, version, running)
