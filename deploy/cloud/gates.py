"""Releases that gates lead, in the database: begun, looked at, paused and resumed, each in one transaction.

1. All that a gate knows is a row; a process that starts goes on where another stopped.
2. A row counts up with each change. Who decides by an older one changes nothing, not even the rules: two
   processes that look at once act once.
3. What is done to the rules is done by `Registry.change`, with the reading that led to it in the audit log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, delete, func, insert, select, tuple_

from deploy import canonical
from deploy.cloud import arms, audit, staged
from deploy.cloud.database import Database
from deploy.cloud.gaterows import gate_of, keep_look, move, row_of
from deploy.cloud.looks import Decided, Gate, Look, decide
from deploy.cloud.registry import Registry
from deploy.cloud.rehearsed import Rehearsed
from deploy.cloud.roles import Who
from deploy.cloud.staged import BASE, NONE, Overtaken, Wanted
from deploy.cloud.tables import GATE, LOOK, RELEASE
from deploy.cohort import Cohort
from deploy.errors import ServiceError
from deploy.gate.reading import Bins
from deploy.gate.stage import Stand
from deploy.gate.view import View
from deploy.rollout import Release, Ruleset

ITSELF: Final = Who("gate", "the gates", "releaser")  # in the audit log
MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
KEPT_DAYS: Final = 90  # of looks
MAX_LISTED: Final = 1_000
MAX_FORGOTTEN: Final = 200  # transactions of one sweep


class Gates:
    """The gates in one database; any number of threads and processes may use it at once."""

    def __init__(self, database: Database, registry: Registry) -> None:
        self._database, self._registry = database, registry

    def begin(
        self,
        who: Who,
        name: str,
        wanted: Wanted,
        seen: int,
        fleet: int,
        now_ms: int,
        rehearsed: Rehearsed | None = None,
    ) -> Ruleset:
        """Let WHO's release NAME begin in the first stage.

        Args:
            who: for the audit log.
            name: a new id.
            wanted: what it is, and its policy.
            seen: the ruleset that WHO decided by.
            fleet: how many devices there are, where WANTED does not tell.
            now_ms: when.
            rehearsed: what became of it on recorded events, for the audit log.

        Raises:
            ServiceError: nobody told the fleet's size, the first stage has all of it, the id was used, the
                control arm has no one bundle.
        """
        fleet = wanted.fleet or fleet
        first = staged.first_shares(name, wanted.policy, fleet)
        control = staged.control_of(name)
        beside = self._beside(wanted.control)
        edit = partial(staged.begun, name=name, release=wanted.release, beside=beside, first=first)
        stand = Stand(0, now_ms)

        def along(connection: Connection, rules: Ruleset) -> None:
            arm = control if control in rules.releases else None
            one = wanted.release
            gate = Gate(name, one.task, one.bundle, arm, wanted.policy, fleet, now_ms, stand)
            connection.execute(insert(GATE), {**row_of(gate), "began_ms": now_ms})

        detail = {"rehearsed": rehearsed, "policy": canonical.digest(wanted.policy.to_json()), "fleet": fleet}
        return self._registry.change(who, "gate.begin", name, edit, seen, detail=detail, along=along)

    def look(self, gate: Gate, now_ms: int, trained: Mapping[str, Bins]) -> Decided:
        """Look at GATE's arms, with what TRAINED tells of each, and do what follows.

        Raises:
            Overtaken: another did meanwhile.
        """
        rules = self._registry.ruleset()
        with self._database.reading() as connection:
            seen = views([gate], trained)
            treated = arms.read(connection, gate.release, seen[gate.release])
            beside = gate.control
            control = None if beside is None else arms.read(connection, beside, seen[beside])
        found = decide(gate, rules, (treated, control), trained.get(gate.release, {}), now_ms)
        self._keep(gate, found)
        return found

    def pause(self, who: Who, name: str, now_ms: int) -> Gate:
        """Let NAME stay in its stage until somebody resumes it; its tests go on, and may stop it."""
        gate = self._running(name)
        return self._set(who, gate, "release.pause", replace(gate.stand, paused=True), now_ms)

    def resume(self, who: Who, name: str, now_ms: int) -> Gate:
        """Let NAME go on from the begin of its stage; the tests that paused it do so no more."""
        gate = self._running(name)
        fired = [each.test for each in (gate.look.readings if gate.look else ()) if each.fires]
        waived = tuple(sorted({*gate.stand.waived, *fired}))
        stand = Stand(gate.stand.stage, now_ms, waived=waived)
        return self._set(who, gate, "release.resume", stand, now_ms)

    def find(self, name: str) -> Gate:
        """Return the gate of the release NAME; raise ServiceError (404) if none leads it."""
        found = next(self._read(GATE.c.release == name), None)
        if found is None:
            raise ServiceError(
                f"release {name!r:.80}: expected gates to lead it, found none; release it by a policy", 404
            )
        return found

    def running(self) -> list[Gate]:
        """Return the gates that lead something."""
        return list(self._read(GATE.c.state == "running"))

    def all(self) -> list[Gate]:
        """Return the gates that there ever were, the last to begin first."""
        return list(self._read())

    def looks(self, name: str, before: int | None = None, limit: int = 100) -> list[Look]:
        """Return the LIMIT last looks of NAME that were kept, of those before BEFORE, the newest first."""
        query = select(LOOK.c.content).where(LOOK.c.release == name).order_by(LOOK.c.at_ms.desc())
        if before is not None:
            query = query.where(LOOK.c.at_ms < before)
        with self._database.reading() as connection:
            rows = connection.execute(query.limit(max(1, min(limit, MAX_LISTED)))).scalars()
            return [msgspec.json.decode(content, type=Look) for content in rows]

    def sweep(self, now_ms: int) -> None:
        """Add up what is settled, let go of devices that nobody looks at, and thin out old looks."""
        over = [each for gate in self._read(GATE.c.state != "running") for each in gate.arms]
        for gate in self.running():
            for release in gate.arms:
                with self._database.writing() as connection:
                    arms.settle(connection, release, now_ms // MINUTE_MS, gate.policy.watch)
        self._forget(over)
        with self._database.writing() as connection:
            first = select(LOOK.c.release, func.min(LOOK.c.at_ms))
            first = first.group_by(LOOK.c.release, LOOK.c.at_ms // (15 * MINUTE_MS))
            others = tuple_(LOOK.c.release, LOOK.c.at_ms).not_in(first)
            yesterday = (LOOK.c.at_ms < now_ms - DAY_MS, LOOK.c.verdict == "wait")
            connection.execute(delete(LOOK).where(*yesterday, others))
            connection.execute(delete(LOOK).where(LOOK.c.at_ms < now_ms - KEPT_DAYS * DAY_MS))

    # ------------------------------------------------------------ rows

    def _forget(self, releases: list[str]) -> None:
        for _ in range(MAX_FORGOTTEN):
            with self._database.writing() as connection:
                if not arms.forget(connection, releases):
                    return

    def _beside(self, control: str) -> Release | str:
        if control in (BASE, NONE):
            return control
        manifest = self._registry.manifest(control)
        return Release(manifest.task, control, manifest.graph_id, Cohort(""))

    def _running(self, name: str) -> Gate:
        gate = self.find(name)
        if gate.state != "running":
            raise ServiceError(
                f"release {name!r:.80}: expected it under way, found it {gate.state}; make a new release", 409
            )
        return gate

    def _keep(self, gate: Gate, found: Decided) -> None:
        def along(connection: Connection, _rules: Ruleset | None = None) -> None:
            move(connection, gate, found.gate)
            if found.action or _is_news(gate.look, found.look):
                keep_look(connection, gate.release, found.look)

        if not found.action:
            with self._database.writing() as connection:
                along(connection)
            return
        look = found.look
        fired = [each for each in look.readings if each.fires]
        detail = {"verdict": look.verdict, "stage": look.stage, "why": look.why, "readings": fired}
        edit = found.edit or _unchanged
        self._registry.change(ITSELF, found.action, gate.release, edit, detail=detail, along=along)

    def _set(self, who: Who, gate: Gate, action: str, stand: Stand, now_ms: int) -> Gate:
        after = replace(gate, stand=stand, serial=gate.serial + 1)
        try:
            with self._database.writing() as connection:
                move(connection, gate, after)
                told = {"stage": stand.stage, "waived": stand.waived}
                audit.write(connection, who, now_ms, action, gate.release, **told)
        except Overtaken as error:
            raise ServiceError(
                f"release {gate.release!r}: expected its gates at rest, found them at work; try again", 409
            ) from error
        return after

    def _read(self, *where: Any) -> Iterator[Gate]:
        query = select(GATE, RELEASE.c.bundle).join(RELEASE, RELEASE.c.id == GATE.c.release).where(*where)
        query = query.order_by(GATE.c.began_ms.desc(), GATE.c.release).limit(MAX_LISTED)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        yield from map(gate_of, rows)


def views(gates: Iterable[Gate], trained: Mapping[str, Bins]) -> dict[str, View]:
    """Return what GATES want to know, by the releases that they count; TRAINED likewise."""
    return {arm: gate.policy.view(dict(trained.get(arm, {}))) for gate in gates for arm in gate.arms}


def _unchanged(rules: Ruleset) -> Ruleset:
    return rules


def _is_news(last: Look | None, look: Look) -> bool:
    """Tell whether LOOK says anything that the one before did not."""
    return last is None or (last.verdict, last.why, last.readings) != (look.verdict, look.why, look.readings)
