"""A service in memory whose network cuts off, lies and counts; and releases for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from deploy import canonical
from deploy.device.network import Reply
from deploy.errors import NetworkError, TrustError
from deploy.task.manifest import MODEL_FILES, Manifest, Slot
from deploy.wire.assignment import Assigned, AssignmentManifest, SignedAssignment
from deploy.wire.check import BLOBS, CHECK, DELTAS, REPORTS, Answer
from deploy.wire.delta import make_delta
from deploy.wire.report import Report, Reports
from inference.manifest import FileEntry

CHUNK = 4 << 10
GRAPH = "0" * 64


def entry(content: bytes) -> FileEntry:
    """Return the size and hash of CONTENT."""
    return FileEntry(len(content), canonical.digest(content))


@dataclass
class Shelf:
    """All that the service has, by path; `cuts` are the bytes of an answer after which it ends, in order."""

    contents: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    answer: Answer | None = None  # to a check; None: there is no service
    reports: list[Report] = field(default_factory=list)
    sent: int = 0
    asked: list[str] = field(default_factory=list)

    def release(self, name: str, model: bytes, task: str = "rank", **own: bytes) -> Assigned:
        """Offer the release NAME with that MODEL, and files of OWN for one device."""
        files = {file: f"{file} of {name}".encode() for file in MODEL_FILES}
        files["model/model.onnx"] = model
        slots = {f"data/{slot}": Slot(1 << 20, required=True) for slot in own}
        given = {f"data/{slot}": content for slot, content in own.items()}
        manifest = Manifest(task, GRAPH, "1" * 64, {f: entry(c) for f, c in files.items()}, slots)
        self.manifests[manifest.id] = manifest
        for content in (*files.values(), *given.values()):
            self.contents[BLOBS + canonical.digest(content)] = content
        return Assigned(name, manifest.id, GRAPH, {slot: entry(content) for slot, content in given.items()})

    def delta(self, old: bytes, new: bytes) -> int:
        """Offer the difference between two contents; return its size."""
        made = make_delta(old, new)
        assert made is not None
        self.contents[f"{DELTAS}{canonical.digest(old)}/{canonical.digest(new)}"] = made
        return len(made)

    def vouch(self, task: str, bundle: str) -> Manifest:
        """Return the manifest that the publishers signed."""
        if bundle not in self.manifests:
            raise TrustError(f"{task}: expected a signed bundle, found none; publish it")
        return self.manifests[bundle]

    @contextmanager
    def ask(
        self, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Iterator[Reply]:
        """Answer as a service for static files does."""
        self.asked.append(path)
        if path in (CHECK, REPORTS):
            yield self._business(path, headers or {}, body or b"")
            return
        content = self.contents.get(path)
        told = (headers or {}).get("range")
        if content is None:
            yield Reply(404, {}, iter(()))
            return
        start = int(told.removeprefix("bytes=").removesuffix("-")) if told and self.ranges else 0
        if start and start >= len(content):
            yield Reply(416, {}, iter(()))
            return
        found = {"content-length": str(len(content) - start)}
        if start:
            found["content-range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        yield Reply(206 if start else 200, found, self._chunks(content[start:]))

    def assign(self, ruleset: int, *halted: str, **tasks: Assigned) -> None:
        """Answer checks with TASKS from now on."""
        named = {name.replace("_", "-"): one for name, one in tasks.items()}
        device = "ann" if any(one.exclusive for one in named.values()) else None
        manifest = AssignmentManifest(ruleset, 1 << 52, named, halted, device)
        self.answer = Answer(SignedAssignment(manifest, {}), 900)

    def assignment(
        self, signed: SignedAssignment, device: str, now_ms: int, least_ruleset: int
    ) -> AssignmentManifest:
        """Believe all of it: what is signed is tested elsewhere."""
        return signed.manifest

    def manifest(self, task: str, bundle: str) -> Manifest:
        """Return the manifest that the publishers signed."""
        return self.vouch(task, bundle)

    def _business(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if self.answer is None:
            raise NetworkError("expected a service, found none; look at the network")
        if path == REPORTS:
            self.reports += Reports.from_json(body).reports
            return Reply(202, {}, iter(()))
        content = self.answer.to_json()
        etag = canonical.digest(content)
        if headers.get("if-none-match") == etag:
            return Reply(304, {}, iter(()))
        self.sent += len(content)
        return Reply(200, {"etag": etag, "content-length": str(len(content))}, iter((content,)))

    def _chunks(self, content: bytes) -> Iterator[bytes]:
        cut = self.cuts.pop(0) if self.cuts else None
        for at in range(0, len(content), CHUNK):
            chunk = content[at : at + CHUNK]
            if cut is not None and at + len(chunk) > cut:
                chunk = chunk[: max(0, cut - at)]
                self.sent += len(chunk)
                yield chunk
                raise NetworkError("expected all of it, found the network gone")
            self.sent += len(chunk)
            yield chunk


def noise(seed: int, size: int) -> bytes:
    """Return SIZE bytes that nothing compresses."""
    return Random(seed).randbytes(size)


def sparse(model: bytes, share: float, seed: int = 1_000_003) -> bytes:
    """Return MODEL with a SHARE of its rows of 128 bytes changed."""
    chance, found = Random(seed), bytearray(model)
    for row in range(0, len(model) - 128, 128):
        if chance.random() < share:
            found[row : row + 128] = chance.randbytes(128)
    return bytes(found)
