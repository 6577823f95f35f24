"""What a service and its releases do to one device, and what its folder must be after a cut.

    python -m deploy.testing.stories FOLDER SEED COUNT

lives the first COUNT steps and says `begin N` and `done N` around each. Step N is ruleset N: a new release,
one that is bad or fails in its trial, the one before again, a kill switch. One seed tells one story.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final
from unittest import mock

from deploy.device.disk import Disk, is_runnable
from deploy.device.words import Hinted
from deploy.testing.played import Noting, Played
from deploy.testing.shelf import Shelf, noise, sparse
from deploy.wire.assignment import Assigned

TASK: Final = "rank"
_KINDS: Final = ("new", "new", "new", "bad", "failing", "before", "halted", "restart")
_MODEL_BYTES: Final = 6_000


class Story:
    """The releases of a seed, and one device that lives it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.shelf = Shelf()
        self.host = Noting()
        self.device = Played(folder, self.shelf, self.host)

    def play(self, number: int, kind: str | None = None) -> None:
        """Let ruleset NUMBER be given out, and the device come to rest."""
        kind = kind or self.kind(number)
        device = self.device
        wanted = self.release(number - 1 if kind == "before" and number > 1 else number)
        self.device.host.bad.update({wanted.release} if kind == "bad" else ())
        if kind == "halted":
            self.shelf.assign(number, TASK)
        else:
            self.shelf.assign(number, rank=wanted)
        device.agent.tell(Hinted(0))
        device.live(20)
        if kind == "restart":
            device.restart()
        if device.host.running(TASK) is not None:
            device.passed(failures=9 if kind == "failing" else 0)

    def kind(self, number: int) -> str:
        """Return what step NUMBER is; the first release is good."""
        return "new" if number <= 1 else Random(f"{self.seed} {number}").choice(_KINDS)

    def release(self, number: int) -> Assigned:
        """Return the release of step NUMBER, whose model shares most with all others."""
        model = sparse(noise(self.seed, _MODEL_BYTES), 0.1, number)
        return self.shelf.release(f"n{number}", model, own=b"%d" % number)

    def close(self) -> None:
        """End the device."""
        self.device.close()


@contextmanager
def unsynced() -> Iterator[None]:
    """Let syncs cost nothing: a process that is killed leaves its writes to the system, synced or not."""
    with mock.patch.object(os, "fsync", _nothing):
        yield


def _nothing(handle: int) -> None:
    pass


def judge(folder: Path, seed: int, least: int) -> int:
    """Require of FOLDER what a device promises, and let it go on; return the ruleset that it knows.

    LEAST: the ruleset that it had said to be done.

    Raises:
        AssertionError: there is no runnable release, the ruleset went back, or it does not go on.
    """
    disk = Disk(folder)
    kept = disk.kept
    try:
        assert kept.ruleset >= least, f"expected ruleset {least} or later, found {kept.ruleset}"
        for name, task in kept.tasks.items():
            for what, one in (("active", task.active), ("fallback", task.fallback)):
                assert one is None or is_runnable(disk, one), f"{name}: {what} {one} is not runnable"
            assert least < 1 or task.active is not None, f"{name}: nothing to run after ruleset {least}"
        assert least < 1 or kept.tasks, f"no task after ruleset {least}"
    finally:
        disk.close()
    story = Story(seed, folder)
    try:
        running = story.device.host.running(TASK)
        halted = any(task.halted for task in kept.tasks.values())
        assert running is not None or halted or least < 1, "expected a release that runs, found none"
        story.play(kept.ruleset + 1, "new")
        assert story.device.host.running(TASK) == f"n{kept.ruleset + 1}", "it does not go on"
    finally:
        story.close()
    return kept.ruleset


def live(folder: Path, seed: int, first: int, count: int | None, output: int) -> None:
    """Live COUNT steps from FIRST on, None: without an end; say of each when it begins and is done."""
    story = Story(seed, folder)
    number = first
    while count is None or number < first + count:
        os.write(output, b"begin %d\n" % number)
        story.play(number)
        os.write(output, b"done %d\n" % number)
        number += 1
    story.close()


def main() -> None:
    """Live the story that the arguments name."""
    folder, seed, count = sys.argv[1:]
    live(Path(folder), int(seed), 1, int(count), 1)


if __name__ == "__main__":
    main()
