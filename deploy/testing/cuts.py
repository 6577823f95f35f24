"""The power fails under an agent at any write: what its disk may hold is opened, judged and gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from deploy.testing.stories import judge, unsynced
from stream.testing.disk import Content, Disk, Mark, Operation


@dataclass(slots=True)
class Survey:
    """What was looked at."""

    boundaries: int = 0  # places between two changes of the disk
    states: int = 0  # different contents that the disk may have had there
    opened: int = 0  # of these


def command(folder: Path, seed: int, count: int) -> list[str]:
    """Return the arguments of Python for a process to record."""
    return ["-m", "deploy.testing.stories", str(folder), str(seed), str(count)]


def power_cuts(
    operations: Sequence[Operation], seed: int, folder: Path, *, share: float = 1.0, tries: int = 3
) -> Survey:
    """Cut the power after each of OPERATIONS and judge what the disk may hold; AssertionError if it is wrong.

    share: of the different contents, how many are judged, by chance. tries: contents by chance at each place.
    """
    survey, disk, done = Survey(), Disk(), 0
    seen: dict[object, int | None] = {}
    chance = Random(f"share {seed}")
    for number, operation in enumerate(operations):
        if isinstance(operation, Mark) and operation.text.startswith("done"):
            done = int(operation.text.split()[1])
        disk.take(operation)
        survey.boundaries += not isinstance(operation, Mark)
        for content in disk.outcomes(Random(f"{seed} {number}"), tries):
            digest = tuple((name, len(data), hash(data)) for name, data in sorted(content.items()))
            if digest not in seen:
                wanted = chance.random() < share
                seen[digest] = _after(folder, content, seed, done, number) if wanted else None
                survey.opened += wanted
            ruleset = seen[digest]
            assert ruleset is None or ruleset >= done, f"operation {number}: ruleset {ruleset} after {done}"
    survey.states = len(seen)
    return survey


def _after(folder: Path, content: Content, seed: int, done: int, number: int) -> int:
    for file in folder.iterdir():
        file.unlink()
    for name, data in content.items():
        (folder / name).write_bytes(data)
    try:
        with unsynced():  # what is judged lies there already
            return judge(folder, seed, done)
    except Exception as error:
        raise AssertionError(f"seed {seed}, operation {number}: {error}") from error
