"""uvicorn's protocol with two bounds that it lacks: how large a request's head is, and how long it takes."""

from __future__ import annotations

import asyncio
from asyncio import Transport
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD: Final = 32 << 10  # bytes; a list of graphs in a check is the longest that is meant
HEAD_S: Final = 10.0


class Guarded(HttpToolsProtocol):
    """One connection: cut where a head grows or stands still."""

    def __init__(self, *args: Any, head_s: float = HEAD_S, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_s = head_s
        self._in_head = True  # a connection that says nothing is one whose head does not come
        self._head = 0
        self._due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._due = self.loop.call_later(self._head_s, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._settled()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is a head without end."""
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if not self._in_head:
            return
        if self._head > MAX_HEAD:
            self.transport.close()
        elif self._due is None:
            self._due = self.loop.call_later(self._head_s, self.transport.close)

    def on_message_begin(self) -> None:
        """Know that a head begins."""
        super().on_message_begin()
        self._in_head, self._head = True, 0

    def on_headers_complete(self) -> None:
        """Know that a head is there."""
        self._in_head = False
        if self._due is not None:
            self._settled()
        super().on_headers_complete()

    def _settled(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
