"""A log that recorded what it served, killed or damaged: no record is lost, none is wrong."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.testing.clock import FakeClock
from featuregraph.values import same
from stream import Engine, EventLog, StreamError
from stream.backfill.served import prove

pytestmark = pytest.mark.device

RECORDS = 30
FLIPS = 120
ROUNDS = 7
SERVING = Path(__file__).with_name("serving.py")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a log with records of several sizes, some on pages of their own."""
    path = tmp_path_factory.mktemp("sound") / "log.db"
    view = fg.Event.of("view", {"item": fg.category()})
    rows = fg.rows(view).over("1h")
    item = fg.candidate("item", fg.category())
    graph = fg.Graph("g", {"n": rows.count(), "a": rows.group_by(view["item"]).count().lookup(item)})
    with EventLog(path, clock=FakeClock(1_000), history_start_ms="all") as log:
        engine = Engine(log, key="u")
        id = engine.install(graph.compile())
        for n in range(RECORDS):
            engine.append({"event": "view", "ts_ms": n, "item": "ab"[n % 2]})
            engine.extract(id, candidates={"item": ["a" * 99] * 4 * n}, record=True)
    return path


def told(path: Path) -> tuple[list[tuple[int, Any]], int]:
    """Return the records that can be read, and how many findings there are."""
    found: list[Any] = []
    with EventLog(path, read_only=True) as log:
        records = [(one.id, dict(one.vector.values)) for one in log.served(tell=found.append)]
        # Where a page is gone without a trace SQLite's own check names it.
        return records, len(found) or len(log.check())


def outcome(path: Path, call: Callable[[Path], Any]) -> Any:
    """Return what CALL gives; None for an error of the package, which is one line."""
    try:
        return call(path)
    except StreamError as error:
        message = str(error)
    assert "\n" not in message
    return None


def test_flipped_bits(sound: Path, tmp_path: Path) -> None:
    """What is read is what was written; what is not is found; errors are of the log, in one line."""
    true = dict(told(sound)[0])
    assert len(true) == RECORDS
    rng = random.Random(3)
    damaged = complete = 0
    for _ in range(FLIPS):
        path = Path(shutil.copy(sound, tmp_path / "log.db"))
        content = bytearray(path.read_bytes())
        for _ in range(rng.choice((1, 1, 40))):
            content[rng.randrange(100, len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        found = outcome(path, told)
        if found is None:
            continue
        records, findings = found
        assert all(same(values, true[id]) for id, values in records)
        assert len(records) == RECORDS or findings
        complete += len(records) == RECORDS
        damaged += 0 < len(records) < RECORDS
        proof = outcome(path, partial(prove, sample=2))
        assert proof is None or proof.records <= 2
        assert proof is None or not proof.unequal
    assert complete > 10
    assert damaged > 10


@pytest.mark.parametrize("sync", ["batch", "full"])
def test_no_answer_that_was_given_lacks_its_record(tmp_path: Path, sync: str) -> None:
    """Killed again and again, the log has the records of the latest answers, and each is computed again."""
    path = tmp_path / "events.db"
    chance = random.Random(sync)
    following = 0
    for _ in range(ROUNDS):
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
