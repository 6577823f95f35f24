"""What devices ask: the check, and a line for hints."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from deploy.cloud.http.call import Call
from deploy.cloud.http.route import Route
from deploy.wire.check import CHECK, HINTS, RULESET, Answer


async def check(call: Call) -> Response:
    """Answer a check; the application answers most before they come here."""
    status, headers, body = call.service.checks.answer(dict(call.request.scope["headers"]))
    response = Response(body, status)
    response.raw_headers = headers
    return response


async def listen(call: Call) -> Response:
    """Hold a line for hints."""
    lines = call.service.listeners.listen(call.header_number(RULESET) or 0)
    first = await anext(lines, b"")  # refused here, where too many listen already

    async def stream() -> AsyncIterator[bytes]:
        try:
            yield first
            async for event in lines:
                yield event
        finally:
            await lines.aclose()

    return StreamingResponse(stream(), headers={"cache-control": "no-store"}, media_type="text/event-stream")


ROUTES = (
    Route("GET", CHECK, "check", check, "Ask what to run.", gives=Answer, refuses=(304, 503)),
    Route("GET", HINTS, "check", listen, "Listen for hints.", gives=str, refuses=(503,)),
)
