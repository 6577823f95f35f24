"""What a package directory holds: four files, each by its size and hash, under one manifest."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from inference import limits
from inference.contract import Name, Sha256, decode
from inference.errors import ContractError, PackageError, PackagingError

FORMAT: Final = 1
MANIFEST = "manifest.json"
MODEL, GRAPH, CONTRACT, GOLDEN = "model.onnx", "graph.json", "contract.json", "golden.json"
FILES = (CONTRACT, GOLDEN, GRAPH, MODEL)

# In the model file's own metadata, so that a model cannot be paired with another graph by exchanging files.
SCHEMA_KEY = "headrace.schema_sha256"
GRAPH_KEY = "headrace.graph_id"


class FileEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """One file's size in bytes and its hash."""

    bytes: Annotated[int, Meta(ge=0)]
    sha256: Sha256


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """The list of a package's files and what ties them together."""

    files: dict[Name, FileEntry]
    graph_id: Sha256
    schema_sha256: Sha256
    operators: Annotated[tuple[Name, ...], Meta(max_length=1024)]  # what a reduced runtime must be built with
    opset: int
    quantize: Literal["rowwise_int8"] | None = None
    quantize_error: float | None = None  # largest absolute difference on the golden examples
    meta: dict[Name, Annotated[str, Meta(max_length=limits.MAX_TEXT)]] = {}
    format: Literal[1] = FORMAT


def entry(content: bytes) -> FileEntry:
    """Return CONTENT's entry."""
    return FileEntry(len(content), hashlib.sha256(content).hexdigest())


def read_package(folder: Path, bounds: limits.Limits) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and each file's content, sizes and hashes verified, or raise PackageError."""
    try:
        manifest = decode(_read(folder / MANIFEST, bounds.manifest), Manifest, "manifest", bounds.manifest)
    except ContractError as error:
        raise PackageError(str(error)) from error
    if set(manifest.files) != set(FILES):
        raise PackageError(
            f"manifest: expected the files {', '.join(FILES)}, found "
            f"{', '.join(sorted(manifest.files))}; package again"
        )
    most = {CONTRACT: bounds.contract, GOLDEN: bounds.golden, GRAPH: bounds.graph, MODEL: bounds.model}
    contents = {}
    for name in FILES:
        contents[name] = _read(folder / name, most[name])
        listed, found = manifest.files[name], entry(contents[name])
        if listed != found:
            raise PackageError(
                f"{name}: expected {listed.bytes} bytes with SHA-256 {listed.sha256[:12]}, found "
                f"{found.bytes} with "
                f"{found.sha256[:12]}; fetch the package again"
            )
    return manifest, contents


def write_package(out_dir: Path, files: Mapping[str, bytes], *, overwrite: bool) -> None:
    """Write FILES as a directory that appears whole: a temporary one beside it, synced, then renamed."""
    if out_dir.exists() and not (overwrite and (out_dir / MANIFEST).is_file()):
        raise PackagingError(
            f"{out_dir}: expected no directory there, found one; choose another or overwrite the "
            "package that it is"
        )
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        _swap_in(out_dir, files)
    except OSError as error:
        raise PackagingError(
            f"{out_dir.name}: expected room to write a package, found {error.strerror or error}; "
            "choose a place that can be written"
        ) from error


def _swap_in(out_dir: Path, files: Mapping[str, bytes]) -> None:
    room = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}.", dir=out_dir.parent))
    try:
        fresh = room / "new"
        fresh.mkdir()
        for name, content in files.items():
            with (fresh / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _sync(fresh)
        if out_dir.exists():
            out_dir.rename(room / "old")
        try:
            fresh.rename(out_dir)
        except OSError:
            if (room / "old").exists():
                (room / "old").rename(out_dir)
            raise
        _sync(out_dir.parent)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path, most: int) -> bytes:
    """Return a file's bytes, at most MOST of them."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise PackageError(
            f"{path.name}: expected a readable file, found {error.strerror or error}; give a package "
            "directory"
        ) from error
    if len(content) > most:
        raise PackageError(
            f"{path.name}: expected at most {most} bytes, found more; quantise the model or raise the limit"
        )
    return content
