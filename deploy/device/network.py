"""What a device needs of a network: questions and answers, which come in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from deploy.errors import NetworkError

OK, ACCEPTED, PARTIAL, UNCHANGED, MISSING, BEYOND = 200, 202, 206, 304, 404, 416
_BUSY: Final = (429, 503)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: names of headers in small letters, and the body as it comes."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]  # NetworkError where the network cuts off or is too slow


class Network(Protocol):
    """Whoever brings a question to the service."""

    def ask(
        self, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> AbstractContextManager[Reply]:
        """Give the answer to a GET of PATH, or to a POST of BODY; raise NetworkError if there is none."""


def read(reply: Reply, most: int) -> bytes:
    """Return the body of REPLY; raise NetworkError above MOST bytes, which are not read."""
    content = bytearray()
    for chunk in reply.chunks:
        content += chunk
        if len(content) > most:
            raise NetworkError(f"answer: expected at most {most} bytes, found more; ask again")
    if (told := number(reply, "content-length")) is not None and told != len(content):
        raise NetworkError(f"answer: expected {told} bytes, found {len(content)}; ask again")
    return bytes(content)


def refused(what: str, reply: Reply) -> NetworkError:
    """Return the error that REPLY stands for, with how long to wait if it says that."""
    wait_s = number(reply, "retry-after") or 0 if reply.status in _BUSY else 0
    return NetworkError(f"{what}: expected an answer, found status {reply.status}; ask again later", wait_s)


def number(reply: Reply, header: str) -> int | None:
    """Return the whole number that HEADER says, None if it says none."""
    text = reply.headers.get(header, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
