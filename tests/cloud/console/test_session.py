"""Sessions: nobody makes one without key and token, and no other page knows the word of a form."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra service is not installed")

from deploy.cloud.console.secret import session_key
from deploy.cloud.console.session import LIFE_MS, begun, form_word, knows, opened, sealed
from deploy.cloud.roles import Who
from deploy.errors import ServiceError

KEY = b"k" * 32
EVE = Who("e" * 16, "eve", "viewer")
BOB = Who("b" * 16, "bob", "releaser")
TOKENS = {"1" * 64: EVE, "2" * 64: BOB}


def test_a_session_is_opened_by_the_same_key_and_token_until_it_ends() -> None:
    """What was sealed opens as it was, until its time is over or its token is revoked or made anew."""
    session = begun(EVE.id, 1_000)
    cookie = sealed(session, KEY, TOKENS)
    assert opened(cookie, KEY, TOKENS, 1_000) == (session, EVE)
    assert opened(cookie, KEY, TOKENS, 1_000 + LIFE_MS - 1) == (session, EVE)
    assert opened(cookie, KEY, TOKENS, 1_000 + LIFE_MS) is None
    assert opened(cookie, KEY, {"2" * 64: BOB}, 1_000) is None
    assert opened(cookie, KEY, {"3" * 64: EVE}, 1_000) is None
    assert opened(sealed(session, KEY, {}), KEY, {}, 1_000) is None
    assert opened(cookie, b"l" * 32, TOKENS, 1_000) is None


@pytest.mark.parametrize("place", range(4))
def test_a_forged_cookie_opens_nothing(place: int) -> None:
    """Each part of a cookie is covered by its seal: another token, time or nonce is no session."""
    words = sealed(begun(EVE.id, 0), KEY, TOKENS).split(".")
    words[place] = (BOB.id, "9" * 15, "0" * 32, "0" * 64)[place]
    assert opened(".".join(words), KEY, TOKENS, 0) is None


@pytest.mark.parametrize(
    "cookie", ["", "...", "a.b.c.d", "." * 300, "é.1.n.s", ".\u0661.n.s", f"{EVE.id}.1.n"]
)
def test_what_is_no_cookie_opens_nothing(cookie: str) -> None:
    """Other texts are refused without a fault."""
    assert opened(cookie, KEY, TOKENS, 0) is None


def test_nobody_has_a_session_too() -> None:
    """Who is not logged in has a session of nobody, whose forms have a word."""
    session = begun("", 0)
    assert opened(sealed(session, KEY, TOKENS), KEY, TOKENS, 0) == (session, None)
    assert opened(sealed(session, KEY, {}), KEY, TOKENS, 0) == (session, None)


def test_the_word_of_a_form_is_of_one_session() -> None:
    """Neither another session of the same token nor another text knows it."""
    one, other = begun(EVE.id, 0), begun(EVE.id, 0)
    assert knows(one, KEY, form_word(one, KEY))
    assert not knows(other, KEY, form_word(one, KEY))
    assert not any(knows(one, KEY, word) for word in ("", "é", "\ud800", form_word(one, b"l" * 32)))


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """The file appears when asked for and is read afterwards; one of another size is refused in a line."""
    key = session_key(tmp_path)
    assert (len(key), session_key(tmp_path)) == (32, key)
    assert stat.S_IMODE((tmp_path / "keys/console").stat().st_mode) == 0o600
    (tmp_path / "keys/console").write_bytes(b"")
    with pytest.raises(ServiceError, match="expected 32 bytes, found 0"):
        session_key(tmp_path)
