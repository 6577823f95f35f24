"""One request: who asks, and what they sent, within bounds of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from deploy.cloud.roles import Action, Who, bearer, hashed
from deploy.cloud.service import Service
from deploy.errors import DeployError, ServiceError
from featuregraph.shown import bounded

BODY_S: Final = 20.0  # without a byte of a body; a body in drops is bounded by LEAST_RATE
LEAST_RATE: Final = 1_024  # bytes a second, after BODY_S

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in."""

    service: Service
    request: Request
    who: Who

    def word(self, name: str, kind: type[T]) -> T:
        """Return the part NAME of the path as KIND; raise ServiceError (404) if it is none."""
        try:
            return msgspec.convert(self.request.path_params[name], kind, strict=False)
        except (msgspec.ValidationError, UnicodeError) as error:
            raise ServiceError(
                bounded(f"{name}: expected its form, found: {error}; correct the path"), 404
            ) from error

    def number(self, name: str, default: int, most: int) -> int:
        """Return the number NAME of the query, DEFAULT without one."""
        text = self.request.query_params.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= most):
            raise ServiceError(
                f"{name}: expected a whole number up to {most}, found {text!r:.40}; correct it"
            )
        return int(text)

    def header_number(self, name: str) -> int | None:
        """Return the number in the header NAME, quoted or not, None without one."""
        text = self.request.headers.get(name)
        if text is None:
            return None
        plain = text.strip('"')
        if not (plain.isascii() and plain.isdigit() and len(plain) <= 16):
            raise ServiceError(f"{name}: expected a whole number, found {text!r:.40}; correct it")
        return int(plain)

    def seen(self) -> int:
        """Return the ruleset's version that the caller decided by; raise ServiceError (428) without one."""
        version = self.header_number("if-match")
        if version is None:
            raise ServiceError(
                "if-match: expected the version of the ruleset that you saw, found none; send it", 428
            )
        return version

    async def body(self, most: int) -> bytes:
        """Return the body, if it has at most MOST bytes."""
        content = bytearray()
        async for chunk in self.chunks(most):
            content += chunk
        return bytes(content)

    async def chunks(self, most: int) -> AsyncIterator[bytes]:
        """Yield the body; raise ServiceError above MOST bytes (413) or where it stands still (408)."""
        if (self.header_number("content-length") or 0) > most:
            raise ServiceError(f"body: expected at most {most} bytes, found more; send less", 413)
        clock, came = asyncio.get_running_loop().time, 0
        began = clock()
        stream = self.request.stream()
        try:
            while True:
                async with asyncio.timeout(BODY_S):
                    chunk = await anext(stream, b"")
                if not chunk:
                    return
                came += len(chunk)
                if came > most:
                    raise ServiceError(f"body: expected at most {most} bytes, found more; send less", 413)
                if came < (clock() - began - BODY_S) * LEAST_RATE:
                    raise TimeoutError
                yield chunk
        except TimeoutError as error:
            raise ServiceError(
                "body: expected it to come, found it standing still; send it again", 408
            ) from error
        except ClientDisconnect as error:
            raise ServiceError("body: expected all of it, found the line cut; send the rest", 400) from error

    async def form(self, kind: type[T], most: int) -> T:
        """Return the JSON body as KIND; any order and spaces will do."""
        content = await self.body(most)
        try:
            return msgspec.json.decode(content, type=kind)
        except DeployError:
            raise
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise ServiceError(bounded(f"body: expected its JSON, found: {error}; correct it")) from error


def admit(service: Service, request: Request, action: Action) -> Who:
    """Return who asks, if they may do ACTION and do not ask too often; raise ServiceError if not."""
    secret = bearer(request.headers.get("authorization", "").encode("latin-1"))
    who = service.checks.tokens.get(hashed(secret)) if secret else None
    if who is None:
        if (wait_s := service.guesses.take()) > 0:
            raise ServiceError("token: expected fewer wrong ones, found too many; ask later", 429, wait_s)
        raise ServiceError("token: expected one that is valid, found none; ask for one", 401)
    if not who.may(action):
        raise ServiceError(
            f"token: expected one that may {action}, found a {who.role}'s; ask for another", 403
        )
    if action != "report" and (wait_s := service.rates.take(who.id)) > 0:
        raise ServiceError("calls: expected fewer, found too many; ask later", 429, wait_s)
    return who


def gives(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return VALUE as an answer in JSON."""
    content = msgspec.json.encode(value, order="sorted")
    return Response(content, status, headers, media_type="application/json")
