"""The files that pages name, each under the hash of its content: a browser keeps one until it is another."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Final, NamedTuple

TYPES: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """One file."""

    content: bytes
    type: str
    path: str  # below the console


@cache
def assets() -> dict[str, Asset]:
    """Return all files by their names."""
    folder = resources.files("deploy.cloud.console") / "static"
    return {name: _asset(name, (folder / name).read_bytes()) for name in TYPES}


def _asset(name: str, content: bytes) -> Asset:
    return Asset(content, TYPES[name], f"/static/{sha256(content).hexdigest()[:16]}/{name}")
