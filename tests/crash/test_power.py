"""The power fails between any two writes: what was promised is there, and what is there is right.

A sample of the contents that the disk may hold; `make crash` opens all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from stream.testing.disk import Operation, Sync
from stream.testing.lives import LIVES
from stream.testing.survivors import power_cuts

pytestmark = pytest.mark.device

OPENED = 30  # contents, about, of each life
NAMED = [pytest.param(number, id=life.name) for number, life in enumerate(LIVES)]
Recorded = Callable[[int], Sequence[Operation]]


@pytest.mark.parametrize("life", NAMED)
def test_power_is_cut(life: int, recorded: Recorded, tmp_path: Path) -> None:
    """Every boundary of a life is looked at; what is opened holds what was promised, is right and goes on."""
    operations = recorded(life)
    survey = power_cuts(LIVES[life], operations, tmp_path, share=OPENED / 5 / len(operations))
    assert survey.boundaries > 40
    assert survey.states > 2 * survey.boundaries
    assert survey.opened > 5
    assert (survey.steps_lost == 0) == (LIVES[life].sync == "full")


@pytest.mark.parametrize("life", [0, 2])
def test_a_log_that_did_not_sync_would_be_found_out(life: int, recorded: Recorded, tmp_path: Path) -> None:
    """The same life without its syncs breaks the promise: the test can fail."""
    unsynced = [one for one in recorded(life) if not isinstance(one, Sync)]
    with pytest.raises((AssertionError, OSError)):
        power_cuts(LIVES[life], unsynced, tmp_path, share=0.05)


def test_a_life_that_promised_too_much_would_be_found_out(recorded: Recorded, tmp_path: Path) -> None:
    """What sync="batch" does is not what sync="full" promises."""
    with pytest.raises(AssertionError, match="expected"):
        power_cuts(LIVES[0], recorded(1), tmp_path, share=0.05)
