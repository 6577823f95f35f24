"""A database of each kind, empty and migrated; PostgreSQL is started here from the system's binaries."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")  # noqa: S108 - a file system without a disk; mkdtemp names the folder
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the URL of a PostgreSQL server without its database; skip where none is installed."""
    if not BINARIES:
        pytest.skip("no PostgreSQL below /usr/lib/postgresql: apt install postgresql")
    room = Path(tempfile.mkdtemp(prefix="headrace-pg-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        if os.getuid() == 0:  # the server refuses to run as root
            shutil.chown(room, "nobody")
        _run(room, "initdb", "-D", str(room / "data"), "-U", "headrace", "-A", "trust", "--no-sync")
        words = f"-k {room} -c listen_addresses= -c fsync=off -c shared_buffers=16MB -c max_connections=40"
        _run(room, "pg_ctl", "-D", str(room / "data"), "-w", "-l", str(room / "log"), "-o", words, "start")
        try:
            yield f"postgresql://headrace@/{{name}}?unix_sock={room}/.s.PGSQL.5432"
        finally:
            _run(room, "pg_ctl", "-D", str(room / "data"), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _run(room: Path, program: str, *words: str) -> None:
    user = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.getuid() == 0 else ()
    call = [*user, str(BINARIES[0] / program), *words]
    subprocess.run(
        call, check=True, cwd=room, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/service.db"
        return
    import sqlalchemy

    server = request.getfixturevalue("postgres").replace("postgresql:", "postgresql+pg8000:")
    engine = sqlalchemy.create_engine(server.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    yield server.format(name="postgres")
