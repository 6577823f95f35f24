"""What devices tell, what it adds up to, and who did what."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from starlette.responses import Response

from deploy.cloud import audit, kept
from deploy.cloud.counters import Totals
from deploy.cloud.http.call import Call, gives
from deploy.cloud.http.route import Route
from deploy.errors import ServiceError
from deploy.rollout import ReleaseId
from deploy.wire.check import REPORTS
from deploy.wire.report import MAX_BODY, Report, Reports

MOST_MINUTES: Final = 60 * 24 * 400
MAX_ID: Final = 1 << 53


class Kept(Struct, frozen=True):
    """How many reports are kept now."""

    kept: int


class Log(Struct, frozen=True):
    """Deeds, the newest first."""

    entries: list[audit.Entry]


class Told(Struct, frozen=True):
    """Reports, the newest first."""

    reports: list[Report]


async def take_reports(call: Call) -> Response:
    """Take a batch of reports; answered when they are kept."""
    batch = await call.form(Reports, MAX_BODY)  # no hash names it: any order of its words will do
    await call.service.intake.offer(batch.reports)
    return gives(Kept(len(batch.reports)), 202)


async def read_counters(call: Call) -> Response:
    """Give what was counted of a release in the last minutes."""
    release = _known(call)
    minutes = call.number("minutes", MOST_MINUTES, MOST_MINUTES)
    oldest = call.service.clock() // kept.MINUTE_MS - minutes
    return gives(await call.service.do(kept.since, call.service.database, release, oldest))


async def read_reports(call: Call) -> Response:
    """Give the last reports of a release that were kept: failures, and a sample of the others."""
    release, limit = _known(call), call.number("limit", 100, 1_000)
    return gives(Told(await call.service.do(kept.last, call.service.database, release, limit)))


async def read_audit(call: Call) -> Response:
    """Give what was done last."""
    before, limit = call.number("before", MAX_ID, MAX_ID), call.number("limit", 100, audit.MAX_ENTRIES)
    return gives(Log(await call.service.do(call.service.registry.audited, before, limit)))


def _known(call: Call) -> str:
    release = call.word("release", ReleaseId)
    if release not in call.service.known:
        raise ServiceError(
            f"release {release!r}: expected one that there was, found none; see the ruleset", 404
        )
    return release


ROUTES = (
    Route("POST", REPORTS, "report", take_reports, "Report.", Reports, Kept, status=202, refuses=(413,)),
    Route(
        "GET",
        "/v1/releases/{release}/counters",
        "view",
        read_counters,
        "Read what was counted of a release.",
        gives=Totals,
        refuses=(404,),
        query=("minutes",),
    ),
    Route(
        "GET",
        "/v1/releases/{release}/reports",
        "view",
        read_reports,
        "Read the last reports of a release.",
        gives=Told,
        refuses=(404,),
        query=("limit",),
    ),
    Route("GET", "/v1/audit", "view", read_audit, "Read who did what.", gives=Log, query=("before", "limit")),
)
