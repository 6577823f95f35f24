"""A disk that refuses a call, or all calls from one on: one line, and nothing that was done is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from stream.testing.disk import Operation
from stream.testing.faults import possible, suffer

pytestmark = pytest.mark.device

TRIED = 4
Recorded = Callable[[int], Sequence[Operation]]


@pytest.mark.parametrize("life", [0, 1, 2])
def test_calls_are_refused(life: int, recorded: Recorded, tmp_path: Path) -> None:
    """A sample of the faults; `make crash` tries every one."""
    failed = 0
    for fault in Random(life).sample(possible(recorded(life)), TRIED):
        failed += bool(suffer(life, fault, tmp_path).errors)
    assert failed > TRIED // 2


def test_a_refused_sync_is_told_as_what_it_is(recorded: Recorded, tmp_path: Path) -> None:
    """Whether such a call was kept nobody knows yet, and the line does not say that it was not."""
    syncs = [fault for fault in possible(recorded(0)) if fault.call == "fdatasync" and fault.for_good]
    told = suffer(0, syncs[len(syncs) // 2], tmp_path)
    assert "unsynced" in told.ends
    (said,) = {one.partition(": ")[2] for one in told.errors if "while appending" in one}
    assert "whether this call was kept shows when the log is opened anew" in said
    assert "nothing of this call" not in said
