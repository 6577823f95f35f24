"""Flipped bits in a log that recorded what it served: no wrong record, no crash, every other one is read."""

from __future__ import annotations

import random
import shutil
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
