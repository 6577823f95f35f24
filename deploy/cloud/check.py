"""The check as bare ASGI, before any router: headers in, ready bytes out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Final

from deploy.cloud.answers import Answers
from deploy.cloud.rates import Rate
from deploy.cloud.roles import Who, bearer, hashed
from deploy.errors import RulesetError, ServiceError
from deploy.profile import Profile, read_profile
from deploy.rollout import MAX_RELEASES
from deploy.wire.check import DEVICE, GRAPHS, MAX_PROFILE, PROFILE

Message = MutableMapping[str, Any]
Answered = tuple[int, list[tuple[bytes, bytes]], bytes]  # status, headers, body
Send = Callable[[Message], Awaitable[None]]

MAX_DEVICE: Final = 256
_DEVICE, _PROFILE, _GRAPHS = DEVICE.encode(), PROFILE.encode(), GRAPHS.encode()
_MAX_GRAPHS: Final = 65 * MAX_RELEASES
_JSON: Final = (b"content-type", b"application/json")
_AGAIN: Final = (b"cache-control", b"private, no-cache")


class Checks:
    """Whoever answers checks: the answers in force, the tokens that are valid, and what was counted."""

    def __init__(self, rate: Rate) -> None:
        self.answers: Answers | None = None
        self.tokens: Mapping[str, Who] = {}
        self.counts: dict[int, int] = {}  # answers by their status
        self._rate = rate

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
        who = self.tokens.get(hashed(bearer(headers.get(b"authorization", b"")) or b""))
        if who is None or not who.may("check"):
            raise ServiceError("check: expected a device's token, found none that is valid; ask for one", 401)
        if (wait_s := self._rate.take()) > 0:
            raise ServiceError("check: expected fewer checks, found too many; ask later", 429, wait_s)
        if self.answers is None:
            raise ServiceError("check: expected rules to answer by, found none yet; ask later", 503, 5)
        told = headers.get(_GRAPHS)
        graphs = None if told is None else graphs_of(told)
        profile = profile_of(headers.get(_PROFILE, b"{}"))
        ready = self.answers.answer(device_of(headers.get(_DEVICE, b"")), profile, graphs)
        if headers.get(b"if-none-match") == ready.etag:
            return 304, [(b"etag", ready.etag), _AGAIN], b""
        length = (b"content-length", b"%d" % len(ready.body))
        return 200, [_JSON, (b"etag", ready.etag), _AGAIN, length], ready.body


def refusal(error: ServiceError) -> Answered:
    """Return ERROR as status, headers and body."""
    body = json.dumps({"error": str(error)}).encode()
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    if error.retry_s:
        headers.append((b"retry-after", b"%d" % max(1, round(error.retry_s + 0.5))))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return error.status, headers, body


def device_of(header: bytes) -> str:
    """Return the device that HEADER names."""
    try:
        device = header.decode()
    except UnicodeDecodeError:
        device = ""
    if not 0 < len(device) <= MAX_DEVICE:
        raise ServiceError(f"{DEVICE}: expected an id of 1 to {MAX_DEVICE} signs, found another; send it")
    return device


@lru_cache(4_096)  # a fleet has few profiles
def profile_of(header: bytes) -> Profile:
    """Return the facts in HEADER."""
    if len(header) > MAX_PROFILE:
        raise ServiceError(
            f"{PROFILE}: expected at most {MAX_PROFILE} bytes, found {len(header)}; tell less", 431
        )
    try:
        return read_profile(json.loads(header))
    except (ValueError, RecursionError) as error:
        said = (
            str(error)
            if isinstance(error, RulesetError)
            else "expected one line of JSON, found none; correct it"
        )
        raise ServiceError(f"{PROFILE}: {said}") from error


@lru_cache(256)
def graphs_of(header: bytes) -> frozenset[str]:
    """Return the ids of graphs in HEADER."""
    if len(header) > _MAX_GRAPHS:
        raise ServiceError(
            f"{GRAPHS}: expected at most {MAX_RELEASES} ids, found more; tell those in use", 431
        )
    return frozenset(header.decode("latin-1").split(","))
