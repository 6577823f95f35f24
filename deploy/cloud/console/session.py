"""Who is logged in: a signed cookie, and words that only its forms know. Pure.

1. A seal covers the token's id, when it ends, a nonce and, unseen, the hash of the token: who revokes a token
   ends its sessions, and neither a copy of the database nor the key alone is enough to make one.
2. A form has a word made of the session's nonce. Another site can send a form and cannot know the word.
3. Somebody who is not logged in has a session of nobody, so that the form of the log-in has a word too.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple

from deploy.cloud.roles import Who

LIFE_MS: Final = 8 * 3_600_000
MAX_COOKIE: Final = 256  # characters
_NOBODY: Final = ("", None)


class Session(NamedTuple):
    """What a cookie says."""

    token: str  # its id; "": nobody
    until_ms: int
    nonce: str


def begun(token: str, now_ms: int) -> Session:
    """Return a new session of TOKEN."""
    return Session(token, now_ms + LIFE_MS, secrets.token_hex(16))


def sealed(session: Session, key: bytes, tokens: Mapping[str, Who]) -> str:
    """Return SESSION as a cookie; TOKENS are those that are valid, by their hashes."""
    token_hash, _ = _found(session.token, tokens)
    return ".".join((session.token, str(session.until_ms), session.nonce, _seal(session, key, token_hash)))


def opened(
    cookie: str, key: bytes, tokens: Mapping[str, Who], now_ms: int
) -> tuple[Session, Who | None] | None:
    """Return the session in COOKIE and who it is; None if it is forged, over, or its token is revoked."""
    words = cookie.split(".") if len(cookie) <= MAX_COOKIE and cookie.isascii() else []
    if len(words) != 4 or not words[1].isdigit():
        return None
    session = Session(words[0], int(words[1]), words[2])
    token_hash, who = _found(session.token, tokens)
    if session.token and who is None:
        return None
    if not hmac.compare_digest(_seal(session, key, token_hash), words[3]) or now_ms >= session.until_ms:
        return None
    return session, who


def form_word(session: Session, key: bytes) -> str:
    """Return the word of SESSION's forms."""
    return _mac(key, "form", session.nonce, session.token)


def knows(session: Session, key: bytes, word: str) -> bool:
    """Tell whether WORD is that of SESSION's forms."""
    return hmac.compare_digest(form_word(session, key).encode(), word.encode("utf-8", "replace"))


def _found(token: str, tokens: Mapping[str, Who]) -> tuple[str, Who | None]:
    return next(((hash_, who) for hash_, who in tokens.items() if token and who.id == token), _NOBODY)


def _seal(session: Session, key: bytes, token_hash: str) -> str:
    return _mac(key, "session", session.token, str(session.until_ms), session.nonce, token_hash)


def _mac(key: bytes, *words: str) -> str:
    return hmac.new(key, "\0".join(words).encode(), sha256).hexdigest()
