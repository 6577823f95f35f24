"""A PostgreSQL of one's own, from the system's binaries, for as long as a block runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

BINARIES: Final = Path("/usr/lib/postgresql")  # where Debian has a folder per version
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file system without a disk; mkdtemp names the folder
DATABASE: Final = "postgres"
_WORDS: Final = "-c listen_addresses= -c fsync=off -c shared_buffers=16MB -c max_connections=40"


def is_there() -> bool:
    """Tell whether this machine has its binaries."""
    return bool(_folders())


@contextmanager
def postgres() -> Iterator[str]:
    """Give the URL of its database, which is empty and gone afterwards."""
    room = Path(tempfile.mkdtemp(prefix="headrace-pg-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        if os.getuid() == 0:  # the server refuses to run as root
            shutil.chown(room, "nobody")
        data = str(room / "data")
        _run(room, "initdb", "-D", data, "-U", "headrace", "-A", "trust", "--no-sync")
        _run(room, "pg_ctl", "-D", data, "-w", "-l", str(room / "log"), "-o", f"-k {room} {_WORDS}", "start")
        try:
            yield f"postgresql://headrace@/{DATABASE}?unix_sock={room}/.s.PGSQL.5432"
        finally:
            _run(room, "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _folders() -> list[Path]:
    return sorted(BINARIES.glob("*/bin"), reverse=True)


def _run(room: Path, program: str, *words: str) -> None:
    user = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.getuid() == 0 else ()
    call = [*user, str(_folders()[0] / program), *words]
    subprocess.run(  # noqa: S603 - the system's own programs
        call, check=True, cwd=room, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60
    )
