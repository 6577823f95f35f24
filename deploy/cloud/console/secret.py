"""The key that seals sessions: a file of the service's folder, made when first asked for."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from deploy.errors import ServiceError

NAME: Final = "console"
SIZE: Final = 32


def session_key(folder: Path) -> bytes:
    """Return the key of FOLDER's sessions; replicas that share log-ins have a copy of the file.

    Raises:
        ServiceError: the file holds another number of bytes.
    """
    path = folder / "keys" / NAME
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(SIZE))
    key = path.read_bytes()
    if len(key) != SIZE:
        raise ServiceError(f"{path}: expected {SIZE} bytes, found {len(key)}; remove it, and log in anew")
    return key
