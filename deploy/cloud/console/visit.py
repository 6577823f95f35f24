"""One request of a person: who they are, whether they may, and whether their own page sent the form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deploy.cloud.console import render, session
from deploy.cloud.console.render import BASE
from deploy.cloud.console.rows import Sums
from deploy.cloud.console.session import Session
from deploy.cloud.http.call import Call
from deploy.cloud.roles import Action, Who
from deploy.cloud.service import Service
from deploy.errors import ServiceError

COOKIE: Final = "headrace_console"
MAX_FORM: Final = 4_096  # bytes
NOBODY: Final = Who("", "", "viewer")


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that was let in."""

    call: Call
    session: Session
    key: bytes
    now_ms: int
    sums: Sums
    form: dict[str, str]

    @property
    def service(self) -> Service:
        """Return the service that is shown."""
        return self.call.service

    @property
    def who(self) -> Who:
        """Return who asks."""
        return self.call.who

    @property
    def is_part(self) -> bool:
        """Tell whether a part of a page is asked for, to be put into one that is there."""
        return "hx-request" in self.call.request.headers

    def query(self, name: str) -> str:
        """Return the word NAME of the query, "" without one."""
        return self.call.request.query_params.get(name, "")[:256]

    def page(self, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
        """Return TEMPLATE with VALUES, and what every page knows."""
        known = {
            "who": self.who,
            "part": self.is_part,
            "form_word": session.form_word(self.session, self.key),
            "now_ms": self.now_ms,
            "path": self.call.request.url.path,
            "path_is": self._is_at,
        }
        return render.page(template, {**known, **values}, status)

    def _is_at(self, path: str) -> bool:
        """Tell whether the page is at PATH of the menu, or below it."""
        here = self.call.request.url.path.removeprefix(BASE)
        return here == path if not path else here == path or here.startswith(path + "/")

    def go(self, path: str) -> Response:
        """Send the browser to PATH below the console."""
        return RedirectResponse(BASE + path, 303, render.HEADERS)


def visitor(service: Service, request: Request, key: bytes, now_ms: int) -> tuple[Session, Who]:
    """Return the session of REQUEST and who it is: a new session of nobody without a good cookie."""
    cookie = request.cookies.get(COOKIE, "")
    found = session.opened(cookie, key, service.checks.tokens, now_ms)
    if found is None:
        return session.begun("", now_ms), NOBODY
    return found[0], found[1] or NOBODY


async def read_form(call: Call) -> dict[str, str]:
    """Return the fields of the form that was sent."""
    try:
        fields = parse_qs((await call.body(MAX_FORM)).decode(), max_num_fields=16, keep_blank_values=True)
    except ValueError as error:
        raise ServiceError("form: expected a few fields in UTF-8, found others; send it again") from error
    return {name: values[-1] for name, values in fields.items()}


def demand_own(request: Request, current: Session, key: bytes, form: dict[str, str]) -> None:
    """Raise ServiceError (403) unless a page of this session, on this site, sent FORM."""
    if _is_foreign(request) or not session.knows(current, key, form.get("form_word", "")):
        raise ServiceError(
            "form: expected one of this page, found another or an old one; load the page again", 403
        )


def _is_foreign(request: Request) -> bool:
    """Tell whether another site sent REQUEST, as far as the browser says."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site not in ("same-origin", "none")
    # An older browser; a proxy before it has to pass the host on.
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def demand_may(service: Service, who: Who, action: Action) -> None:
    """Raise ServiceError unless WHO may do ACTION and does not ask too often."""
    if not who.may(action):
        raise ServiceError(
            f"expected a token that may {action}, found a {who.role}'s; log in with another", 403
        )
    if (wait_s := service.rates.take(who.id)) > 0:
        raise ServiceError("expected fewer requests, found too many; wait a moment", 429, wait_s)


def give_cookie(response: Response, request: Request, value: str) -> None:
    """Let the browser keep VALUE for this site's console, unseen by scripts, until it is closed."""
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, value, path=BASE, secure=secure, httponly=True, samesite="lax")
