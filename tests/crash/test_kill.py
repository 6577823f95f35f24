"""A process that dies at any point loses no event that it was told was taken, and keeps no half of a call."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from stream.log import EventLog
from stream.testing.killing import killed

pytestmark = pytest.mark.device

ROUNDS = 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")
@pytest.mark.parametrize("sync", ["batch", "full"])
def test_no_acknowledged_event_is_lost(tmp_path: Path, sync: str) -> None:
    """Killed again and again, a log holds what was acknowledged, whole calls only, right, and goes on.

    `make crash` kills 1,000 processes.
    """
    found = killed(ROUNDS, sync, f"test {random.random()}", tmp_path)
    assert found.rounds == ROUNDS
    assert found.steps > ROUNDS // 2
    assert found.inside


@pytest.mark.parametrize("moment", range(6))
def test_killed_while_the_file_is_made(tmp_path: Path, moment: int) -> None:
    """A process killed while it makes the file leaves one that opens."""
    path = tmp_path / "events.db"
    kill = (
        "import os, signal, sqlite3, sys\n"
        "from stream import store\n"
        "from stream.log import EventLog\n"
        "made = sqlite3.connect\n"
        "class Dying(sqlite3.Connection):\n"
        "    left = int(sys.argv[2])\n"
        "    def execute(self, sql, *args):\n"
        "        if not sql.startswith('PRAGMA'):\n"
        "            Dying.left -= 1\n"
        "        if Dying.left < 0:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return super().execute(sql, *args)\n"
        "store.sqlite3.connect = lambda *a, **k: made(*a, **k, factory=Dying)\n"
        "EventLog(sys.argv[1])\n"
    )
    found = subprocess.run([sys.executable, "-c", kill, str(path), str(3 * moment)], check=False)
    assert found.returncode == -9
    with EventLog(path) as log:
        assert log.append({"event": "e", "ts_ms": 1, "user_id": "u"}).accepted == 1
        assert log.check() == []
