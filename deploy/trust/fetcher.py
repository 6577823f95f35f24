"""How files of a TUF repository are fetched: bounded in length, head, silence and rate; resumed after a cut.

The length is bounded by what signed metadata says, else by a named bound. Nothing is decompressed and no
redirect is followed: what is fetched is what was asked for. A cut file stays as a partial one under the hash
of its address, which names its content's hash; what comes of a wrong one is refused by its hash, and removed.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import SHUT_RDWR
from typing import IO, Any, Final

from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    SlowRetrievalError,
)
from tuf.ngclient import FetcherInterface
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as Urllib3TimeoutError

from deploy.trust.pace import Bounds, Meter

_CHUNK: Final = 64 << 10
_PART_LIFE_S: Final = 14 * 86_400
_HEADERS: Final = {"User-Agent": "headrace", "Accept-Encoding": "identity"}


class Fetcher(FetcherInterface):
    """Fetch by HTTP within BOUNDS; PARTIALS is the folder of what was cut, None to begin anew each time."""

    def __init__(self, bounds: Bounds | None = None, partials: Path | None = None) -> None:
        self._bounds, self._partials = bounds or Bounds(), partials
        self._pool = _pool(self._bounds)

    def close(self) -> None:
        """Let go of open connections."""
        self._pool.clear()

    def _fetch(self, url: str) -> Iterator[bytes]:
        return self._pieces(self._ask(url, 0))

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Return what is at URL, at most MAX_LENGTH bytes; asked for again after a cut."""
        for left in reversed(range(self._bounds.attempts)):
            try:
                content = bytearray()
                for piece in self.fetch(url):
                    content += piece
                    _check(len(content), max_length)
                return bytes(content)
            except (DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError):
                raise
            except DownloadError:
                if not left:
                    raise
        raise AssertionError

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        """Give the file at URL, at most MAX_LENGTH bytes; after a cut only the rest is asked for."""
        with self._place() as folder:
            name = hashlib.sha256(url.encode()).hexdigest()
            with self._filled(folder / f"{name}.part", url, max_length) as file:
                yield file

    @contextmanager
    def _place(self) -> Iterator[Path]:
        """Give the folder of partial files."""
        if self._partials is None:
            with tempfile.TemporaryDirectory() as folder:
                yield Path(folder)
        else:
            self._partials.mkdir(parents=True, exist_ok=True)
            _prune(self._partials)
            yield self._partials

    @contextmanager
    def _filled(self, path: Path, url: str, most: int) -> Iterator[IO[bytes]]:
        """Give the file at PATH filled from URL; it is gone once it was looked at, good or not."""
        for left in reversed(range(self._bounds.attempts)):
            try:
                self._go_on(path, url, most)
                break
            except (DownloadHTTPError, SlowRetrievalError):
                raise
            except DownloadLengthMismatchError:
                path.unlink(missing_ok=True)
                raise
            except DownloadError:
                if not left:
                    raise
        try:
            with path.open("rb") as file:
                yield file
        finally:
            path.unlink(missing_ok=True)

    def _go_on(self, path: Path, url: str, most: int) -> None:
        """Fetch what PATH lacks of the file at URL."""
        with path.open("ab") as file:
            if (size := file.tell()) == most:
                return
            if size > most:
                size = file.truncate(0)
            response = self._ask(url, size)
            if response.status != 206:
                size = file.truncate(0)
            for piece in self._pieces(response):
                size += len(piece)
                _check(size, most)
                file.write(piece)

    # ------------------------------------------------------------ one request

    def _ask(self, url: str, start: int) -> BaseHTTPResponse:
        """Return the answer for URL from byte START on, its body unread."""
        headers = {**_HEADERS, "Range": f"bytes={start}-"} if start else _HEADERS
        try:
            response = self._pool.request(
                "GET", url, headers=headers, preload_content=False, redirect=False, retries=False
            )
        except Urllib3TimeoutError as error:
            raise SlowRetrievalError(f"{url}: expected an answer, found silence") from error
        except (HTTPError, OSError) as error:
            raise DownloadError(f"{url}: expected an answer, found none: {error}") from error
        part = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status == 200 or (response.status == 206 and start and part):
            return response
        response.close()
        if response.status in (206, 416) and start:
            return self._ask(url, 0)  # what is there of it is no part of what the server has
        raise DownloadHTTPError(f"{url}: expected the file, found status {response.status}", response.status)

    def _pieces(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        """Yield the body as it comes; raise DownloadError where it is cut, silent or too slow."""
        meter = Meter(self._bounds, time.monotonic())
        told = response.headers.get("Content-Length", "")
        due = int(told) if told.isascii() and told.isdecimal() else None
        done = False
        try:
            while piece := response.read1(_CHUNK, decode_content=False):
                due = None if due is None else due - len(piece)
                if not meter.took(len(piece), time.monotonic()):
                    raise SlowRetrievalError(
                        f"{response.url}: expected {self._bounds.least_bytes} bytes in"
                        f" {self._bounds.window_s} s, found fewer"
                    )
                yield piece
            if due:
                raise DownloadError(f"{response.url}: expected {due} more bytes, found the end")
            done = True
        except Urllib3TimeoutError as error:
            raise SlowRetrievalError(f"{response.url}: expected more bytes, found silence") from error
        except (HTTPError, OSError) as error:
            raise DownloadError(f"{response.url}: expected the whole file, found a cut: {error}") from error
        finally:
            if done:
                response.release_conn()
            else:
                response.close()


def _prune(folder: Path) -> None:
    """Remove the parts in FOLDER that nobody went on with: what they were of has been replaced."""
    with suppress(OSError):
        for path in folder.glob("*.part"):
            if time.time() - path.stat().st_mtime > _PART_LIFE_S:
                path.unlink()


def _check(size: int, most: int) -> None:
    if size > most:
        raise DownloadLengthMismatchError(f"expected at most {most} bytes, found more")


# ---------------------------------------------------------------- the head of an answer


class _Watched:
    """A connection that is closed if the head of an answer is not there in time.

    A socket's timeout is for one read: a head that drips byte by byte would never meet it.
    """

    head_s: float
    sock: Any

    def getresponse(self) -> Any:
        """Return the answer's head; raise TimeoutError if it is not there in time."""
        sock, late = self.sock, threading.Event()

        def end() -> None:
            late.set()
            with suppress(OSError):
                sock.shutdown(SHUT_RDWR)

        timer = threading.Timer(self.head_s, end)
        timer.daemon = True
        timer.start()
        try:
            return super().getresponse()  # type: ignore[misc]
        except Exception as error:
            if late.is_set():
                raise TimeoutError("the head of the answer drips") from error
            raise
        finally:
            timer.cancel()


def _pool(bounds: Bounds) -> PoolManager:
    """Return connections within BOUNDS."""

    class Http(_Watched, HTTPConnection):
        head_s = bounds.head_s

    class Https(_Watched, HTTPSConnection):
        head_s = bounds.head_s

    class HttpPool(HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(HTTPSConnectionPool):
        ConnectionCls = Https

    pool = PoolManager(timeout=Timeout(connect=bounds.connect_s, read=bounds.silence_s))
    pool.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}
    return pool
