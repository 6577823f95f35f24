"""The network over HTTP: one pool of connections, no redirects, nothing that drips for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from deploy.device.network import Reply
from deploy.errors import NetworkError

if TYPE_CHECKING:
    import urllib3

_CHUNK: Final = 64 << 10
_GRACE_S: Final = 10  # in which nothing is said about the speed


class Http:
    """A service at a URL."""

    def __init__(
        self, url: str, *, token: str = "", timeout_s: float = 30, least_bytes_s: float = 256
    ) -> None:
        """Speak to the service at URL.

        Args:
            url: where the paths of `deploy.wire.check` begin.
            token: the fleet's, sent with each question.
            timeout_s: for a connection, and between any two pieces of an answer.
            least_bytes_s: an answer that is slower is cut off; what came of it is kept.
        """
        import urllib3

        self._url = url.rstrip("/")
        self._headers = {"user-agent": "headrace-agent", "accept-encoding": "identity"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._least_bytes_s = least_bytes_s
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=timeout_s, read=timeout_s))

    @contextmanager
    def ask(
        self, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Iterator[Reply]:
        """Give the answer to a GET of PATH, or to a POST of BODY."""
        import urllib3

        try:
            response = self._pool.request(
                "GET" if body is None else "POST",
                self._url + path,
                headers={**self._headers, **(headers or {})},
                body=body,
                preload_content=False,
                redirect=False,
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _cut(path, error) from error
        try:
            found = {name.lower(): value for name, value in response.headers.items()}
            yield Reply(response.status, found, self._chunks(path, response))
        finally:
            response.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.clear()

    def _chunks(self, path: str, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        import urllib3

        began, got = time.monotonic(), 0
        while True:
            try:
                chunk = response.read1(_CHUNK)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise _cut(path, error) from error
            if not chunk:
                return
            got += len(chunk)
            spent = time.monotonic() - began
            if spent > _GRACE_S and got < self._least_bytes_s * spent:
                raise NetworkError(
                    f"{path}: expected at least {self._least_bytes_s:.0f} bytes a second, found"
                    f" {got / spent:.0f}; it is asked for again"
                )
            yield chunk


def _cut(path: str, error: Exception) -> NetworkError:
    return NetworkError(f"{path}: expected an answer, found {type(error).__name__}; look at the network")
