"""Releases: the list, and one with its gate and its charts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from deploy.cloud import kept
from deploy.cloud.console import pages, rows
from deploy.cloud.console.chart.series import Chart
from deploy.cloud.console.page import Page
from deploy.cloud.console.rows import Began, Window
from deploy.cloud.console.views import cohort, deeds
from deploy.cloud.console.views.charts import release_charts, steps_of
from deploy.cloud.console.views.drift import Moved, moved
from deploy.cloud.console.views.gate import coverage, led, turns
from deploy.cloud.console.views.table import release_row
from deploy.cloud.console.visit import Visit
from deploy.cloud.console.windows import SPANS, every_s, window
from deploy.cloud.kept import MINUTE_MS
from deploy.cloud.looks import Gate, Look
from deploy.cloud.staged import CONTROL
from deploy.errors import ServiceError
from deploy.rollout import ReleaseId
from deploy.wire.report import Report

LOOKS: Final = 1_000  # of a gate that are read at once
MOST_PAGES: Final = 10
FAILURES: Final = 10
AFTER: Final = 60  # minutes that are shown after a halt
LOOKED_AT: Final = 200  # reports that were kept, in which failures are looked for


@dataclass(frozen=True, slots=True)
class Shown:
    """What is read for one page."""

    visit: Visit
    began: Began
    gate: Gate | None
    control: str | None
    over: Window
    now: int  # minute

    def sums(self, name: str | None) -> dict[str, int]:
        """Return what was counted of NAME over its life."""
        return {} if name is None else self.visit.sums.of(self.visit.service.database, name, self.now)


async def list_releases(visit: Visit) -> Response:
    """Show all releases that there ever were."""
    _, found = await visit.service.do(pages.release_rows, visit)
    return visit.page("releases.html", {"rows": found})


async def show_release(visit: Visit) -> Response:
    """Show a release: how it stands, whom it is for, its charts, what failed, what was done to it."""
    name, do, database = visit.call.word("release", ReleaseId), visit.service.do, visit.service.database
    began = await do(rows.release, database, name)
    if began is None:
        raise ServiceError(f"release {name:.80}: expected one that there was, found none; see the list", 404)
    halted = began.halted_ms // MINUTE_MS + AFTER if began.halted_ms else visit.now_ms
    now = min(visit.now_ms // MINUTE_MS, halted)
    span, over = window(now, visit.query("span"), began.at_ms // MINUTE_MS)
    gate = await do(_gate, visit, name)
    control = name + CONTROL if name + CONTROL in visit.service.known else None
    shown = Shown(visit, began, gate, control, over, now)
    rules = await do(visit.service.registry.ruleset)
    release = rules.releases.get(name)
    values: dict[str, Any] = {
        "name": name,
        "release": release,
        "row": release_row(began, rules, await do(shown.sums, name), gate),
        "led": None if gate is None else led(gate, visit.now_ms),
        "charts": await do(_charts, shown),
        "drifts": await do(_drifts, shown),
        "began": began,
        "whom": cohort.told(release.cohort) if release else [],
        "failures": await do(_failures, visit, name),
        "deeds": deeds.deeds(await do(rows.deeds, database, (name,))),
        "span": span,
        "spans": tuple(SPANS),
        "every_s": every_s(span),
    }
    return visit.page("release_live.html" if visit.is_part else "release.html", values)


def _failures(visit: Visit, name: str) -> list[Report]:
    """Return the last reports of NAME that tell of an error."""
    return [each for each in kept.last(visit.service.database, name, LOOKED_AT) if each.error][:FAILURES]


def _gate(visit: Visit, name: str) -> Gate | None:
    try:
        return visit.service.gates.find(name)
    except ServiceError:  # nobody leads it
        return None


def _looks(shown: Shown) -> list[Look]:
    """Return what its gate saw within the window, the newest first."""
    found: list[Look] = []
    before: int | None = None
    for _ in range(MOST_PAGES if shown.gate else 0):
        some = shown.visit.service.gates.looks(shown.began.id, before, LOOKS)
        found += some
        if len(some) < LOOKS or some[-1].at_ms < shown.over.begin_ms:
            break
        before = some[-1].at_ms
    return found


def _charts(shown: Shown) -> list[Chart]:
    service, over, gate = shown.visit.service, shown.over, shown.gate
    treated = rows.series(service.database, shown.began.id, over)
    control = None if shown.control is None else rows.series(service.database, shown.control, over)
    looks = _looks(shown)
    before = [
        max(0, shown.sums(name).get("state:active", 0) - sum((series or {}).get("state:active", {}).values()))
        for name, series in ((shown.began.id, treated), (shown.control, control))
    ]
    return release_charts(
        over,
        shown.now,
        treated,
        control,
        (before[0], before[1]),
        turns(looks),
        None if gate is None else gate.policy.latency_us,
        None if gate is None else coverage(looks, gate.fleet, over, steps_of(over, shown.now)),
    )


def _drifts(shown: Shown) -> list[Moved]:
    if shown.control is None:
        return []
    database = shown.visit.service.database
    treated, beside = (rows.drifts(database, each, shown.over) for each in (shown.began.id, shown.control))
    return moved(treated, beside)


PAGES = (
    Page("GET", "/releases", "view", list_releases),
    Page("GET", "/releases/{release}", "view", show_release),
)
