"""What whoever runs the service decides, in `service.toml` of its folder; each number has a bound.

FOLDER/service.toml       these settings
FOLDER/service.db         the database, if `database` names no other
FOLDER/blobs, parts       contents by their hash; what came of them so far
FOLDER/deltas/OLD/NEW     differences between contents
FOLDER/tuf/metadata, targets    the TUF repository, made by its ceremony
FOLDER/keys/assignment    the key that signs answers
FOLDER/keys/snapshot, timestamp    the keys that sign which lists of the repository are the newest ones
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from deploy.errors import ServiceError
from deploy.limits import MAX_FILE
from featuregraph.shown import bounded

SETTINGS: Final = "service.toml"
MAX_SETTINGS: Final = 64 << 10  # bytes

_PerSecond = Annotated[float, Meta(ge=0, le=1_000_000)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The service of one folder."""

    database: str = ""  # its URL; empty: SQLite in the folder
    poll_s: Annotated[int, Meta(ge=1, le=7 * 86_400)] = 900  # how often a device asks
    valid_s: Annotated[int, Meta(ge=60, le=30 * 86_400)] = 86_400  # how long an answer may be begun by
    jitter_s: Annotated[int, Meta(ge=0, le=86_400)] = 60  # over which devices spread after a hint
    checks_per_s: _PerSecond = 0  # of all devices together; 0: no limit
    calls_per_s: _PerSecond = 50  # of one token, of everything but checks and reports
    most_file: Annotated[int, Meta(ge=1, le=MAX_FILE)] = MAX_FILE
    head_s: Annotated[int, Meta(ge=1, le=600)] = 10  # that the head of a request may take
    most_waiting: Annotated[int, Meta(ge=1, le=1_000_000)] = 50_000  # reports that are not kept yet
    fleet: Annotated[int, Meta(ge=0, le=1 << 40)] = 0  # how many devices there are, for stages; 0: not known
    look_s: Annotated[int, Meta(ge=1, le=3_600)] = 60  # between two looks of a gate
    most_listening: Annotated[int, Meta(ge=0, le=100_000)] = 1_000  # devices that hold a line for hints


def read_settings(folder: Path) -> Settings:
    """Return the settings of FOLDER; those of a folder without the file are the defaults.

    Raises:
        ServiceError: a word or a number is not one of a setting.
    """
    path = folder / SETTINGS
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SETTINGS + 1)
    except FileNotFoundError:
        return Settings()
    try:
        if len(content) > MAX_SETTINGS:
            raise ValueError(f"more than {MAX_SETTINGS} bytes")
        return msgspec.convert(tomllib.loads(content.decode()), Settings)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ServiceError(bounded(f"{path}: expected settings, found: {error}; correct it")) from error


def database_url(folder: Path, settings: Settings) -> str:
    """Return the URL of FOLDER's database."""
    return settings.database or f"sqlite:///{folder.resolve() / 'service.db'}"
