"""Group commit: reports that came while one transaction was synced go into the next, together.

1. A batch is offered; where the queue is full it is refused at once (429), and nothing waits without a bound.
2. One thread takes all that waits, keeps it in one transaction, and tells each who offered.
3. Whoever offered is answered after that, and not before: what is accepted is on the disk.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from deploy.cloud.kept import Outcome
from deploy.errors import DeployError, ServiceError
from deploy.wire.report import Report

MAX_WAITING: Final = 50_000  # reports
MAX_TOGETHER: Final = 10_000  # reports of one transaction
RETRY_S: Final = 2.0

Keep = Callable[[Sequence[Report]], Outcome]


class _Offer(NamedTuple):
    reports: Sequence[Report]
    told: asyncio.Future[None]


class Intake:
    """The queue before the database, and the thread that empties it."""

    def __init__(self, keep: Keep, most: int = MAX_WAITING) -> None:
        self._keep, self._most = keep, most
        self._offers: deque[_Offer] = deque()
        self._change = threading.Condition()
        self._closing = False
        self.waiting = 0  # reports, those that are being kept included
        self.counts = dict.fromkeys(("new", "repeated", "unknown", "refused", "failed", "commits"), 0)
        self._thread = threading.Thread(target=self._run, name="headrace-intake", daemon=True)
        self._thread.start()

    async def offer(self, reports: Sequence[Report]) -> None:
        """Return when REPORTS are kept.

        Raises:
            ServiceError: too many wait already (429), or they could not be kept (503); send them again.
        """
        offer = _Offer(reports, asyncio.get_running_loop().create_future())
        with self._change:
            if self._closing or self.waiting + len(reports) > self._most:
                self.counts["refused"] += len(reports)
                status = 503 if self._closing else 429
                raise ServiceError(
                    "reports: expected room to keep them, found none; send them later", status, RETRY_S
                )
            self._offers.append(offer)
            self.waiting += len(reports)
            self._change.notify()
        await offer.told

    def close(self) -> None:
        """Keep what waits, take nothing more, and end the thread."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join()

    def _run(self) -> None:
        while offers := self._next():
            reports = [report for offer in offers for report in offer.reports]
            error: ServiceError | None = None
            try:
                outcome = self._keep(reports)
            except Exception as refused:  # noqa: BLE001 - whatever it was, those who wait are told and the next are kept
                said = str(refused) if isinstance(refused, DeployError) else type(refused).__name__
                error = ServiceError(
                    f"reports: expected to keep them, found: {said}; send them later", 503, RETRY_S
                )
                outcome = Outcome(0, 0, 0)
            self._settle(offers, outcome, len(reports), error)

    def _next(self) -> list[_Offer]:
        """Wait for offers and return them; none when the intake closes."""
        taken: list[_Offer] = []
        with self._change:
            self._change.wait_for(lambda: self._offers or self._closing)
            count = 0
            while self._offers and (not taken or count + len(self._offers[0].reports) <= MAX_TOGETHER):
                count += len(self._offers[0].reports)
                taken.append(self._offers.popleft())
        return taken

    def _settle(self, offers: list[_Offer], outcome: Outcome, count: int, error: ServiceError | None) -> None:
        with self._change:
            self.waiting -= count
            self.counts["commits"] += 1
            self.counts["failed"] += count if error else 0
            for name, value in outcome._asdict().items():
                self.counts[name] += value
        loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for offer in offers:
            loops.setdefault(offer.told.get_loop(), []).append(offer.told)
        for loop, futures in loops.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_tell, futures, error)


def _tell(futures: list[asyncio.Future[None]], error: ServiceError | None) -> None:
    for future in futures:
        if future.done():  # whoever offered has gone; what they offered is kept all the same
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
