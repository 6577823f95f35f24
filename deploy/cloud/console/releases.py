"""Releases: the list, and one with its charts."""

from __future__ import annotations

from starlette.responses import Response

from deploy.cloud import kept
from deploy.cloud.console import pages, rows
from deploy.cloud.console.page import Page
from deploy.cloud.console.rows import Began, Series, Window
from deploy.cloud.console.views import cohort, deeds
from deploy.cloud.console.views.charts import release_charts
from deploy.cloud.console.views.drift import moved
from deploy.cloud.console.views.mark import CONTROL
from deploy.cloud.console.views.table import release_row
from deploy.cloud.console.visit import Visit
from deploy.cloud.console.windows import SPANS, every_s, window
from deploy.cloud.kept import MINUTE_MS
from deploy.errors import ServiceError
from deploy.rollout import ReleaseId


async def list_releases(visit: Visit) -> Response:
    """Show all releases that there ever were."""
    _, found = await visit.service.do(pages.release_rows, visit)
    return visit.page("releases.html", rows=found)


async def show_release(visit: Visit) -> Response:
    """Show a release: how it stands, whom it is for, its charts, what failed, what was done to it."""
    name, do, database = visit.call.word("release", ReleaseId), visit.service.do, visit.service.database
    began = await do(rows.release, database, name)
    if began is None:
        raise ServiceError(f"release {name:.80}: expected one that there was, found none; see the list", 404)
    rules = await do(visit.service.registry.ruleset)
    now = visit.now_ms // MINUTE_MS
    span, over = window(now, visit.query("span"), began.at_ms // MINUTE_MS)
    sums = await do(visit.sums.of, database, name, now)
    values = {
        "name": name,
        "release": rules.releases.get(name),
        "row": release_row(began, rules, sums),
        "charts": await do(_charts, visit, began, over, sums),
        "drifts": await do(_drifts, visit, name, over),
        "span": span,
        "spans": tuple(SPANS),
        "every_s": every_s(span),
    }
    if visit.is_part:
        return visit.page("release_live.html", **values)
    failures = [each for each in await do(kept.last, database, name, 200) if each.error][:10]
    done = deeds.deeds(await do(rows.deeds, database, (name,)))
    release = rules.releases.get(name)
    whom = cohort.told(release.cohort) if release else []
    return visit.page("release.html", began=began, whom=whom, failures=failures, deeds=done, **values)


def _charts(visit: Visit, began: Began, over: Window, sums: dict[str, int]) -> list[object]:
    database, now = visit.service.database, visit.now_ms // MINUTE_MS
    control = _control(visit, began.id)
    series = [rows.series(database, name, over) for name in (began.id, control) if name]
    totals = [sums, visit.sums.of(database, control, now) if control else {}]
    before = [
        max(0, total.get("state:active", 0) - sum(each.get("state:active", {}).values()))
        for total, each in zip(totals, [*series, {}], strict=False)
    ]
    treated: Series = series[0]
    beside = series[1] if control else None
    return [*release_charts(over, now, treated, beside, (before[0], before[1]))]


def _drifts(visit: Visit, name: str, over: Window) -> object:
    control = _control(visit, name)
    if control is None:
        return []
    treated, beside = (rows.drifts(visit.service.database, each, over) for each in (name, control))
    return moved(treated, beside)


def _control(visit: Visit, name: str) -> str | None:
    """Return the release that is NAME's control arm, None if there never was one."""
    return name + CONTROL if name + CONTROL in visit.service.known else None


PAGES = (
    Page("GET", "/releases", "view", list_releases),
    Page("GET", "/releases/{release}", "view", show_release),
)
