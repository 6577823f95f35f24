"""A service with two days of a made fleet, and a person with a cookie jar before its console."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from deploy.cloud.roles import Role


class Person:
    """Somebody with a browser that keeps cookies and follows nothing by itself."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask
        self.cookies: dict[str, str] = {}

    def get(self, path: str = "", **headers: str) -> httpx.Response:
        """Look at PATH below the console."""
        return self._send("GET", path, headers)

    def post(self, path: str, /, _headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        """Send a form of FIELDS to PATH, with the word of the session unless it is given."""
        fields.setdefault("form_word", self.word())
        return self._send("POST", path, _headers or {}, data=fields)

    def word(self) -> str:
        """Return the word of this session's forms."""
        page = self.get("/login") if "headrace_console" not in self.cookies else self.get("/nowhere")
        found = re.search(r'name="form_word" value="(\w+)"', page.text) or re.search(
            r'name="form_word" value="(\w+)"', self.get("/login").text
        )
        assert found
        return found[1]

    def log_in(self, secret: str, **fields: str) -> httpx.Response:
        """Log in with the token SECRET."""
        return self.post("/login", None, token=secret, **fields)

    def _send(self, method: str, path: str, headers: dict[str, str], **words: Any) -> httpx.Response:
        if self.cookies:
            headers = {**headers, "cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        answer: httpx.Response = self._ask(method, f"/console{path}", headers=headers, **words)
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Role, str]]:
    """Give a folder of a service in which two days were told, to be copied, and the secrets of its tokens."""
    from deploy.cloud import serve
    from deploy.testing.days import Days

    folder = tmp_path_factory.mktemp("told")
    serve.init(folder)
    database = serve.opened(folder)
    days = Days(folder, database, time.time_ns() // 1_000_000, 4, 400)
    days.tell()
    database.close()
    return folder, days.secrets


@pytest.fixture
def told_copy(told: tuple[Path, dict[Role, str]], tmp_path: Path) -> tuple[Path, dict[Role, str]]:
    """Give a copy that a test may change."""
    folder = tmp_path / "service"
    shutil.copytree(told[0], folder)
    return folder, told[1]


@pytest.fixture
def person(told_copy: tuple[Path, dict[Role, str]], asked: Callable[[Path], Any]) -> Person:
    """Give somebody before the console of that service, who has not logged in."""
    return Person(asked(told_copy[0]))


@pytest.fixture
def as_role(person: Person, told_copy: tuple[Path, dict[Role, str]]) -> Callable[[Role], Person]:
    """Return what logs the person in with the token of a role."""

    def log_in(role: Role) -> Person:
        assert person.log_in(told_copy[1][role]).status_code == 303
        return person

    return log_in


@pytest.fixture
def asked() -> Iterator[Callable[[Path], Any]]:
    """Return what begins the service of a folder in this process, and gives the function that asks it."""
    import asyncio

    import httpx

    from deploy.cloud.app import application
    from deploy.cloud.serve import signing
    from deploy.cloud.settings import Settings

    with asyncio.Runner() as runner:
        open_: list[tuple[Any, httpx.AsyncClient]] = []

        def begin(folder: Path) -> Any:
            app = application(folder, Settings(calls_per_s=10_000), signing(folder))
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://service"
            )
            living = app.lifespan()
            runner.run(living.__aenter__())
            open_.append((living, client))

            def ask(method: str, path: str, **words: Any) -> httpx.Response:
                client.cookies.clear()  # a person keeps their own
                return runner.run(client.request(method, path, **words))

            return ask

        yield begin
        for living, client in open_:
            runner.run(living.__aexit__(None, None, None))
            runner.run(client.aclose())
