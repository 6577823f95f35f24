"""Contents by their hash: sent in parts, fetched in ranges; and the static files of trust."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.responses import FileResponse, Response

from deploy.cloud.http.call import Call
from deploy.cloud.http.route import Route
from deploy.errors import ServiceError
from deploy.limits import CHUNK, MAX_FILE
from deploy.wire.check import BLOBS, DELTAS, METADATA, TARGETS
from inference.contract import Sha256

OFFSET, LENGTH = "upload-offset", "upload-length"
FOR_EVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
FRESH: Final = {"cache-control": "no-cache"}
BYTES: Final = "application/octet-stream"


async def fetch_blob(call: Call) -> Response:
    """Give a blob, or a range of it."""
    sha256 = call.word("sha256", Sha256)
    return _file(call.service.uploads.path(sha256), FOR_EVER)


async def fetch_delta(call: Call) -> Response:
    """Give the difference between two blobs, where somebody made it."""
    old, new = call.word("old", Sha256), call.word("new", Sha256)
    return _file(call.service.folder / "deltas" / old / new, FOR_EVER)


async def fetch_metadata(call: Call) -> Response:
    """Give metadata of trust."""
    return _file(_below(call.service.folder / "tuf" / "metadata", call.word("name", str)), FRESH)


async def fetch_target(call: Call) -> Response:
    """Give a target of trust."""
    return _file(_below(call.service.folder / "tuf" / "targets", call.word("name", str)), FRESH)


async def ask_blob(call: Call) -> Response:
    """Tell how much of a blob is here."""
    sha256 = call.word("sha256", Sha256)
    whole = await call.service.do(call.service.uploads.size, sha256)
    offset = await call.service.do(call.service.uploads.offset, sha256) if whole is None else whole
    return Response(status_code=200 if whole is not None else 404, headers={OFFSET: str(offset)})


async def send_blob(call: Call) -> Response:
    """Take the next part of a blob, from where it ended."""
    uploads, sha256 = call.service.uploads, call.word("sha256", Sha256)
    offset, size = call.header_number(OFFSET), call.header_number(LENGTH)
    if offset is None or size is None or size > MAX_FILE or offset > size:
        status = 413 if size is not None and size > MAX_FILE else 400
        raise ServiceError(
            f"blob {sha256[:12]}: expected {OFFSET} and {LENGTH} up to {MAX_FILE}, found others; correct",
            status,
        )
    if uploads.size(sha256) is not None:
        return Response(status_code=204, headers={OFFSET: str(size)})
    part = uploads.going_on(sha256, offset, size)
    file = await call.service.do(part.__enter__)
    error: BaseException | None = None
    try:
        waiting = bytearray()
        async for chunk in call.chunks(size - offset):
            waiting += chunk
            if len(waiting) >= CHUNK:
                await call.service.do(file.write, bytes(waiting))
                waiting.clear()
        await call.service.do(file.write, bytes(waiting))
    except BaseException as raised:
        error = raised
        raise
    finally:  # what came stays, whatever happened; a whole one is checked and takes its name
        await call.service.do(part.__exit__, type(error) if error else None, error, None)
    came = uploads.size(sha256)
    return Response(status_code=204, headers={OFFSET: str(uploads.offset(sha256) if came is None else came)})


def _below(folder: Path, name: str) -> Path:
    """Return the file NAME in FOLDER: a name with a part that climbs or hides is none."""
    parts = name.split("/")
    if len(name) > 1_024 or any(not part or part.startswith(".") or "\0" in part for part in parts):
        raise ServiceError("file: expected a plain name, found another; correct the path", 404)
    return folder.joinpath(*parts)


def _file(path: Path, headers: dict[str, str]) -> Response:
    if path.is_symlink() or not path.is_file():
        raise ServiceError("file: expected one of that name, found none; ask for another", 404)
    return FileResponse(path, headers=headers, media_type=BYTES)


ROUTES = (
    # Before GET, which would answer it too.
    Route("HEAD", BLOBS + "{sha256}", "publish", ask_blob, "Ask how much of a blob is here.", refuses=(404,)),
    Route(
        "GET",
        BLOBS + "{sha256}",
        None,
        fetch_blob,
        "Fetch a blob, or a range of it.",
        gives=bytes,
        refuses=(404, 416),
    ),
    Route(
        "PATCH",
        BLOBS + "{sha256}",
        "publish",
        send_blob,
        "Send the next part of a blob.",
        takes=bytes,
        status=204,
        refuses=(404, 409, 413, 422, 507),
        headers=((OFFSET, True), (LENGTH, True)),
    ),
    Route(
        "GET",
        DELTAS + "{old}/{new}",
        None,
        fetch_delta,
        "Fetch a difference.",
        gives=bytes,
        refuses=(404, 416),
    ),
    Route(
        "GET",
        METADATA + "{name:path}",
        None,
        fetch_metadata,
        "Fetch metadata.",
        gives=bytes,
        refuses=(404, 416),
    ),
    Route(
        "GET", TARGETS + "{name:path}", None, fetch_target, "Fetch a target.", gives=bytes, refuses=(404, 416)
    ),
)
