"""An agent that is cut off or killed at any point has a release to run, and its ruleset never goes back.

A sample; `make crash` does all.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy.testing.cuts import command, power_cuts
from deploy.testing.kills import killed
from stream.testing.disk import Operation, Sync
from stream.testing.recording import record, strace

pytestmark = pytest.mark.device

SEED, STEPS = 4, 6
OPENED = 60  # contents, about
KILLS = 25


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Operation]:
    """Return what an agent did to its files; skip where nobody can tell."""
    if strace() is None:
        pytest.skip("strace is not installed or may not trace here: calls of a process cannot be recorded")
    place = tmp_path_factory.mktemp("agent")
    (place / "device").mkdir()
    return record(
        [sys.executable, *command(place / "device", SEED, STEPS)], place / "device", place / "trace"
    )


def test_power_is_cut(operations: Sequence[Operation], tmp_path: Path) -> None:
    """Every boundary of six updates is looked at; what is opened has a runnable release and goes on."""
    survey = power_cuts(operations, SEED, tmp_path, share=OPENED / 8 / len(operations))
    assert survey.boundaries > 150
    assert survey.states > survey.boundaries
    assert survey.opened > 10


def test_an_agent_that_did_not_sync_would_be_found_out(
    operations: Sequence[Operation], tmp_path: Path
) -> None:
    """The same life without its syncs breaks the promise: the test can fail."""
    unsynced = [one for one in operations if not isinstance(one, Sync)]
    with pytest.raises(AssertionError, match="operation"):
        power_cuts(unsynced, SEED, tmp_path, share=0.1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")
def test_agents_are_killed(tmp_path: Path) -> None:
    """Killed again and again, a device has a release to run and goes on with the next ruleset."""
    found = killed(KILLS, random.randrange(1 << 30), tmp_path)
    assert found.rounds == KILLS
    assert found.inside > 0
