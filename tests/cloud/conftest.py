"""A database of each kind, empty and migrated; PostgreSQL is started here from the system's binaries."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import msgspec
import pytest

from deploy import canonical
from deploy.cloud.client import Remote
from deploy.cloud.rehearsed import Rehearse
from deploy.cloud.roles import MAY, Role
from deploy.cloud.staged import Wanted
from deploy.rollout import Release
from deploy.task.bins import Bins
from deploy.task.manifest import BINS, MODEL, PACKAGE_FILE, Manifest
from inference.manifest import FILES, entry
from inference.manifest import Manifest as Package

T = TypeVar("T")
if TYPE_CHECKING:
    import httpx  # the base install, where this file is read too, has none

ARGV = [sys.executable, "-m", "headrace"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the URL of a PostgreSQL database; skip where none is installed."""
    from deploy.simulate import postgres

    if not postgres.is_there():
        pytest.skip("no PostgreSQL below /usr/lib/postgresql: apt install postgresql")
    with postgres.postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/service.db"
        return
    import sqlalchemy

    server = request.getfixturevalue("postgres").replace("postgresql:", "postgresql+pg8000:")
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    yield server


def bundle(
    n: int, trained: str = "", graph: str = "", bins: Bins | None = None
) -> tuple[Manifest, list[bytes]]:
    """Return a bundle whose model holds N, and its contents.

    Args:
        n: any number.
        trained: the id of the graph that its model was trained on, its own by default.
        graph: the id of the graph that it names, its own by default.
        bins: of its features.
    """
    import headrace

    retail = Path(headrace.__file__).parent / "retail/package"
    own = msgspec.json.decode((retail / "manifest.json").read_bytes(), type=Package).graph_id
    contents = dict.fromkeys(FILES, b"%d" % n) | {"graph.json": (retail / "graph.json").read_bytes()}
    files = {name: entry(content) for name, content in contents.items()}
    package = msgspec.json.encode(Package(files, trained or own, "b" * 64, (), 17))
    files = {MODEL + name: found for name, found in files.items()} | {PACKAGE_FILE: entry(package)}
    if bins is not None:
        files[BINS], contents[BINS] = entry(bins.to_json()), bins.to_json()
    return Manifest("rank", graph or own, "b" * 64, files), [*contents.values(), package]


class Sent:
    """A service in this process, asked over ASGI, with a token for each role."""

    def __init__(
        self,
        folder: Path,
        migrated: Path | None = None,
        clock: Callable[[], int] | None = None,
        rehearse: Rehearse | None = None,
        **settings: object,
    ) -> None:
        from deploy.cloud import registry, tokens
        from deploy.cloud.app import application
        from deploy.cloud.database import Database
        from deploy.cloud.settings import Settings, database_url
        from deploy.trust import keys
        from deploy.trust.assignments import AssignmentKeys, sign

        self.folder = folder
        self.key = keys.generate()
        self.trusted = AssignmentKeys.of([self.key.public])
        chosen = Settings(**settings)  # type: ignore[arg-type]
        if migrated is not None:
            shutil.copy(migrated, folder / "service.db")
        database = Database(database_url(folder, chosen))
        database.migrate()
        self.secrets = {role: tokens.add(database, role, role, 0)[1] for role in MAY}
        database.close()
        self.app = application(
            folder, chosen, lambda manifest: sign(manifest, [self.key]), clock or registry.now_ms, rehearse
        )
        import httpx

        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://service")
        self._living = self.app.lifespan()

    def __enter__(self) -> Self:
        self._runner.run(self._living.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._living.__aexit__(None, None, None))
        self._runner.run(self._client.aclose())
        self._runner.close()

    def run(self, waited: Coroutine[Any, Any, T]) -> T:
        """Return what WAITED comes to."""
        return self._runner.run(waited)

    def __call__(self, method: str, path: str, role: Role | None = None, **words: Any) -> httpx.Response:
        """Send one request as ROLE."""
        headers = dict(words.pop("headers", {}))
        if role is not None:
            headers["authorization"] = f"Bearer {self.secrets[role]}"
        return self._runner.run(self._client.request(method, path, headers=headers, **words))

    def check(self, device: str = "ann", profile: str = "{}", **headers: str) -> httpx.Response:
        """Ask as DEVICE with PROFILE what to run."""
        told = {"x-headrace-device": device, "x-headrace-profile": profile, **headers}
        return self("GET", "/v1/check", "device", headers=told)

    def send(self, content: bytes, sha256: str, offset: int = 0, size: int | None = None) -> httpx.Response:
        """Send CONTENT as a part of a blob of SIZE bytes."""
        headers = {"upload-offset": str(offset), "upload-length": str(size or len(content))}
        return self("PATCH", f"/v1/blobs/{sha256}", "publisher", headers=headers, content=content)

    def put(self, name: str, release: Release, seen: int) -> httpx.Response:
        """Release RELEASE under NAME."""
        headers = {"if-match": f'"{seen}"'}
        body = canonical.encode(release)
        return self("PUT", f"/v1/releases/{name}", "releaser", headers=headers, content=body)

    def begin(self, name: str, wanted: Wanted, seen: int) -> httpx.Response:
        """Let gates lead WANTED under NAME."""
        headers = {"if-match": f'"{seen}"'}
        body = canonical.encode(wanted)
        return self("PUT", f"/v1/releases/{name}/gate", "releaser", headers=headers, content=body)

    def publish(self, n: int, **words: Any) -> Manifest:
        """Publish a bundle whose model holds N; WORDS as of `bundle`."""
        manifest, contents = bundle(n, **words)
        for content in contents:
            self.send(content, canonical.digest(content))
        answer = self("PUT", f"/v1/bundles/{manifest.id}", "publisher", content=manifest.to_json())
        assert answer.status_code == 200, answer.text
        return manifest


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file of a database without rows, to be copied."""
    from deploy.cloud.database import Database

    folder = tmp_path_factory.mktemp("migrated")
    database = Database(f"sqlite:///{folder}/service.db")
    database.migrate()
    database.close()
    return folder / "service.db"


@pytest.fixture
def serve(tmp_path: Path, migrated: Path) -> Callable[..., Sent]:
    """Return what makes a service with settings of the test's."""
    return partial(Sent, tmp_path, migrated)


