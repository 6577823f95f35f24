"""What a device tells in the headers of a check, read within bounds. Pure."""

from __future__ import annotations

import json
from typing import Final

from deploy.errors import RulesetError, ServiceError
from deploy.profile import Profile, read_profile
from deploy.rollout import MAX_RELEASES
from deploy.wire.check import DEVICE, GRAPHS, MAX_PROFILE, PROFILE

MAX_DEVICE: Final = 256  # signs
MAX_GRAPHS: Final = 65 * MAX_RELEASES  # bytes


def device_of(header: bytes) -> str:
    """Return the device that HEADER names."""
    try:
        device = header.decode()
    except UnicodeDecodeError:
        device = ""
    if not 0 < len(device) <= MAX_DEVICE:
        raise ServiceError(f"{DEVICE}: expected an id of 1 to {MAX_DEVICE} signs, found another; send it")
    return device


def profile_of(header: bytes) -> Profile:
    """Return the facts in HEADER."""
    if len(header) > MAX_PROFILE:
        raise ServiceError(
            f"{PROFILE}: expected at most {MAX_PROFILE} bytes, found {len(header)}; tell less", 431
        )
    try:
        return read_profile(json.loads(header))
    except (ValueError, RecursionError) as error:
        said = "expected one line of JSON, found none; correct it"
        raise ServiceError(f"{PROFILE}: {error if isinstance(error, RulesetError) else said}") from error


def graphs_of(header: bytes) -> frozenset[str]:
    """Return the ids of graphs in HEADER."""
    if len(header) > MAX_GRAPHS:
        raise ServiceError(
            f"{GRAPHS}: expected at most {MAX_RELEASES} ids, found more; tell those in use", 431
        )
    return frozenset(header.decode("latin-1").split(","))
