"""What was published and released: bundles, histories and rulesets, each change audited with it.

Two releasers never lose each other's change: a change is a function of the ruleset in force, whose next
version is a key of the table. Who comes second finds the key taken, and the function is asked again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from deploy.cloud import audit
from deploy.cloud.database import Database
from deploy.cloud.roles import Who
from deploy.cloud.rulesets import Edit, rolled_back
from deploy.cloud.tables import BUNDLE, RELEASE, RULESET, VERSION
from deploy.errors import ServiceError
from deploy.rollout import Ruleset
from deploy.task.manifest import Manifest
from deploy.task.version import Version

MAX_TRIES: Final = 20  # of one change, each after another's was first
MAX_LISTED: Final = 1_000

Along = Callable[[Connection, Ruleset], None]


def now_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Registry:
    """The registry in one database; any number of threads and processes may use it at once."""

    def __init__(self, database: Database, clock: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock = clock

    # ------------------------------------------------------------ bundles and versions

    def publish(self, who: Who, manifest: Manifest) -> bool:
        """Keep the bundle of MANIFEST; return whether it is new."""
        row = {"id": manifest.id, "task": manifest.task, "manifest": manifest.to_json()}
        detail = {"task": manifest.task, "bytes": manifest.size}
        return self._add(BUNDLE, who, row, "bundle.publish", detail)

    def commit(self, who: Who, version: Version) -> bool:
        """Keep VERSION as the next one of its task's history; return whether it is new.

        Raises:
            ServiceError: its bundle is not published, or its parent is not what stands last (409).
        """
        if self.find_version(version.id) is not None:
            return False
        manifest = self.manifest(version.bundle)
        if (manifest.task, manifest.graph_id) != (version.task, version.graph_id):
            raise ServiceError(
                f"version {version.id[:12]}: expected its bundle's task and graph, found others; commit again"
            )
        last = self.head(version.task)
        if version.parent != (last and last.id):
            found = last.id[:12] if last else "none"
            raise ServiceError(
                f"version {version.id[:12]}: expected the parent {found}, found another; commit onto it", 409
            )
        row = {
            "id": version.id,
            "task": version.task,
            "place": self.length(version.task) + 1,
            "bundle": version.bundle,
            "content": version.to_json(),
        }
        detail = {"task": version.task, "bundle": version.bundle, "author": version.author}
        return self._add(VERSION, who, row, "version.commit", detail)

    def manifest(self, bundle: str) -> Manifest:
        """Return the manifest of BUNDLE; raise ServiceError (404) if it is not published."""
        found = self.find_manifest(bundle)
        if found is None:
            raise ServiceError(
                f"bundle {bundle[:12]!r}: expected it published, found none; publish it first", 404
            )
        return found

    def find_manifest(self, bundle: str) -> Manifest | None:
        """Return the manifest of BUNDLE, None if it is not published."""
        content = self._one(select(BUNDLE.c.manifest).where(BUNDLE.c.id == bundle))
        return None if content is None else Manifest.from_json(content)

    def find_version(self, version: str) -> Version | None:
        """Return the version of that id, None if there is none."""
        content = self._one(select(VERSION.c.content).where(VERSION.c.id == version))
        return None if content is None else Version.from_json(content)

    def head(self, task: str) -> Version | None:
        """Return the last version of TASK, None if it has none."""
        return next(self.history(task, 1), None)

    def history(self, task: str, limit: int = 100) -> Iterator[Version]:
        """Yield the LIMIT last versions of TASK, the newest first."""
        query = select(VERSION.c.content).where(VERSION.c.task == task).order_by(VERSION.c.place.desc())
        with self._database.reading() as connection:
            rows = connection.execute(query.limit(min(limit, MAX_LISTED))).scalars().all()
        yield from map(Version.from_json, rows)

    def length(self, task: str) -> int:
        """Return how many versions TASK has."""
        return int(self._one(select(func.max(VERSION.c.place)).where(VERSION.c.task == task)) or 0)

    def tasks(self) -> list[str]:
        """Return the names of the tasks that have a bundle, sorted."""
        query = select(BUNDLE.c.task).distinct().order_by(BUNDLE.c.task).limit(MAX_LISTED)
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())

    # ------------------------------------------------------------ rulesets

    def ruleset(self, version: int | None = None) -> Ruleset:
        """Return the ruleset in force, or that of VERSION; raise ServiceError (404) if there is none."""
        with self._database.reading() as connection:
            return _ruleset(connection, version)

    def version(self) -> int:
        """Return the version of the ruleset in force."""
        return int(self._one(select(func.max(RULESET.c.version))) or 0)

    def change(
        self,
        who: Who,
        action: str,
        what: str,
        edit: Edit,
        expected: int | None = None,
        *,
        restores: bool = False,
        detail: Mapping[str, Any] | None = None,
        along: Along | None = None,
    ) -> Ruleset:
        """Let what EDIT makes of the ruleset in force be the next one, and return it.

        Args:
            who: by whom it is done.
            action: what is done, for the audit log.
            what: to which release or task.
            edit: a function of `rulesets`; it may be asked again, when another change came first.
            expected: the version that WHO saw; refused (412) when another is in force. None: any.
            restores: whether a release that ended may come back.
            detail: more for the audit log.
            along: what else is kept in the same transaction, also where EDIT changes nothing.

        Raises:
            RulesetError: it would move devices that nobody meant to move.
            ServiceError: a release of a bundle that is not published, an id that meant something else.
        """
        for _ in range(MAX_TRIES):
            try:
                with self._database.writing() as connection:
                    old = _in_force(connection, expected)
                    new = edit(old)
                    at_ms = self._clock()
                    if new is not old:
                        _follow(connection, old, new, who, at_ms, restores=restores)
                    if new is not old or along is not None:
                        told = {**(detail or {}), "ruleset": new.version}
                        audit.write(connection, who, at_ms, action, what, **told)
                    if along is not None:
                        along(connection, new)
                    return new
            except IntegrityError:
                continue  # another took the next version
        raise ServiceError("ruleset: expected a moment without other changes, found none; try again", 503)

    def roll_back(self, who: Who, to: int, expected: int) -> Ruleset:
        """Let the ruleset TO be in force again, as a new version; what was halted since stays halted."""
        old = self.ruleset(to)
        query = select(RELEASE.c.id).where(
            RELEASE.c.halted_ms.is_not(None), RELEASE.c.id.in_(list(old.releases))
        )
        with self._database.reading() as connection:
            stopped = frozenset(connection.execute(query).scalars())
        # Who halts one meanwhile makes another version, which is not the expected one.
        edit = partial(rolled_back, old=old, stopped=stopped)
        return self.change(who, "ruleset.rollback", str(to), edit, expected, restores=True)

    def bundle_of(self, release: str) -> str:
        """Return the bundle of RELEASE, which there was."""
        return str(self._one(select(RELEASE.c.bundle).where(RELEASE.c.id == release)))

    def note(self, who: Who, action: str, what: str, **detail: Any) -> None:
        """Keep in the audit log what WHO could not do, or what changed no rule."""
        with self._database.writing() as connection:
            audit.write(connection, who, self._clock(), action, what, **detail)

    def releases(self) -> dict[str, str]:
        """Return the task of each release that there ever was."""
        with self._database.reading() as connection:
            return {row.id: row.task for row in connection.execute(select(RELEASE.c.id, RELEASE.c.task))}

    def audited(self, before: int | None = None, limit: int = 100) -> list[audit.Entry]:
        """Return what was done last, the newest first."""
        with self._database.reading() as connection:
            return audit.read(connection, before, limit)

    # ------------------------------------------------------------ rows

    def _add(self, table: Any, who: Who, row: dict[str, Any], action: str, detail: dict[str, Any]) -> bool:
        """Keep ROW, unless its id is there already; the same id means the same content."""
        at_ms = self._clock()
        try:
            with self._database.writing() as connection:
                if connection.execute(select(table.c.id).where(table.c.id == row["id"])).first():
                    return False
                connection.execute(insert(table), {**row, "at_ms": at_ms, "by": who.id})
                audit.write(connection, who, at_ms, action, row["id"], **detail)
        except IntegrityError as error:
            raise ServiceError(
                f"{action}: expected to be alone, found another doing so; try again", 409
            ) from error
        return True

    def _one(self, query: Any) -> Any:
        with self._database.reading() as connection:
            return connection.execute(query).scalar()


def _ruleset(connection: Connection, version: int | None) -> Ruleset:
    query = select(RULESET.c.content).order_by(RULESET.c.version.desc()).limit(1)
    if version is not None:
        query = query.where(RULESET.c.version == version)
    content = connection.execute(query).scalar()
    if content is None:
        raise ServiceError(f"ruleset: expected version {version}, found none; see the audit log", 404)
    return Ruleset.from_json(content)


def _in_force(connection: Connection, expected: int | None) -> Ruleset:
    found = _ruleset(connection, None)
    if expected is not None and found.version != expected:
        raise ServiceError(
            f"ruleset: expected version {expected} in force, found {found.version}; look at it first",
            412,
        )
    return found


def _follow(
    connection: Connection, old: Ruleset, new: Ruleset, who: Who, at_ms: int, *, restores: bool
) -> None:
    """Keep NEW as what follows OLD: which releases began, and which were halted."""
    row = {"version": new.version, "content": new.to_json(), "at_ms": at_ms, "by": who.id}
    connection.execute(insert(RULESET), row)
    for name, release in sorted(new.releases.items()):
        if name not in old.releases:
            _begin(connection, name, new, at_ms, restores=restores)
        if release.halted and not (name in old.releases and old.releases[name].halted):
            halted = update(RELEASE).where(RELEASE.c.id == name).values(halted_ms=at_ms)
            connection.execute(halted)


def _begin(connection: Connection, name: str, rules: Ruleset, at_ms: int, *, restores: bool) -> None:
    """Keep that NAME began in RULES."""
    if connection.execute(select(RELEASE.c.id).where(RELEASE.c.id == name)).first():
        if not restores:
            raise ServiceError(
                f"release {name!r}: expected a new id, found one that ended; choose another", 409
            )
        return
    release = rules.releases[name]
    content = connection.execute(select(BUNDLE.c.manifest).where(BUNDLE.c.id == release.bundle)).scalar()
    manifest = None if content is None else Manifest.from_json(content)
    if manifest is None or (manifest.task, manifest.graph_id) != (release.task, release.graph_id):
        raise ServiceError(
            f"release {name!r}: expected a published bundle of its task and graph, found none; publish it",
            409,
        )
    row = {
        "id": name,
        "task": release.task,
        "bundle": release.bundle,
        "ruleset": rules.version,
        "at_ms": at_ms,
    }
    connection.execute(insert(RELEASE), row)
