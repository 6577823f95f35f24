"""What a log must be once its process or the power was gone: a prefix of its life, sound, right, going on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from featuregraph.values import same
from stream.backfill.served import prove
from stream.testing.disk import Content, Disk, Mark, Operation, SyncNames
from stream.testing.expected import Expected, expected, held
from stream.testing.lives import KEYS, Life, Step
from stream.testing.playing import Player

LOG = "events.db"  # the name of the log in the folder of a recorded life


@dataclass(slots=True)
class Survey:
    """What was looked at."""

    boundaries: int = 0  # places between two changes of the disk
    states: int = 0  # different contents that the disk may have had there
    opened: int = 0  # of these, by a log
    steps_lost: int = 0  # at most, of those that were done


def power_cuts(
    life: Life, operations: Sequence[Operation], folder: Path, *, share: float = 1.0, tries: int = 3
) -> Survey:
    """Cut the power after each of OPERATIONS of LIFE and open what the disk may hold then.

    share: of the different contents, how many are opened, by chance. tries: contents by chance at each place.
    """
    told, survey = expected(life), Survey()
    seen: dict[object, Sequence[int] | None] = {}
    disk, begun, done = Disk(), 0, 0
    # Before it stands what the process found, which is on the disk.
    start = next(number for number, operation in enumerate(operations) if isinstance(operation, SyncNames))
    chance = Random(life.name)
    for number, operation in enumerate(operations):
        if isinstance(operation, Mark):
            begun += operation.text.startswith("begin")
            done += operation.text.startswith("done")
        disk.take(operation)
        if number < start:
            continue
        survey.boundaries += not isinstance(operation, Mark)
        least = life.certain(done)
        for content in disk.outcomes(Random(f"{life.name} {number}"), tries):
            digest = _digest(content)
            if digest not in seen:
                wanted = chance.random() < share
                seen[digest] = _after(life, told, folder, content, least, begun) if wanted else None
                survey.opened += wanted
            places = seen[digest]
            if places is not None:
                assert _within(places, least, begun), (
                    f"{life.name}, operation {number}: expected {least} to {begun} steps, found {places}"
                )
                survey.steps_lost = max(survey.steps_lost, done - places[-1])
    survey.states = len(seen)
    return survey


def _after(
    life: Life, told: Sequence[Expected], folder: Path, content: Content, least: int, most: int
) -> Sequence[int]:
    """Open what the disk holds and go on to the end of LIFE; return after how many steps it stood."""
    for file in folder.iterdir():
        file.unlink()
    for name, data in content.items():
        (folder / name).write_bytes(data)
    player = Player(
        str(folder / LOG), "batch", life.checkpoint_pages, life.limits, life.pace, told[most].graph
    )
    try:
        places = survived(player, told, least, most)
        _proved(player, life.steps[:least])
        for step in life.steps[places[-1] :]:
            player.play(step)
        player.play({"restart": True})
        assert held(player.log) == told[-1].held, f"{life.name}: it does not go on from {places[-1]}"
        assert player.log.check() == []
    finally:
        player.close()
    return places


def _proved(player: Player, steps: Sequence[Step]) -> None:
    """Raise AssertionError unless the answers that are left are right, with the last one of STEPS."""
    ids = [one.id for one in player.log.served()]
    found = prove(player.path) if ids else None
    # What was trimmed under an answer cannot be computed again: that is counted, and no cell is another.
    wrong = found is not None and (found.unequal or found.damaged or found.unplaced)
    assert not wrong, f"{player.path}: expected answers that were given, found {found}"
    asked = [place for place, step in enumerate(steps) if "extract" in step]
    if asked and not any("forget" in step for step in steps[asked[-1] :]):
        least = len(asked) * len(KEYS)
        assert max(ids, default=0) >= least, f"{player.path}: expected record {least}, found {ids}"


def _digest(content: Content) -> tuple[tuple[str, int, int], ...]:
    # The hash of what did not change since the last boundary is known already.
    return tuple((name, len(data), hash(data)) for name, data in sorted(content.items()))


def survived(player: Player, told: Sequence[Expected], least: int, most: int) -> list[int]:
    """Return after which numbers of steps the log of PLAYER may stand; raise AssertionError if it is wrong.

    TOLD: what it holds after each number of steps. LEAST of them it must know, more than MOST it cannot.
    """
    found = held(player.log)
    places = [place for place, one in enumerate(told) if one.held == found]
    assert _within(places, least, most), (
        f"{player.path}: expected what is held after {least} to {most} steps, found"
        f" {f'that after {places}' if places else f'{len(found)} rows of no moment'}"
    )
    assert player.log.check() == [], f"{player.path}: {player.log.check()}"
    right(player, told[places[-1]])
    return places


def _within(places: Sequence[int], least: int, most: int) -> bool:
    return any(least <= place <= most for place in places)


def right(player: Player, told: Expected) -> None:
    """Raise AssertionError unless the engine of PLAYER gives the reference's values."""
    player.clock.set(told.clock_ms)
    if player.graph != told.graph:
        player.upgrade(told.graph)
    asked = [(key, t) for key in KEYS for t in told.moments()]
    for (key, t), values in zip(asked, told.values, strict=True):
        found = player.extract(key, t)
        assert same(dict(found), dict(values)), f"{key} at {t}: expected {values}, found {found}"
