"""Hints on an app's own answers: only to who asks, only where the ruleset is newer, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deploy.cloud.hints import HintedApp, Listeners
from deploy.errors import ServiceError


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with one header."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b"business"})


def answered(*told: tuple[bytes, bytes], kind: str = "http") -> list[Any]:
    """Return what a hinted app sends when ruleset 7 is in force and TOLD are the headers."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(HintedApp(app, lambda: 7, 30)({"type": kind, "headers": list(told)}, None, send))  # type: ignore[arg-type]
    return sent


@pytest.mark.parametrize(
    ("known", "hints"),
    [(b"6", [b"7;jitter=30"]), (b"7", []), (b"8", []), (b"", []), (b"-1", []), (b"x", []), (b"9" * 40, [])],
)
def test_a_hint_is_added_where_a_newer_ruleset_is_in_force(known: bytes, hints: list[bytes]) -> None:
    """Who knows less is told; what is no number is no question."""
    start, body = answered((b"x-headrace-ruleset", known))
    assert [value for name, value in start["headers"] if name == b"x-headrace-hint"] == hints
    assert (start["headers"][0], body["body"]) == ((b"a", b"b"), b"business")


def test_who_does_not_ask_is_passed_on_untouched() -> None:
    """Requests without the header, and what is no request, get the app's own messages."""
    assert answered() == answered(kind="websocket") == answered((b"x-headrace-ruleset", b"7"))


def test_lines_are_bounded_told_once_and_ended() -> None:
    """A line is told of a newer ruleset once; one too many is refused; a stop ends them."""

    async def run() -> None:
        lines = Listeners(most=1, jitter_s=5)
        lines.tell(3)
        first = lines.listen(2)
        assert await anext(first) == b'event: hint\ndata: {"ruleset":3,"jitter_s":5}\n\n'
        with pytest.raises(ServiceError, match="a free line") as refused:
            await anext(lines.listen(2))
        assert refused.value.status == 503
        waiting = asyncio.create_task(anext(first, b"end"))
        await asyncio.sleep(0)
        lines.tell(3)  # nothing new
        lines.tell(4)
        assert b'"ruleset":4' in await waiting
        ending = asyncio.create_task(anext(first, b"end"))
        await asyncio.sleep(0)
        lines.close()
        assert (await ending, lines.count) == (b"end", 0)

    asyncio.run(run())
