"""The check as bare ASGI, before any router: headers in, ready bytes out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from deploy.cloud.answers import Answers
from deploy.cloud.facts import device_of
from deploy.cloud.rates import Rate
from deploy.cloud.roles import Who, bearer, hashed
from deploy.errors import ServiceError
from deploy.wire.check import DEVICE, GRAPHS, PROFILE

Message = MutableMapping[str, Any]
Answered = tuple[int, list[tuple[bytes, bytes]], bytes]  # status, headers, body
Send = Callable[[Message], Awaitable[None]]

_DEVICE, _PROFILE, _GRAPHS = DEVICE.encode(), PROFILE.encode(), GRAPHS.encode()
_JSON: Final = (b"content-type", b"application/json")
_AGAIN: Final = (b"cache-control", b"private, no-cache")


class Checks:
    """Whoever answers checks: the answers in force, the tokens that are valid, and what was counted."""

    def __init__(self, rate: Rate) -> None:
        self.answers: Answers | None = None
        self.tokens = {}
        self.counts: dict[int, int] = {}  # answers by their status
        self._rate = rate

    @property
    def tokens(self) -> Mapping[str, Who]:
        """Return the tokens that are valid, by the hash of their secret."""
        return self._tokens

    @tokens.setter
    def tokens(self, tokens: Mapping[str, Who]) -> None:
        self._tokens = tokens
        self._let_in: dict[
            bytes, Who
        ] = {}  # by the header that they came with: one per token and way to write it

    async def __call__(self, scope: Mapping[str, Any], send: Send) -> None:
        """Answer one check."""
        status, headers, body = self.answer(dict(scope["headers"]))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def answer(self, headers: Mapping[bytes, bytes]) -> Answered:
        """Return the answer to a check with HEADERS."""
        try:
            answered = self._answer(headers)
        except ServiceError as error:
            answered = refusal(error)
        self.counts[answered[0]] = self.counts.get(answered[0], 0) + 1
        return answered

    def _answer(self, headers: Mapping[bytes, bytes]) -> Answered:
        header = headers.get(b"authorization", b"")
        who = self._let_in.get(header) or self._find(header)
        if who is None or not who.may("check"):
            raise ServiceError("check: expected a device's token, found none that is valid; ask for one", 401)
        if (wait_s := self._rate.take()) > 0:
            raise ServiceError("check: expected fewer checks, found too many; ask later", 429, wait_s)
        if self.answers is None:
            raise ServiceError("check: expected rules to answer by, found none yet; ask later", 503, 5)
        device = device_of(headers.get(_DEVICE, b""))
        ready = self.answers.answer(device, headers.get(_PROFILE, b"{}"), headers.get(_GRAPHS))
        if headers.get(b"if-none-match") == ready.etag:
            return 304, [(b"etag", ready.etag), _AGAIN], b""
        length = (b"content-length", b"%d" % len(ready.body))
        return 200, [_JSON, (b"etag", ready.etag), _AGAIN, length], ready.body

    def _find(self, header: bytes) -> Who | None:
        """Return whose token HEADER has; one that is valid is known by the header from then on."""
        secret = bearer(header)
        who = self._tokens.get(hashed(secret)) if secret else None
        if who is not None:
            self._let_in[header] = who
        return who


def refusal(error: ServiceError) -> Answered:
    """Return ERROR as status, headers and body."""
    body = json.dumps({"error": str(error)}).encode()
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    if error.retry_s:
        headers.append((b"retry-after", b"%d" % max(1, round(error.retry_s + 0.5))))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return error.status, headers, body
