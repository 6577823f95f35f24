"""Logging in by a token, and out."""

from __future__ import annotations

from starlette.responses import Response

from deploy.cloud.console import session
from deploy.cloud.console.page import Page
from deploy.cloud.console.render import BASE
from deploy.cloud.console.visit import Visit, give_cookie
from deploy.cloud.roles import MAX_SECRET, hashed
from deploy.errors import ServiceError


async def ask(visit: Visit) -> Response:
    """Show the log-in."""
    if visit.who.id:
        return visit.go("")
    return visit.page("login.html", {"next": _back(visit.query("next")), "error": ""})


async def log_in(visit: Visit) -> Response:
    """Begin a session of the token that was sent."""
    secret, back = visit.form.get("token", "").strip(), _back(visit.form.get("next", ""))
    who = visit.service.checks.tokens.get(hashed(secret.encode())) if 0 < len(secret) <= MAX_SECRET else None
    if who is None:
        if (wait_s := visit.service.guesses.take()) > 0:
            raise ServiceError("token: expected fewer wrong ones, found too many; ask later", 429, wait_s)
        told = (
            "Expected a token that is valid, found none. Make one with: headrace service token FOLDER viewer"
        )
        return visit.page("login.html", {"next": back, "error": told}, 401)
    if not who.may("view"):
        told = f"Expected a token that may look, found a {who.role}'s. Log in with another one."
        return visit.page("login.html", {"next": back, "error": told}, 403)
    response = visit.go(back)
    begun = session.begun(who.id, visit.now_ms)
    cookie = session.sealed(begun, visit.key, visit.service.checks.tokens)
    give_cookie(response, visit.call.request, cookie)
    return response


async def log_out(visit: Visit) -> Response:
    """End the session."""
    response = visit.go("/login")
    nobody = session.begun("", visit.now_ms)
    give_cookie(response, visit.call.request, session.sealed(nobody, visit.key, visit.service.checks.tokens))
    return response


def _back(path: str) -> str:
    """Return what of PATH lies below the console, "" if it is no plain path there."""
    plain = (
        path.startswith(BASE + "/")
        and path.isprintable()
        and not set(path) & set("\\?#")
        and "//" not in path
    )
    return path.removeprefix(BASE) if plain else ""


PAGES = (
    Page("GET", "/login", None, ask),
    Page("POST", "/login", None, log_in),
    Page("POST", "/logout", None, log_out),
)
