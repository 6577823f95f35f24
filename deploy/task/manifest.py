"""What a bundle holds: each file by its size and hash, and what ties graph, model and scripts together. Pure.

model/          the model package, with the graph that it was trained on
scripts/*.py    optional: code, each with the features that it reads, by id
config.json     optional: one JSON object
bins.json       optional: how the features were spread in training (`deploy.task.bins`)
data/           other files: *shared* ones are in the bundle, *exclusive* ones are slots, filled per device

The manifest's hash is the bundle's id. An exclusive file is data, never a model or a script: what a device
computes is the same for everyone who runs the bundle.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from deploy import canonical, limits
from deploy.errors import BundleError
from deploy.task import paths
from inference.contract import Name, Sha256
from inference.manifest import FILES, GRAPH, FileEntry
from inference.manifest import MANIFEST as PACKAGE

FORMAT: Final = 1
MODEL, SCRIPTS, DATA, CONFIG, BINS = "model/", "scripts/", "data/", "config.json", "bins.json"
GRAPH_FILE = MODEL + GRAPH
PACKAGE_FILE = MODEL + PACKAGE
MODEL_FILES = frozenset({PACKAGE_FILE, *(MODEL + name for name in FILES)})

TaskName = Annotated[str, Meta(pattern=r"^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?\Z")]
Line = Annotated[str, Meta(max_length=limits.MAX_LINE, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z")]
FileName = Annotated[str, Meta(min_length=1, max_length=limits.MAX_PATH)]


class Slot(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that each device or user has for itself; its content is named when it is published."""

    most_bytes: Annotated[int, Meta(ge=1, le=limits.MAX_FILE)]
    required: bool = False  # without it the task does not start


class Script(Struct, frozen=True, forbid_unknown_fields=True):
    """A script, and the features that it reads by the ids of their meaning."""

    reads: dict[Name, Sha256] = {}


class Needs(Struct, frozen=True, forbid_unknown_fields=True):
    """What a device must have besides room for the files."""

    memory_bytes: Annotated[int, Meta(ge=0, le=1 << 40)] | None = None  # of the engine's states; None: any


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The list of a bundle's files, and the meaning that they share."""

    task: TaskName
    graph_id: Sha256
    schema_sha256: Sha256  # of the model's contract
    files: Annotated[dict[FileName, FileEntry], Meta(max_length=limits.MAX_FILES)]
    exclusive: Annotated[dict[FileName, Slot], Meta(max_length=limits.MAX_FILES)] = {}
    scripts: dict[FileName, Script] = {}
    needs: Needs = Needs()
    description: Line = ""
    format: Literal[1] = FORMAT

    def __post_init__(self) -> None:
        if problem := next(_problems(self), None):
            raise BundleError(f"manifest: {problem}")

    def to_json(self) -> bytes:
        """Return the canonical JSON, whose hash is the bundle's id."""
        return canonical.encode(self)

    @cached_property
    def id(self) -> str:
        """Return the bundle's id: SHA-256 of the canonical JSON."""
        return canonical.digest(self.to_json())

    @property
    def size(self) -> int:
        """Return the size of all shared files."""
        return sum(entry.bytes for entry in self.files.values())

    @property
    def blobs(self) -> dict[str, int]:
        """Return the size of each distinct content by its hash, in the order of the names."""
        return {self.files[name].sha256: self.files[name].bytes for name in sorted(self.files)}

    @staticmethod
    def from_json(content: bytes) -> Manifest:
        """Return the manifest in CONTENT; raise BundleError if it is none or breaks a rule."""
        step = "pack the task again"
        return canonical.decode(content, Manifest, "manifest", limits.MAX_MANIFEST, BundleError, step)


def _problems(manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with MANIFEST, the cheapest first."""
    names = [*manifest.files, *manifest.exclusive]
    yield from filter(None, map(paths.problem, names))
    if twice := sorted(set(manifest.files) & set(manifest.exclusive)):
        yield f"expected a file as shared or exclusive, found {twice[0]!r} as both; choose one"
    if (text := paths.clash(names)) is not None:
        yield text
    yield from filter(None, map(_misplaced, manifest.files))
    for name in manifest.exclusive:
        if not name.startswith(DATA):
            yield f"expected exclusive files in {DATA}, found {name!r}; only data may differ between devices"
    if missing := sorted(MODEL_FILES - set(manifest.files)):
        yield f"expected a whole model package, found no {missing[0]!r}; package the model again"
    found = {name for name in manifest.files if name.startswith(SCRIPTS)}
    if odd := sorted(found ^ set(manifest.scripts)):
        yield f"expected each script as a file and as an entry, found {odd[0]!r} once; pack the task again"
    yield from _sizes(manifest)


def _misplaced(name: str) -> str | None:
    if name in MODEL_FILES or name in (CONFIG, BINS) or name.startswith(DATA):
        return None
    if name.startswith(SCRIPTS) and name.endswith(".py"):
        return None
    return f"expected a file of {MODEL}, {SCRIPTS}*.py, {DATA} or {CONFIG}, found {name!r}; move it to {DATA}"


def _sizes(manifest: Manifest) -> Iterator[str]:
    sizes: dict[str, int] = {}
    for name, entry in manifest.files.items():
        if entry.bytes > (most := most_bytes(name)):
            yield f"{name}: expected at most {most} bytes, found {entry.bytes}; make it smaller"
        if sizes.setdefault(entry.sha256, entry.bytes) != entry.bytes:
            yield f"{name}: expected one size of one content, found two; pack the task again"
    if manifest.size > limits.MAX_BUNDLE:
        yield f"expected at most {limits.MAX_BUNDLE} bytes in all, found {manifest.size}; make it smaller"


def most_bytes(name: str) -> int:
    """Return how large the file NAME may be."""
    if name.startswith(SCRIPTS):
        return limits.MAX_SCRIPT
    return {CONFIG: limits.MAX_CONFIG, BINS: limits.MAX_BINS, GRAPH_FILE: limits.MAX_GRAPH}.get(
        name, limits.MAX_FILE
    )
