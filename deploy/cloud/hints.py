"""Hints that something changed: on a line held open (server-sent events), or on an app's own answers.

A hint carries a version and over how many seconds to spread, never data: whoever gets one asks by a check,
which is how it is decided and signed. A lost or forged hint costs one check.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import Any, Final

from deploy.errors import ServiceError
from deploy.wire.check import HINT, RULESET

BEAT_S: Final = 20.0  # a line without a word for longer is taken for dead by what stands between

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Listeners:
    """Devices that hold a line."""

    def __init__(self, most: int, jitter_s: int) -> None:
        self._most, self._jitter_s = most, jitter_s
        self._version = 0
        self._lines: set[asyncio.Event] = set()
        self._closed = False

    @property
    def count(self) -> int:
        """Return how many listen."""
        return len(self._lines)

    def tell(self, version: int) -> None:
        """Let those who listen know that VERSION is in force."""
        if version != self._version:
            self._version = version
            self._wake()

    def close(self) -> None:
        """End all lines."""
        self._closed = True
        self._wake()

    async def listen(self, known: int) -> AsyncGenerator[bytes]:
        """Yield the events for a device that knows the ruleset KNOWN, until the service ends."""
        if len(self._lines) >= self._most:
            raise ServiceError("hints: expected a free line, found none; poll", 503, self._jitter_s or 1)
        word = asyncio.Event()
        self._lines.add(word)
        try:
            while not self._closed:
                if self._version > known:
                    known = self._version
                    yield b'event: hint\ndata: {"ruleset":%d,"jitter_s":%d}\n\n' % (known, self._jitter_s)
                word.clear()
                try:
                    await asyncio.wait_for(word.wait(), BEAT_S)
                except TimeoutError:
                    yield b":\n\n"
        finally:
            self._lines.discard(word)

    def _wake(self) -> None:
        for word in self._lines:
            word.set()


class HintedApp:
    """Any ASGI application, whose answers tell devices when their ruleset is old (push, then pull).

    A device adds `X-Headrace-Ruleset: N`, the ruleset of its last answer, to what it asks the app anyway;
    where a newer one is in force the answer has `X-Headrace-Hint: N;jitter=S`. Else nothing is added, and
    nothing is ever read of the request but that header.
    """

    def __init__(self, app: App, version: Callable[[], int], jitter_s: int = 60) -> None:
        self._app, self._version, self._jitter_s = app, version, jitter_s

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass one connection on to the app."""
        known = _known(scope) if scope["type"] == "http" else None
        version = self._version() if known is not None else 0
        if known is None or known >= version:
            await self._app(scope, receive, send)
            return
        hint = (HINT.encode(), b"%d;jitter=%d" % (version, self._jitter_s))

        async def hinting(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), hint]}
            await send(message)

        await self._app(scope, receive, hinting)


def _known(scope: Message) -> int | None:
    for name, value in scope["headers"]:
        if name == RULESET.encode():
            return int(value) if value.isdigit() and len(value) < 17 else None
    return None
