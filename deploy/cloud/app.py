"""The service as an ASGI application: the check first, then the table of routes."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path_

from deploy.cloud.answers import Sign
from deploy.cloud.check import refusal
from deploy.cloud.console import site
from deploy.cloud.database import Database
from deploy.cloud.http import blobs, device, gates, health, releases, tasks, told
from deploy.cloud.http.call import Call, admit, gives
from deploy.cloud.http.openapi import document
from deploy.cloud.http.route import Problem, Route
from deploy.cloud.registry import now_ms
from deploy.cloud.rehearsed import Rehearse
from deploy.cloud.roles import Who
from deploy.cloud.service import Service, demand_current
from deploy.cloud.settings import Settings, database_url
from deploy.errors import DeployError, ServiceError
from deploy.wire.check import CHECK

OPENAPI: Final = "/v1/openapi.json"
NOBODY: Final = Who("", "", "viewer")
ROUTES: Final = (
    *device.ROUTES,
    *told.ROUTES,
    *blobs.ROUTES,
    *tasks.ROUTES,
    *releases.ROUTES,
    *gates.ROUTES,
    *health.ROUTES,
)

_LOG = logging.getLogger("headrace.service")


class Application:
    """The ASGI application of the service of one folder; it opens the database when its server starts it."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        sign: Sign,
        clock: Callable[[], int] = now_ms,
        rehearse: Rehearse | None = None,
    ) -> None:
        self.service: Service | None = None
        self._make = lambda: Service(folder, settings, sign, clock, rehearse)
        self._database = database_url(folder, settings)
        self._routed = Starlette(
            routes=[
                *(Path_(r.path, self._endpoint(r), methods=[r.method]) for r in (*ROUTES, _openapi())),
                *site.routes(folder, lambda: self.service),
            ],
            lifespan=lambda _app: self.lifespan(),
            exception_handlers={HTTPException: _not_routed, Exception: _at_fault},
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a check at once; let the table of routes find the rest."""
        if (
            self.service is not None
            and scope["type"] == "http"
            and scope["path"] == CHECK
            and scope["method"] == "GET"
        ):
            await self.service.checks(scope, send)
        else:
            await self._routed(scope, receive, send)

    def prove(self) -> None:
        """Raise ServiceError unless the database answers and has the form that is known here."""
        database = Database(self._database)
        try:
            demand_current(database)
        finally:
            database.close()

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Run the service while the block runs; what it accepted is kept at the end."""
        self.service = service = await asyncio.to_thread(self._make)
        work = (service.watch(), service.lead(), service.sign(), service.differ())
        tasks = [asyncio.create_task(each) for each in work]
        try:
            yield
        finally:
            service.end()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(service.close)
            self.service = None

    def _endpoint(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            service = self.service
            if service is None:
                return _refused(
                    ServiceError("service: expected it to have begun, found it stopped; ask later", 503, 5)
                )
            try:
                who = admit(service, request, route.action) if route.action else NOBODY
                response = await route.answer(Call(service, request, who))
            except DeployError as error:
                response = _refused(error if isinstance(error, ServiceError) else ServiceError(str(error)))
            response.headers["x-content-type-options"] = "nosniff"
            service.counted(route.answer.__name__, response.status_code)
            return response

        return endpoint


def application(
    folder: Path,
    settings: Settings,
    sign: Sign,
    clock: Callable[[], int] = now_ms,
    rehearse: Rehearse | None = None,
) -> Application:
    """Return the service of FOLDER as an ASGI application.

    Args:
        folder: with the database, made by `headrace service init`.
        settings: what whoever runs it decides.
        sign: signs what devices are told to run.
        clock: milliseconds since 1970, of all that the service keeps and of its gates.
        rehearse: runs a bundle on recorded events, as `deploy.simulate.rehearsal` does; None: nothing does.
    """
    return Application(folder, settings, sign, clock, rehearse)


def _openapi() -> Route:
    described = document(ROUTES, importlib.metadata.version("headrace"))

    async def openapi(call: Call) -> Response:
        return gives(described)

    return Route("GET", OPENAPI, None, openapi, "Read this document.")


def _refused(error: ServiceError) -> Response:
    status, headers, body = refusal(error)
    response = Response(body, status)
    response.raw_headers = headers
    return response


async def _not_routed(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return gives(
        Problem(f"path: expected one of {OPENAPI} and its methods, found another; correct it"),
        status,
        headers,
    )


async def _at_fault(_request: Request, error: Exception) -> Response:
    _LOG.error("fault while answering", exc_info=error)
    return gives(Problem("service: expected to answer, found a fault of its own; see its log"), 500)
