"""Long use leaves memory, files and open files as they were, and values right.

`make soak` goes on for longer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.testing.endurance import endured

pytestmark = pytest.mark.device

MEMORY_MIB = 6.0  # may come and go: the allocator's, and pages of the file


def test_many_events(tmp_path: Path) -> None:
    """A hundred thousand events, a third of them held: once a week is full, nothing grows."""
    found = endured("append", 100_000, tmp_path)
    assert found.held < 50_000
    half = len(found.memory_mib) // 2
    assert max(found.memory_mib[half:]) < found.memory_mib[half] + MEMORY_MIB, found
    assert max(found.files_mib[half:]) < 1.2 * max(found.files_mib[: half + 1]), found


def test_a_month_of_use(tmp_path: Path) -> None:
    """A month with restarts and a clock that jumps by days: right values, no growth after the first ten."""
    found = endured("days", 30, tmp_path)
    assert found.cells > 500
    assert max(found.memory_mib[10:]) < found.memory_mib[10] + MEMORY_MIB, found.memory_mib
    assert max(found.files_mib[10:]) < 1.2 * max(found.files_mib[:10]), found.files_mib
    assert max(found.open_files) <= found.open_files[0] + 1, found.open_files


def test_one_writes_and_four_extract(tmp_path: Path) -> None:
    """Whatever the threads do to each other, each vector is the reference's."""
    found = endured("threads", 2.0, tmp_path)
    assert found.written > 10
    assert found.extracted > 20
    assert found.compared > 3
