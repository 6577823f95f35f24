"""The packaged slice: what is on disk is what the documents say, and every event is whole."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from headrace.retail import slice as retail
from headrace.retail.task import HELD_OUT

pytestmark = pytest.mark.device

HOME = files("headrace.retail")
TOP = Path(__file__).parents[2]


def test_the_readme_knows_the_file() -> None:
    """The README beside the slice names its hash, its size, and the numbers of lines, customers and items."""
    said = HOME.joinpath("README.md").read_text(encoding="utf-8")
    content = HOME.joinpath("slice.npz").read_bytes()
    log = retail.load()
    assert hashlib.sha256(content).hexdigest() in said
    for number in (len(content), len(log), len(log.customers), len(log.items)):
        assert re.search(rf"\b{number:,}\b", said), number


def test_attribution_is_beside_the_data() -> None:
    """Whoever gets the slice gets its authors, its source and its licence."""
    said = HOME.joinpath("README.md").read_text(encoding="utf-8")
    for words in ("Daqing Chen", "Sai Liang Sain", "Kun Guo", "10.24432/C5BW33", "CC BY 4.0"):
        assert words in said


def test_lines_are_in_order_and_in_range() -> None:
    """Times never fall, and every position points into its list of names."""
    log = retail.load()
    assert (np.diff(log.minute) >= 0).all()
    for column, names in ((log.customer, log.customers), (log.item, log.items), (log.country, log.countries)):
        assert set(np.unique(column).tolist()) == set(range(len(names)))
    assert len(np.unique(log.source)) == len(log)
    assert ((log.quantity < 0) == log.cancel).all()


def test_packing_and_reading_are_inverse(tmp_path: Path) -> None:
    """A slice that is written and read again has the same columns with the same types."""
    log = retail.load()
    np.savez_compressed(tmp_path / "again.npz", allow_pickle=False, **retail.pack(log))
    again = retail.read(tmp_path / "again.npz")
    for name, column in retail.pack(log).items():
        other = retail.pack(again)[name]
        assert column.dtype == other.dtype
        assert np.array_equal(column, other)


def test_events_are_canonical() -> None:
    """The first event of the source is given as the canonical log has it; prices are exact text."""
    (event,) = retail.load().events(slice(0, 1))
    assert event == {
        "event_id": "retail:0",
        "user_id": "17850",
        "session_id": "536365",
        "event": "purchase",
        "ts_ms": 1291191960000,
        "item_id": "85123A",
        "quantity": 6,
        "unit_price": "2.55",
        "country": "United Kingdom",
    }


def test_between_is_half_open() -> None:
    """The lines of two adjoining spans are all lines, each once."""
    log = retail.load()
    before, after = log.between(0, HELD_OUT), log.between(HELD_OUT, 2**62)
    assert (before.start, before.stop, after.stop) == (0, after.start, len(log))
    assert log.ts_ms[before].max() < HELD_OUT <= log.ts_ms[after].min()


@pytest.mark.checkout
@pytest.mark.logs
def test_the_slice_is_the_logs(logs: Path) -> None:
    """Cut again from the source tables, the slice is the same, and each event equals its row there."""
    script = TOP / "examples" / "make_retail_slice.py"
    args = [sys.executable, str(script), str(logs / "online_retail"), "--check"]
    done = subprocess.run(args, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
