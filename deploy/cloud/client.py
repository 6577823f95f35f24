"""The service, asked from outside: by the commands, over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec

from deploy import canonical
from deploy.bundle.bundle import Bundle
from deploy.errors import ServiceError
from deploy.limits import CHUNK
from deploy.rollout import Ruleset
from deploy.task.version import Version
from deploy.wire.check import BLOBS
from featuregraph.shown import bounded

if TYPE_CHECKING:
    from deploy.task.manifest import Manifest
    from deploy.trust.keys import Key

TRIES: Final = 5  # of one blob, each going on where the one before was cut
TIMEOUT_S: Final = 60.0
MAX_ANSWER: Final = 64 << 20  # bytes
_OFFSET: Final = "upload-offset"


class Remote:
    """A service at a URL, asked with one token."""

    def __init__(self, url: str, token: str) -> None:
        import urllib3

        self._url = url.rstrip("/")
        self._token = {"authorization": f"Bearer {token}"}
        self._pool = urllib3.PoolManager(timeout=TIMEOUT_S, retries=False)

    def ask(self, method: str, path: str, body: bytes | None = None, seen: int | None = None) -> Any:
        """Return what the service answers, decoded; raise ServiceError with its own words if it refuses."""
        headers = {} if seen is None else {"if-match": f'"{seen}"'}
        return json.loads(self._send(method, path, body, headers)[1] or b"null")

    def text(self, path: str) -> str:
        """Return what the service answers, as it is."""
        return self._send("GET", path)[1].decode()

    def ruleset(self) -> Ruleset:
        """Return the ruleset in force."""
        return Ruleset.from_json(self._send("GET", "/v1/ruleset")[1])

    def head(self, task: str) -> str | None:
        """Return the id of the last version of TASK, None if it has none."""
        found = self.ask("GET", f"/v1/tasks/{task}/versions?limit=1")["versions"]
        return found[0]["id"] if found else None

    def publish(self, bundle: Bundle) -> Iterator[tuple[str, int]]:
        """Send what the service lacks of BUNDLE, then BUNDLE; yield each blob sent and its size."""
        for sha256, size in bundle.manifest.blobs.items():
            if self._send_blob(sha256, size, bundle):
                yield sha256, size
        self.ask("PUT", f"/v1/bundles/{bundle.id}", bundle.manifest.to_json())

    def vouch(self, manifest: Manifest, version: str | None, keys: Sequence[Key]) -> bool:
        """Let the list of a task vouch for the bundle of MANIFEST, signed with KEYS here; tell if it is new.

        Raises:
            TrustError: the list there is not one that a key of KEYS signed.
            ServiceError: the service does not take it.
        """
        from deploy.trust.lists import Listed, vouching

        path = f"/v1/tasks/{manifest.task}/list"
        for left in reversed(range(TRIES)):
            listed = msgspec.convert(self.ask("GET", path), Listed)
            content = vouching(listed, manifest, version, keys, time.time_ns() // 1_000_000)
            try:
                return content is not None and bool(self.ask("PUT", path, content)["new"])
            except ServiceError as error:  # another publisher was first
                if error.status != 409 or not left:
                    raise
        raise AssertionError

    def commit(self, version: Version) -> None:
        """Make VERSION the next one of its task."""
        self.ask("PUT", f"/v1/versions/{version.id}", version.to_json())

    def _send_blob(self, sha256: str, size: int, bundle: Bundle) -> bool:
        """Send the blob SHA256, from where it was cut; return whether the service lacked it."""
        for attempt in range(TRIES):
            status, _, found = self._sent("HEAD", BLOBS + sha256, None, {}, (200, 404))
            if status == 200:
                return attempt > 0
            offset = int(found.get(_OFFSET, "0"))
            headers = {_OFFSET: str(offset), "upload-length": str(size), "content-length": str(size - offset)}
            try:
                self._send("PATCH", BLOBS + sha256, _rest(bundle.blobs.open(sha256), offset, size), headers)
                return True
            except ServiceError as error:
                if error.status != 503 or attempt == TRIES - 1:
                    raise
                time.sleep(2**attempt / 4)
        raise ServiceError(
            f"blob {sha256[:12]}: expected to send it, found the line cut {TRIES} times; try later", 503
        )

    def _send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        status, content, _ = self._sent(method, path, body, headers or {}, (200, 202, 204))
        return status, content

    def _sent(
        self, method: str, path: str, body: Any, headers: dict[str, str], good: tuple[int, ...]
    ) -> tuple[int, bytes, Any]:
        from urllib3.exceptions import HTTPError

        try:
            answer = self._pool.request(
                method, self._url + path, body=body, headers={**self._token, **headers}, preload_content=False
            )
            with answer:
                content = b"" if method == "HEAD" else answer.read(MAX_ANSWER)
        except (HTTPError, OSError) as error:
            said = f"{type(error).__name__}: {error}"
            raise ServiceError(
                bounded(
                    f"{self._url}: expected a service, found: {said}; see that it runs and is named rightly"
                ),
                503,
            ) from error
        if answer.status not in good:
            raise ServiceError(bounded(f"{self._url}: {_said(answer.status, content)}"), answer.status)
        return answer.status, content, answer.headers


def _said(status: int, content: bytes) -> str:
    """Return why the service refused."""
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return f"expected an answer of headrace, found status {status}; see that it is the service"


def _rest(blob: AbstractContextManager[BinaryIO], offset: int, size: int) -> Iterator[bytes]:
    with blob as file:
        file.seek(offset, 1)
        left = size - offset
        while left and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk


def body_of(value: object) -> bytes:
    """Return VALUE as the service reads it."""
    return canonical.encode(value)
