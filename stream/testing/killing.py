"""Processes that write to a log and are killed (SIGKILL) at moments by chance, again and again.

    python -m stream.testing.killing ROUNDS SYNC SEED FOLDER

Each process goes on where the one before was killed, in the same file for `_ROUNDS_A_FILE` rounds. They are
forked from this one, which holds no log and runs no thread then: a kill costs no interpreter's start.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, takewhile
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from stream.blocks.sealing import Sealing
from stream.limits import Limits
from stream.pace import PACE, Pace
from stream.schema import FORMAT
from stream.store import Sync
from stream.testing.expected import Expected
from stream.testing.lives import KEYS, PLAIN, SEALED, TIGHT, Step, random_steps
from stream.testing.playing import Player, begin, tell
from stream.testing.survivors import LOG, survived

_ROUNDS_A_FILE: Final = 10
_FOUND: Final = 12  # steps at most that a log of an older format had seen
_OPENING_S: Final = 0.008  # about what it takes to open a log
_LONGEST_S: Final = 0.03  # from the last line that is waited for to the kill
_MOST_LINES: Final = 12  # that are waited for, however slow the machine is; a step says two
_LIMITS: Final = (
    PLAIN,
    SEALED,
    replace(PLAIN, sealing=Sealing(most_tail=30, least_tail=5, own=4, most_events=16)),
)
_CHECKPOINTS: Final = (3, 10, 40, 1_000)  # pages, so that many kills hit the copying of the write-ahead log


class Kills(msgspec.Struct):
    """What was done to the processes."""

    rounds: int = 0
    steps: int = 0  # that survived
    events: int = 0  # held in the end, in all files together
    inside: dict[str, int] = {}  # kills in the middle of a step, by what it does
    saved: int = 0  # keys whose states were found saved, and were right with what came since
    kept: int = 0  # of those, steps that were there all the same
    making: int = 0  # kills before the log was open
    upgrading: int = 0  # of those, while it was of an older format


def killed(rounds: int, sync: str, seed: str, folder: Path) -> Kills:
    """Do as `kill` in a process of its own, since one with threads cannot fork safely."""
    command = [sys.executable, "-m", __name__, str(rounds), sync, seed, str(folder)]
    found = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    assert found.returncode == 0, f"kills with seed {seed!r}, sync {sync}: {found.stderr[-3000:]}"
    return msgspec.json.decode(found.stdout, type=Kills)


def kill(rounds: int, sync: Sync, seed: str, folder: Path) -> Kills:
    """Kill ROUNDS processes; raise AssertionError where a log is not what it must be."""
    kills, chance = Kills(), Random(f"kill {seed}")
    while kills.rounds < rounds:
        path = folder / f"{kills.rounds}-{LOG}"
        steps = _Steps(f"{seed} {kills.rounds}")
        if old := chance.randrange(FORMAT):
            # The oldest format kept no answers.
            found = list(takewhile(lambda step: "serve" not in step, steps.following(_FOUND)))
            begin(str(path), found, old)
            steps.go(len(found))
        for place in range(min(_ROUNDS_A_FILE, rounds - kills.rounds)):
            # The first is killed while the log is made, or brought to this format.
            begun = _round(path, sync, steps, chance, kills, early=place == 0)
            kills.upgrading += place == 0 and bool(old) and not begun
        kills.events += sum(len(rows) for rows in steps.now.log.rows.values())
        for file in folder.glob(f"{path.name}*"):
            file.unlink()
    return kills


class _Steps:
    """Steps without end, and what the log holds after those that survived."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.done = 0
        self.now = Expected()
        self._ahead: list[Step] = []
        self._more = random_steps(seed)

    def following(self, count: int) -> list[Step]:
        """Return the next COUNT steps."""
        self._ahead.extend(islice(self._more, max(0, count - len(self._ahead))))
        return self._ahead[:count]

    def go(self, count: int) -> None:
        """Take the next COUNT steps as survived."""
        for step in self.following(count):
            self.now = self.now.after(step)
        self.done += count
        del self._ahead[:count]


def _round(path: Path, sync: Sync, steps: _Steps, chance: Random, kills: Kills, *, early: bool) -> int:
    """Kill one process and judge its log; return how many steps it had begun."""
    begun, done = _killed(path, sync, steps, chance, early=early)
    told = [steps.now]
    for step in steps.following(begun):
        told.append(told[-1].after(step))
    player = Player(str(path), sync, graph=steps.now.graph)
    try:
        kills.saved += sum(player.log.snapshot_of(key) is not None for key in KEYS)
        places = survived(player, told, done, begun)
    finally:
        player.close()
    kills.rounds += 1
    kills.making += begun == 0
    if begun > done:
        word = next(iter(steps.following(begun)[done]))
        kills.inside[word] = kills.inside.get(word, 0) + 1
    kills.kept += begun > done and places[-1] > done
    kills.steps += places[-1]
    steps.go(places[-1])
    return begun


def _killed(path: Path, sync: Sync, steps: _Steps, chance: Random, *, early: bool) -> tuple[int, int]:
    """Let a process write until it is killed; return how many steps it had begun, and done."""
    reading, writing = os.pipe()
    pace = chance.choice(_CHECKPOINTS), chance.choice(_LIMITS), chance.choice((PACE, TIGHT))
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _write(path, sync, steps, pace, writing)
    os.close(writing)
    with open(reading, "rb") as lines:  # noqa: PTH123 - a pipe has no path
        said: list[bytes] = []
        if not early:
            said.extend(islice(lines, chance.randint(1, _MOST_LINES)))
        time.sleep(chance.uniform(0, _OPENING_S if early else _LONGEST_S))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        said.extend(lines)
    words = [line.split()[0] for line in said if line.endswith(b"\n")]
    assert b"failed" not in words, said
    return words.count(b"begin"), words.count(b"done")


def _write(path: Path, sync: Sync, steps: _Steps, pace: tuple[int, Limits, Pace], output: int) -> None:
    """Write in the forked process, until the end."""
    try:
        os.dup2(output, 1)
        player = Player(str(path), sync, *pace, steps.now.graph)
        player.clock.set(steps.now.clock_ms)
        tell(player, _endless(steps), steps.done)
    except BaseException as error:  # noqa: BLE001 - told by the one who kills
        os.write(1, f"failed {error!r}\n".encode())
    os._exit(1)


def _endless(steps: _Steps) -> Iterator[Step]:
    yield from islice(random_steps(steps.seed), steps.done, None)


def main() -> None:
    """Print what was done as JSON."""
    rounds, sync, seed, folder = sys.argv[1:]
    found = kill(int(rounds), "full" if sync == "full" else "batch", seed, Path(folder))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()