@pytest.fixture
def sent(tmp_path: Path, migrated: Path) -> Iterator[Sent]:
    """Give a service that runs in this process."""
    with Sent(tmp_path, migrated) as service:
        yield service


@pytest.fixture(scope="session")
def lasting(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Sent]:
    """Give one service for all tests that are refused and change nothing; it has published one bundle."""
    with Sent(tmp_path_factory.mktemp("lasting"), migrated, calls_per_s=1_000_000) as service:
        service.publish(1)
        yield service


class Running:
    """A service that `headrace service run` serves."""

    def __init__(self, folder: Path) -> None:
        from deploy.cloud import serve, tokens

        serve.init(folder)
        with (folder / "service.toml").open("a") as file:
            file.write("head_s = 2\n")
        database = serve.opened(folder)
        self.secrets = {role: tokens.add(database, role, role, 0)[1] for role in MAY}
        database.close()
        self.folder = folder
        self.start()

    def start(self) -> None:
        """Start the process and wait until it tells its URL."""
        argv = [*ARGV, "service", "run", str(self.folder), "--port", "0"]
        self.process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        found = re.search(r"http://[\d.:]+", said)
        if found is None:
            self.process.kill()
            pytest.fail(f"expected the service to tell its URL, found: {said}{self.process.communicate()[1]}")
        self.url = found[0]

    def stop(self, sign: int = signal.SIGTERM) -> str:
        """Stop it and return what else it said."""
        self.process.send_signal(sign)
        return self.process.communicate(timeout=30)[1]

    def headrace(self, role: Role, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of headrace with the token of ROLE."""
        env = {
            **os.environ,
            "HEADRACE_SERVICE": self.url,
            "HEADRACE_TOKEN": self.secrets[role],
            "COLUMNS": "200",
        }
        return subprocess.run(
            [*ARGV, *words], env=env, capture_output=True, text=True, check=False, timeout=60
        )

    def remote(self, role: Role) -> Remote:
        """Return it as a client with the token of ROLE."""
        return Remote(self.url, self.secrets[role])

    def line(self) -> socket.socket:
        """Return a connection to it."""
        found = urlsplit(self.url)
        return socket.create_connection((found.hostname, found.port), timeout=30)


@pytest.fixture
def start() -> type[Running]:
    """Return what starts a service in a folder."""
    return Running


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a service that runs in a process of its own."""
    service = Running(tmp_path_factory.mktemp("service"))
    yield service
    if service.process.poll() is None:
        service.stop()
