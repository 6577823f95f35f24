"""The folder of a service: made once, and served until a signal."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

from deploy.cloud.answers import Sign
from deploy.cloud.app import Application, application
from deploy.cloud.database import Database
from deploy.cloud.protocol import Guarded
from deploy.cloud.rehearsed import Rehearse
from deploy.cloud.settings import SETTINGS, database_url, read_settings
from deploy.cloud.signer import ONLINE
from deploy.errors import ServiceError
from deploy.trust import keys
from deploy.trust.assignments import sign
from deploy.wire.assignment import AssignmentManifest, SignedAssignment

KEY: Final = "assignment"
MAX_CONNECTIONS: Final = 10_000
STOP_S: Final = 20  # for requests that run when a signal comes
_FIRST: Final = "# docs/how-to/run-the-service.md has all settings\npoll_s = 900\nvalid_s = 86400\n"


def init(folder: Path) -> keys.PublicKey:
    """Make or bring up to date the service in FOLDER; return the key that its answers are signed by.

    What is there stays: settings, keys and rows.
    """
    (folder / "keys").mkdir(parents=True, exist_ok=True)
    (folder / "keys").chmod(0o700)
    settings = folder / SETTINGS
    if not settings.exists():
        settings.write_text(_FIRST, "utf-8")
    for name in (KEY, *ONLINE):
        if not (folder / "keys" / name).exists():
            keys.write(folder / "keys" / name, keys.generate())
    database = opened(folder)
    try:
        database.migrate()
    finally:
        database.close()
    return keys.read_public(keys.public_file(folder / "keys" / KEY))


def opened(folder: Path) -> Database:
    """Return the database of FOLDER."""
    return Database(database_url(folder, read_settings(folder)))


def signing(folder: Path) -> Sign:
    """Return what signs answers with FOLDER's key."""
    key = keys.read(folder / "keys" / KEY)

    def signs(manifest: AssignmentManifest) -> SignedAssignment:
        return sign(manifest, [key])

    return signs


class Server(uvicorn.Server):
    """uvicorn's server, which lets go of lines held for hints when it is told to stop."""

    def __init__(self, config: uvicorn.Config, app: Application) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        if self._app.service is not None:
            self._app.service.listeners.close()
        super().handle_exit(sig, frame)


def server(folder: Path, rehearse: Rehearse | None = None) -> Server:
    """Return the server of FOLDER's service, which has not begun yet; REHEARSE as of `application`.

    Raises:
        ServiceError: its settings are wrong, or its database is of another version.
        TrustError: it has no key that may be used.
    """
    settings = read_settings(folder)
    app = application(folder, settings, signing(folder), rehearse=rehearse)
    app.prove()
    config = uvicorn.Config(
        app,
        http=partial(Guarded, head_s=settings.head_s),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=STOP_S,
    )
    return Server(config, app)


def run(
    folder: Path, host: str, port: int, tell: Callable[[str], object], rehearse: Rehearse | None = None
) -> None:
    """Serve FOLDER until a signal; what was accepted is kept then.

    Args:
        folder: of the service.
        host: where it listens.
        port: where it listens; 0: any free one.
        tell: is given the URL once it can be asked.
        rehearse: runs bundles on recorded events.
    """
    serving = server(folder, rehearse)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=2_048) as listening:
        shown = f"[{host}]" if ":" in host else host
        tell(f"http://{shown}:{listening.getsockname()[1]}")
        serving.run([listening])
    if not serving.started:
        raise ServiceError(f"{folder}: expected the service to begin, found a fault; see its log above")
