"""A training set keeps to the memory that it is given, or says what does not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featuregraph as fg
from stream import BackfillError, Recipe, training_set

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

EVENTS, BUYS = 400_000, 20  # of so many events one asks
VIEW = fg.Event.of("view", {"item_id": "identifier"})


class Item(fg.Candidate):
    """An item that may be shown."""

    item_id = fg.identifier()


FEATURES = {"seen": fg.rows(VIEW).group_by(VIEW["item_id"]).count().lookup(Item.item_id)}
SCRIPT = Path(__file__).with_name("taking.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with recorded events."""
    rng = np.random.default_rng(1)
    names = pa.array(np.where(np.arange(EVENTS) % BUYS, "view", "buy"))
    columns = {
        "event": names,
        "user_id": pa.array(rng.integers(0, 5_000, EVENTS)).cast(pa.string()),
        "item_id": pa.array(rng.integers(0, 500, EVENTS)).cast(pa.string()),
        "ts_ms": np.arange(EVENTS) * 100,
    }
    found = tmp_path_factory.mktemp("taking")
    pq.write_table(pa.table(columns), found / "events.parquet", row_group_size=1 << 16)
    return found


def made(folder: Path, memory: str, negatives: int) -> dict[str, Any]:
    """Return what a fresh process says."""
    command = [sys.executable, str(SCRIPT), str(folder), memory, str(negatives)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="a process is told its own peak there")
def test_what_fits_is_made_within_it(folder: Path) -> None:
    """Twenty thousand queries with four negatives each take less than 280 MiB."""
    found = made(folder, "280MiB", 4)
    assert found["rows"] == EVENTS // BUYS
    assert found["mib"] < 280


@pytest.mark.parametrize(
    ("memory", "negatives", "said"),
    [
        ("186MiB", 4, r"expected the events buy in 0\.3 MiB, found more after"),
        ("280MiB", 100, "expected 20,000 queries with 2,020,000 values of candidates in 96 MiB"),
    ],
)
def test_what_does_not_fit_is_refused(folder: Path, memory: str, negatives: int, said: str) -> None:
    """In one line, before it takes the memory."""
    out, plan = folder / "refused", fg.Graph("g", FEATURES).compile()
    with pytest.raises(BackfillError, match=said) as told:
        training_set(plan, folder / "events.parquet", out, Recipe("buy", negatives=negatives), memory=memory)
    assert "\n" not in str(told.value)
    assert not out.exists()
