"""The console as routes: each with who may see it, and one way through which every request goes.

1. Who it is: the cookie's session, or nobody's. Nobody is sent to the log-in.
2. Whether they may: as the API says it, by the role of the token.
3. A form: of this site, of this session, or refused.
4. What is refused is a page of one line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route as Path_

from deploy.cloud.console import deeds, entry, pages, releases, tasks
from deploy.cloud.console.assets import assets
from deploy.cloud.console.page import Page
from deploy.cloud.console.render import BASE, HEADERS
from deploy.cloud.console.rows import Sums
from deploy.cloud.console.secret import session_key
from deploy.cloud.console.session import sealed
from deploy.cloud.console.views.table import NAMES
from deploy.cloud.console.visit import COOKIE, Visit, demand_may, demand_own, give_cookie, read_form, visitor
from deploy.cloud.http.call import Call
from deploy.cloud.service import Service
from deploy.errors import DeployError, ServiceError

PAGES: Final[Sequence[Page]] = (*entry.PAGES, *pages.PAGES, *tasks.PAGES, *releases.PAGES, *deeds.PAGES)
FOR_EVER: Final = {
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
}


def routes(folder: Path, running: Callable[[], Service | None]) -> list[Path_]:
    """Return the routes of the console of the service in FOLDER; RUNNING gives it, None before it began."""
    sums = Sums(NAMES)

    def endpoint(page: Page) -> Callable[[Request], Awaitable[Response]]:
        return _endpoint(page, folder, running, sums)

    return [
        Path_(BASE + "/static/{hash}/{name}", _static, methods=["GET"]),
        Path_("/", _to_console, methods=["GET"]),
        *(Path_(BASE + p.path, endpoint(p), methods=[p.method]) for p in PAGES),
        Path_(BASE + "/{rest:path}", endpoint(_NOWHERE), methods=["GET"]),
    ]


async def _nowhere(visit: Visit) -> Response:
    raise ServiceError("page: expected one of the console, found none; see the menu", 404)


_NOWHERE: Final = Page("GET", "/{rest:path}", "view", _nowhere)


def _endpoint(
    page: Page, folder: Path, running: Callable[[], Service | None], sums: Sums
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        service = running()
        if service is None:
            return Response("the service has not begun yet; load the page again", 503, HEADERS)
        key, at_ms = await service.do(session_key, folder), service.clock()
        current, who = visitor(service, request, key, at_ms)
        visit = Visit(Call(service, request, who), current, key, at_ms, sums, {})
        try:
            response = await _answer(page, visit)
        except DeployError as error:
            found = error if isinstance(error, ServiceError) else ServiceError(str(error))
            response = visit.page("refused.html", {"error": str(found)}, found.status)
            if found.retry_s:
                response.headers["retry-after"] = str(max(1, round(found.retry_s + 0.5)))
        if COOKIE not in request.cookies or not who.id:
            _remember(response, request, visit)
        service.counted("console." + page.answer.__name__.lstrip("_"), response.status_code)
        return response

    return endpoint


async def _answer(page: Page, visit: Visit) -> Response:
    request, who = visit.call.request, visit.who
    if page.action is not None:
        if not who.id:
            return _to_entry(visit)
        demand_may(visit.service, who, page.action)
    if page.method == "POST":
        form = await read_form(visit.call)
        demand_own(request, visit.session, visit.key, form)
        visit = replace(visit, form=form)
    return await page.answer(visit)


def _to_entry(visit: Visit) -> Response:
    """Send nobody to the log-in, and back afterwards if they only wanted to look."""
    request = visit.call.request
    back = request.url.path if request.method == "GET" and not visit.is_part else BASE
    where = f"{BASE}/login?next={quote(back)}"
    if visit.is_part:  # a part of a page can not become the log-in: the whole page goes there
        return Response(status_code=401, headers={**HEADERS, "hx-redirect": where})
    return RedirectResponse(where, 303, HEADERS)


def _remember(response: Response, request: Request, visit: Visit) -> None:
    """Give nobody a session, whose forms have a word; whoever is logged in has one."""
    if COOKIE + "=" not in response.headers.get("set-cookie", ""):
        give_cookie(response, request, sealed(visit.session, visit.key, visit.service.checks.tokens))


async def _to_console(_request: Request) -> Response:
    return RedirectResponse(BASE, 303, HEADERS)


async def _static(request: Request) -> Response:
    found = assets().get(request.path_params["name"])
    if found is None or not found.path.startswith(f"/static/{request.path_params['hash']}/"):
        return Response("no such file", 404, HEADERS)
    return Response(found.content, 200, FOR_EVER, found.type)
