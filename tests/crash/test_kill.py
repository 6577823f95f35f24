"""A process that dies at any point loses no event that it was told was taken, and keeps no half of a call."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream.backfill.served import prove
from stream.codec import full_decoder
from stream.log import EventLog

pytestmark = pytest.mark.device

ROUNDS = 15
SCRIPT = Path(__file__).with_name("appending.py")
SERVING = Path(__file__).with_name("serving.py")


@pytest.mark.parametrize("sync", ["batch", "full"])
def test_no_acknowledged_event_is_lost(tmp_path: Path, sync: str) -> None:
    """Killed again and again, the log has what was acknowledged, whole calls only, and is sound."""
    path = tmp_path / "events.db"
    chance = random.Random(sync)
    acknowledged: set[int] = set()
    following = 0
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", SCRIPT.read_text(), str(path), sync, str(following)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process, process.stdout as lines:
            acknowledged.update(_range(lines.readline()))
            time.sleep(chance.uniform(0, 0.05))
            process.kill()
            acknowledged.update(i for line in lines.read().split() for i in _range(line))
        with EventLog(path) as log:
            rows = log.rows_after(0)
            held = [int(row.event_id or -1) for row in rows]
            assert acknowledged <= set(held)
            assert held == list(range(len(held)))
            decode = full_decoder()
            calls = {i for row in rows for i in _range(decode(row.payload)["call"].encode())}
            assert calls == set(held)
            assert log.check() == []
            assert [row.id for row in rows] == sorted(row.id for row in rows)
            following = len(held)
    assert following > ROUNDS


def _range(line: bytes) -> range:
    first, _, last = line.partition(b"-")
    return range(int(first), int(last) + 1)


@pytest.mark.parametrize("sync", ["batch", "full"])
def test_no_answer_that_was_given_lacks_its_record(tmp_path: Path, sync: str) -> None:
    """Killed again and again, the log has the records of the latest answers, and each is computed again."""
    path = tmp_path / "events.db"
    chance = random.Random(sync)
    following = 0
    for _ in range(ROUNDS // 2):
        command = [sys.executable, "-c", SERVING.read_text(), str(path), sync, str(following)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process, process.stdout as lines:
            given = int(lines.readline())
            time.sleep(chance.uniform(0, 0.05))
            process.kill()
            given = max([given, *map(int, lines.read().split())])
        with EventLog(path) as log:
            kept = [int(one.asked.request_id or -1) for one in log.served()]
            assert log.check() == []
        assert kept[-1] in (given, given + 1)  # the last one may have been kept and not yet told
        assert kept == list(range(kept[-1] + 1))[-40:]
        found = prove(path)
        assert (found.ok, found.records) == (True, len(kept))
        following = kept[-1] + 1


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
