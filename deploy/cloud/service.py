"""The parts of a running service, and what keeps them in step with the database.

Another process may change rules and tokens: what this one answers by is read again every `WATCH_S`, and at
once after a change of its own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from deploy.cloud import days, kept, tokens
from deploy.cloud.answers import Answers, Sign
from deploy.cloud.check import Checks
from deploy.cloud.database import Database
from deploy.cloud.deltas import Deltas
from deploy.cloud.gates import Gates
from deploy.cloud.hints import Listeners
from deploy.cloud.intake import Intake
from deploy.cloud.led import Led
from deploy.cloud.looks import Decided
from deploy.cloud.rates import Rate, Rates
from deploy.cloud.registry import Registry, now_ms
from deploy.cloud.rehearsed import Rehearse, Rehearsed
from deploy.cloud.settings import Settings, database_url
from deploy.cloud.signer import SIGN_S, Signer
from deploy.cloud.staged import Overtaken
from deploy.cloud.uploads import Uploads
from deploy.errors import DeployError, ServiceError
from deploy.task.manifest import Manifest
from deploy.wire.report import Report

WATCH_S: Final = 1.0
SWEEP_S: Final = 600.0
_GUESSES_PER_S: Final = 50  # wrong tokens, of all callers together

T = TypeVar("T")
_LOG = logging.getLogger("headrace.service")


class Service:
    """One service over one folder."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        sign: Sign,
        clock: Callable[[], int] = now_ms,
        rehearse: Rehearse | None = None,
    ) -> None:
        self.folder, self.settings, self._sign, self.clock = folder, settings, sign, clock
        self.database = Database(database_url(folder, settings))
        demand_current(self.database)
        self.registry = Registry(self.database, clock)
        self.gates = Gates(self.database, self.registry)
        self.uploads = Uploads(folder, settings.most_file)
        self.led = Led(self.gates, self.registry, self.uploads)
        self.signer = Signer(folder, clock)
        self.deltas = Deltas(folder, self.database, self.registry, self.uploads)
        self.is_behind = True  # there may be differences to make
        self.checks = Checks(Rate(settings.checks_per_s, max(1, settings.checks_per_s)))
        self.rates = Rates(settings.calls_per_s, max(1, 4 * settings.calls_per_s))
        self.guesses = Rate(_GUESSES_PER_S, _GUESSES_PER_S)
        self.listeners = Listeners(settings.most_listening, settings.jitter_s)
        self.calls: dict[tuple[str, int], int] = {}  # by route and status
        self.known: frozenset[str] = (
            frozenset()
        )  # releases that ever were: what is told of others is not kept
        self._over = asyncio.Event()
        self._rehearse, self._rehearsing = rehearse, threading.Lock()
        self.verdicts: dict[str, int] = {}  # of looks by this process
        self._names: kept.Names = {}
        self.intake = Intake(self._keep, settings.most_waiting)
        self.refresh()

    def refresh(self) -> None:
        """Read again what is answered by."""
        self.checks.tokens = tokens.valid(self.database)
        answers, version = self.checks.answers, self.registry.version()
        if answers is None or answers.ruleset.version != version or self.clock() >= answers.next_ms:
            rules = self.registry.ruleset()
            self.known = frozenset(self.registry.releases())
            settings = self.settings
            self.checks.answers = Answers(rules, self._sign, settings.poll_s, settings.valid_s, self.clock())
        self.led.follow()  # after what is known: no report of a release that is led is counted without

    def rehearse(self, manifest: Manifest, recording: str) -> Rehearsed:
        """Return what became of the bundle of MANIFEST on RECORDING; one at a time.

        Raises:
            ServiceError: it failed (422), this service has nothing to run it with, or it runs another (503).
        """
        if self._rehearse is None:
            raise ServiceError("rehearsal: expected a service that runs bundles, found none; leave it out")
        if not self._rehearsing.acquire(blocking=False):
            raise ServiceError("rehearsal: expected to be alone, found another; ask later", 503, 30)
        try:
            return self._rehearse(self.folder, manifest, recording)
        finally:
            self._rehearsing.release()

    def counted(self, route: str, status: int) -> None:
        """Count one call of ROUTE that was answered with STATUS."""
        self.calls[route, status] = self.calls.get((route, status), 0) + 1

    async def do(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Return what FUNCTION, which may wait for the disk, returns in a thread."""
        return await asyncio.to_thread(partial(function, *args, **kwargs))

    async def changed(self) -> None:
        """Answer by what has just been changed, and tell those who listen."""
        await self.do(self.refresh)
        if self.checks.answers is not None:
            self.listeners.tell(self.checks.answers.ruleset.version)

    async def look(self) -> list[Decided]:
        """Let each gate look that has not for `look_s`; return what came of it."""
        now_ms, found = self.clock(), []
        for gate in self.led.gates:
            if abs(now_ms - gate.looked_ms) >= 1_000 * self.settings.look_s:  # also where a clock went back
                try:
                    found.append(await self.do(self.gates.look, gate, now_ms, self.led.trained))
                except Overtaken:  # by another process, or by a person: it looks again
                    continue
                except (DeployError, OSError):  # the others look all the same
                    _LOG.exception(
                        "expected the gate of %s to look, found otherwise; trying again", gate.release
                    )
        for each in found:
            self.verdicts[each.look.verdict] = self.verdicts.get(each.look.verdict, 0) + 1
        if found:
            await self.changed()
        return found

    async def lead(self) -> None:
        """Let gates look, until the end."""
        while not await self._is_over():
            try:
                await self.look()
            except (DeployError, OSError):
                _LOG.exception("expected gates to look, found otherwise; trying again")

    async def watch(self) -> None:
        """Follow changes of other processes, and let go of what is old, until the end."""
        sweeping = 0.0
        while not await self._is_over():
            sweeping += WATCH_S
            try:
                await self.changed()
                if sweeping >= SWEEP_S:
                    sweeping = 0.0
                    await self.do(self.uploads.sweep, now_ms() / 1_000)
                    await self.do(kept.sweep, self.database, self.clock())
                    await self.do(days.fold, self.database, self.clock())
                    await self.do(self.gates.sweep, self.clock())
            except (ServiceError, OSError):  # it answers by what it knew, and tries again
                _LOG.exception("expected the database to answer, found otherwise; trying again")

    async def sign(self) -> None:
        """Sign what is due of the trust repository, at once and then again and again, until the end."""
        while not self._over.is_set():
            try:
                done = await self.do(self.signer.refresh)
                for line in done.lines if done else ():
                    _LOG.info("signed %s", line)
            except (DeployError, OSError):
                _LOG.exception("expected to sign what is due, found otherwise; trying again")
            await self._is_over(SIGN_S)

    async def differ(self) -> None:
        """Make the differences between bundles, one after another, until the end."""
        while not await self._is_over():
            if not self.is_behind:
                continue
            self.is_behind = False
            try:
                for old, new in await self.do(self.deltas.due):
                    await self.do(self.deltas.make, old, new)
            except (DeployError, OSError, MemoryError):
                _LOG.exception("expected to make differences, found otherwise; devices fetch whole files")

    def end(self) -> None:
        """Let what runs beside requests come to its end: what threads do is finished, not cut."""
        self.deltas.is_stopping = True
        self._over.set()

    async def _is_over(self, within_s: float = WATCH_S) -> bool:
        """Wait for a while; tell whether the end has come."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), within_s)
        return self._over.is_set()

    def close(self) -> None:
        """Keep what was offered, and let go of the database."""
        self.listeners.close()
        self.intake.close()
        self.database.close()

    def _keep(self, reports: Sequence[Report]) -> kept.Outcome:
        if any(report.release not in self.known for report in reports):
            self.known = frozenset(self.registry.releases())  # another process may have made one just now
            self.led.follow()
        return kept.keep(self.database, reports, self.known, self.clock(), self.led.views, self._names)


def demand_current(database: Database) -> None:
    """Raise ServiceError unless DATABASE has the form that is known here."""
    if not database.is_current():
        raise ServiceError(
            "database: expected one of this version, found another; run: headrace service init"
        )
