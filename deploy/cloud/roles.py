"""Who may do what: rows. Pure.

Secrets are 256 random bits, so one SHA-256 is enough to keep them by: nobody can guess what to hash.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["publisher", "releaser", "viewer", "device"]
Action = Literal["check", "report", "view", "publish", "release"]

MAY: Final[dict[Role, frozenset[Action]]] = {
    "publisher": frozenset({"view", "publish"}),
    "releaser": frozenset({"view", "release"}),
    "viewer": frozenset({"view"}),
    "device": frozenset({"check", "report"}),
}
PREFIX: Final = "headrace_"  # lets scanners of sources find a secret that was committed
MAX_SECRET: Final = 128  # characters


@dataclass(frozen=True, slots=True)
class Who:
    """A token without its secret."""

    id: str
    name: str
    role: Role

    def may(self, action: Action) -> bool:
        """Tell whether the token is for ACTION."""
        return action in MAY[self.role]


def new_secret() -> str:
    """Return a secret that nobody has."""
    return PREFIX + secrets.token_urlsafe(32)


def hashed(secret: bytes) -> str:
    """Return by what SECRET is kept."""
    return hashlib.sha256(secret).hexdigest()


def bearer(header: bytes) -> bytes | None:
    """Return the secret in an Authorization HEADER, None if it has none."""
    scheme, _, secret = header.partition(b" ")
    if scheme.lower() != b"bearer" or not 0 < len(secret) <= MAX_SECRET:
        return None
    return secret
