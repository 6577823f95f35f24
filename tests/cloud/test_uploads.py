"""Blobs: sent in parts, gone on with after a cut, believed by their hash, and bounded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from deploy.cloud.uploads import PART_LIFE_S, Uploads
from deploy.errors import ServiceError
from deploy.limits import MAX_FILE

CONTENT = bytes(range(256)) * 20
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_a_blob_is_sent_in_parts_and_fetched_in_ranges(sent: Any) -> None:
    """A part ends anywhere; the next goes on from there, and a range gives what was asked for."""
    assert sent("HEAD", f"/v1/blobs/{SHA256}", "publisher").headers["upload-offset"] == "0"
    assert sent.send(CONTENT[:1_000], SHA256, 0, len(CONTENT)).headers["upload-offset"] == "1000"
    asked = sent("HEAD", f"/v1/blobs/{SHA256}", "publisher")
    assert (asked.status_code, asked.headers["upload-offset"]) == (404, "1000")
    assert sent.send(CONTENT[5:], SHA256, 5, len(CONTENT)).status_code == 409
    assert sent.send(CONTENT[1_000:], SHA256, 1_000, len(CONTENT)).status_code == 204
    assert sent.send(CONTENT, SHA256).status_code == 204  # sent twice
    got = sent("GET", f"/v1/blobs/{SHA256}")
    assert (got.status_code, got.content) == (200, CONTENT)
    assert "immutable" in got.headers["cache-control"]
    part = sent("GET", f"/v1/blobs/{SHA256}", headers={"range": "bytes=4000-"})
    assert (part.status_code, part.content) == (206, CONTENT[4_000:])
    assert sent("GET", f"/v1/blobs/{SHA256}", headers={"range": "bytes=9999999-"}).status_code == 416


def test_other_bytes_than_the_hash_says_are_thrown_away(sent: Any) -> None:
    """A wrong content is refused, nothing of it is served, and the right one can be sent."""
    assert sent.send(b"x" * len(CONTENT), SHA256).status_code == 422
    assert sent("GET", f"/v1/blobs/{SHA256}").status_code == 404
    assert sent.send(CONTENT, SHA256).status_code == 204


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"upload-offset": "0", "upload-length": str(10 << 30)}, b"x", 413),
        ({"upload-offset": "0", "upload-length": str(MAX_FILE), "content-length": str(10 << 30)}, b"x", 413),
        ({"upload-offset": "0", "upload-length": "4"}, b"12345", 413),
        ({"upload-offset": "9", "upload-length": "4"}, b"12345", 400),
        ({"upload-offset": "-1", "upload-length": "4"}, b"1234", 400),
        ({"upload-length": "4"}, b"1234", 400),
        ({"upload-offset": "0", "upload-length": "9" * 40}, b"1234", 400),
    ],
)
def test_a_part_is_bounded(lasting: Any, headers: dict[str, str], content: bytes, status: int) -> None:
    """10 GB, more than was said, and lengths that are none are refused before they are written."""
    answered = lasting("PATCH", f"/v1/blobs/{SHA256}", "publisher", headers=headers, content=content)
    assert answered.status_code == status
    assert sum(p.stat().st_size for p in (lasting.folder / "parts").iterdir()) <= 4


@pytest.mark.parametrize(
    "path",
    [
        "/v1/blobs/../../service.db",
        "/v1/blobs/%2e%2e%2fservice.db",
        f"/v1/blobs/{SHA256.upper()}",
        "/v1/tuf/metadata/..%2f..%2fservice.db",
        "/v1/tuf/metadata/%2e%2e/%2e%2e/service.db",
        "/v1/tuf/targets//etc/passwd",
        "/v1/tuf/targets/.hidden",
        "/v1/tuf/targets/a%00b",
        f"/v1/deltas/{SHA256}/..",
    ],
)
def test_no_path_leaves_its_folder(lasting: Any, path: str) -> None:
    """A path that climbs, hides, or is no hash names nothing."""
    (lasting.folder / "tuf" / "metadata").mkdir(parents=True, exist_ok=True)
    assert lasting("GET", path).status_code == 404


def test_static_files_are_served(sent: Any) -> None:
    """Metadata, targets and differences are files of the folder; a link is none."""
    for name in ("tuf/metadata/1.root.json", "tuf/targets/rank/a.json", f"deltas/{SHA256}/{SHA256}"):
        path = sent.folder / name
        path.parent.mkdir(parents=True)
        path.write_text(name)
        assert sent("GET", f"/v1/{name}").text == name
    (sent.folder / "tuf/metadata/link.json").symlink_to(sent.folder / "service.db")
    assert sent("GET", "/v1/tuf/metadata/link.json").status_code == 404


def test_two_do_not_write_one_part_and_old_parts_go(tmp_path: Path) -> None:
    """Who comes second waits; parts have a bound together, and are thrown away when nobody goes on."""
    uploads = Uploads(tmp_path, most_parts=10)
    with uploads.going_on(SHA256, 0, 8) as file:
        file.write(b"1234")
        with pytest.raises(ServiceError, match="nobody else"), uploads.going_on(SHA256, 4, 8):
            pass
    assert uploads.offset(SHA256) == 4
    with pytest.raises(ServiceError, match="room for another part"), uploads.going_on("f" * 64, 0, 8):
        pass
    now = (tmp_path / "parts" / SHA256).stat().st_mtime
    assert (uploads.sweep(now), uploads.sweep(now + PART_LIFE_S + 1)) == (0, 2)
    assert uploads.offset(SHA256) == 0
