"""A run keeps to the memory that it is given: measured on a process of its own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")


def spilling() -> Any:
    """Return the script beside this file."""
    spec = importlib.util.spec_from_file_location("spilling", Path(__file__).with_name("spilling.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.platform != "linux", reason="a process is told its own peak there")
@pytest.mark.parametrize(
    ("events", "keys", "key"),
    [(3_000_000, 50_000, "user_id"), (1_000_000, 1_000_000, "user_id"), (2_000_000, 50_000, "item_id")],
)
def test_more_events_than_memory(tmp_path: Path, events: int, keys: int, key: str) -> None:
    """Three million events of 24 bytes and more, and a million keys of one event, are replayed in 300 MiB."""
    script = spilling()
    script.prepare(tmp_path, events, keys, key)
    found, whole = (script.measured(tmp_path, memory, key) for memory in ("300MiB", ""))
    assert found["events"] == events
    assert found["mib"] < 300 < whole["mib"]
    assert found["digest"] == whole["digest"]
