"""Whether the service lives, is ready, and what it counts; and what it can be asked."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import Response

from deploy.cloud.http.call import Call, gives
from deploy.cloud.http.route import Route
from deploy.cloud.metrics import exposition
from deploy.errors import ServiceError


class Well(Struct, frozen=True):
    """The version of the ruleset that is answered by."""

    ruleset: int


async def lives(call: Call) -> Response:
    """Say that the process answers."""
    return _well(call)


async def is_ready(call: Call) -> Response:
    """Say that the database answers too and that reports find room."""
    await call.service.do(call.service.registry.version)
    if 2 * call.service.intake.waiting > call.service.settings.most_waiting:
        raise ServiceError(
            "reports: expected room for more, found half of it taken; send devices elsewhere", 503, 5
        )
    return _well(call)


async def metrics(call: Call) -> Response:
    """Give what is counted, for Prometheus."""
    return Response(exposition(call.service), media_type="text/plain; version=0.0.4")


def _well(call: Call) -> Response:
    answers = call.service.checks.answers
    return gives(Well(0 if answers is None else answers.ruleset.version))


ROUTES = (
    Route("GET", "/healthz", None, lives, "Say that the process answers.", gives=Well),
    Route("GET", "/readyz", None, is_ready, "Say that it is ready for requests.", gives=Well, refuses=(503,)),
    Route("GET", "/metrics", "view", metrics, "Read what is counted, for Prometheus.", gives=str),
)
