"""The one JSON form of what is named by its hash: sorted keys, no spaces, UTF-8."""

from __future__ import annotations

import hashlib
from typing import TypeVar

import msgspec

from deploy.errors import DeployError
from featuregraph.shown import bounded

T = TypeVar("T")


def encode(value: object) -> bytes:
    """Return VALUE as canonical JSON."""
    return msgspec.json.encode(value, order="sorted")


def digest(content: bytes) -> str:
    """Return the SHA-256 of CONTENT in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def decode(content: bytes, kind: type[T], what: str, most: int, refused: type[DeployError], step: str) -> T:
    """Return the KIND that CONTENT holds in canonical form, within MOST bytes.

    Raises:
        DeployError: of the type REFUSED, where it holds none; the message ends with STEP. Another form of
            the same JSON is refused as well: what is named by its hash has one form.
    """
    if len(content) > most:
        raise refused(f"{what}: expected at most {most} bytes, found {len(content)}; {step}")
    try:
        value = msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise refused(bounded(f"{what}: expected its JSON, found: {error}; {step}")) from error
    if encode(value) != content:
        raise refused(f"{what}: expected canonical JSON, found another form; {step}")
    return value
