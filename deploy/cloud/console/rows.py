"""What the pages are made of, read from the database: rows without a judgement."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from sqlalchemy import Select, func, select

from deploy.cloud import audit
from deploy.cloud.database import Database
from deploy.cloud.kept import MINUTE_MS
from deploy.cloud.tables import AUDIT, BUNDLE, COUNTER, RELEASE, RULESET
from deploy.rollout import Ruleset
from deploy.task.manifest import Manifest

MAX_RELEASES: Final = 1_000  # listed on one page
SETTLED: Final = 2  # minutes after which a counter of a minute stands
DRIFT: Final = "drift:%"

Series = dict[str, dict[int, int]]  # by name of a counter and step of a window


@dataclass(frozen=True, slots=True)
class Began:
    """A release that there ever was."""

    id: str
    task: str
    bundle: str
    ruleset: int
    at_ms: int
    halted_ms: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A ruleset with when it came in force, and the name of who made it."""

    rules: Ruleset
    at_ms: int
    by: str


@dataclass(frozen=True, slots=True)
class Window:
    """COUNT steps of WIDTH minutes from the minute BEGIN on."""

    begin: int
    width: int
    count: int

    @property
    def begin_ms(self) -> int:
        """Return when it begins."""
        return self.begin * MINUTE_MS

    @property
    def step_ms(self) -> int:
        """Return the length of a step."""
        return self.width * MINUTE_MS


def releases(database: Database, task: str | None = None) -> list[Began]:
    """Return the last releases, of TASK or of all, the newest first."""
    query = select(RELEASE).order_by(RELEASE.c.at_ms.desc(), RELEASE.c.id).limit(MAX_RELEASES)
    if task is not None:
        query = query.where(RELEASE.c.task == task)
    return [Began(**row) for row in _all(database, query)]


def release(database: Database, name: str) -> Began | None:
    """Return the release NAME, None if there never was one."""
    return next((Began(**row) for row in _all(database, select(RELEASE).where(RELEASE.c.id == name))), None)


def rulesets(database: Database, below: int | None, limit: int) -> list[Kept]:
    """Return the LIMIT last rulesets, of those with a version below BELOW, the newest first."""
    query = select(RULESET).order_by(RULESET.c.version.desc()).limit(limit)
    if below is not None:
        query = query.where(RULESET.c.version < below)
    found = _all(database, query)
    names = _names(database, {row["by"] for row in found})
    return [Kept(Ruleset.from_json(r["content"]), r["at_ms"], names.get(r["by"], r["by"])) for r in found]


def bundles(database: Database, task: str) -> list[tuple[Manifest, int]]:
    """Return the last bundles of TASK and when each came, the newest first."""
    query = select(BUNDLE.c.manifest, BUNDLE.c.at_ms).where(BUNDLE.c.task == task)
    query = query.order_by(BUNDLE.c.at_ms.desc(), BUNDLE.c.id).limit(100)
    return [(Manifest.from_json(row["manifest"]), row["at_ms"]) for row in _all(database, query)]


def deeds(database: Database, what: Collection[str], limit: int = 50) -> list[audit.Entry]:
    """Return what was done last to any of WHAT, the newest first."""
    query = select(AUDIT).where(AUDIT.c.what.in_(what)).order_by(AUDIT.c.id.desc()).limit(limit)
    return [audit.Entry(**row) for row in _all(database, query)]


def series(database: Database, name: str, window: Window) -> Series:
    """Return what was counted of the release NAME in each step of WINDOW, drift left out."""
    step = ((COUNTER.c.minute - window.begin) // window.width).label("step")
    query = select(COUNTER.c.name, step, func.sum(COUNTER.c.value).label("sum"))
    query = query.where(*_within(name, window), COUNTER.c.name.not_like(DRIFT))
    found: Series = {}
    for row in _all(database, query.group_by(COUNTER.c.name, "step")):
        found.setdefault(row["name"], {})[row["step"]] = int(row["sum"])
    return found


def drifts(database: Database, name: str, window: Window) -> dict[str, dict[int, int]]:
    """Return how many values of each feature of the release NAME fell in each bin within WINDOW."""
    query = select(COUNTER.c.name, func.sum(COUNTER.c.value).label("sum"))
    query = query.where(*_within(name, window), COUNTER.c.name.like(DRIFT)).group_by(COUNTER.c.name)
    found: dict[str, dict[int, int]] = {}
    for row in _all(database, query):
        feature, _, place = row["name"].partition(":")[2].rpartition(":")
        found.setdefault(feature, {})[int(place)] = int(row["sum"])
    return found


class Sums:
    """Sums over the whole life of releases; what stands already is not read twice."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._lock = Lock()
        self._kept: dict[str, tuple[int, dict[str, int]]] = {}  # by release: up to a minute

    def of(self, database: Database, name: str, minute: int) -> dict[str, int]:
        """Return the sums of the release NAME up to MINUTE, which is now."""
        with self._lock:
            since, kept = self._kept.get(name, (0, {}))
            standing = max(since, minute - SETTLED)
            kept = _added(kept, self._read(database, name, since, standing))
            if len(self._kept) >= 4 * MAX_RELEASES:
                self._kept.clear()
            self._kept[name] = standing, kept
        return _added(kept, self._read(database, name, standing, minute + 1))

    def _read(self, database: Database, name: str, begin: int, end: int) -> dict[str, int]:
        if begin >= end:
            return {}
        query = select(COUNTER.c.name, func.sum(COUNTER.c.value).label("sum")).group_by(COUNTER.c.name)
        query = query.where(*_within(name, Window(begin, 1, end - begin)), COUNTER.c.name.in_(self._names))
        return {row["name"]: int(row["sum"]) for row in _all(database, query)}


def _added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _within(name: str, window: Window) -> tuple[Any, ...]:
    end = window.begin + window.width * window.count
    return (COUNTER.c.release == name, COUNTER.c.minute >= window.begin, COUNTER.c.minute < end)


def _names(database: Database, ids: Collection[str]) -> dict[str, str]:
    """Return the names of tokens by their IDS, as the audit log has them."""
    query = select(AUDIT.c.by, func.max(AUDIT.c.name).label("name")).where(AUDIT.c.by.in_(ids))
    return {row["by"]: row["name"] for row in _all(database, query.group_by(AUDIT.c.by))}


def _all(database: Database, query: Select[Any]) -> list[Any]:
    with database.reading() as connection:
        return list(connection.execute(query).mappings().all())
