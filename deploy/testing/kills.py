"""Agents that are killed (SIGKILL) at moments by chance, again and again in the same folder.

    python -m deploy.testing.kills ROUNDS SEED FOLDER

Each is forked from this process, which runs no thread then, and goes on where the one before was killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from deploy.testing.stories import judge, live, unsynced

_ROUNDS_A_FOLDER: Final = 25
_LONGEST_S: Final = 0.04


class Kills(msgspec.Struct):
    """What was done."""

    rounds: int = 0
    inside: int = 0  # kills in the middle of a step
    steps: int = 0  # that were done before a kill


def killed(rounds: int, seed: int, folder: Path) -> Kills:
    """Do as `kill` in a process of its own, since one with threads cannot fork safely."""
    command = [sys.executable, "-m", __name__, str(rounds), str(seed), str(folder)]
    found = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    assert found.returncode == 0, f"kills with seed {seed}: {found.stderr[-3000:]}"
    return msgspec.json.decode(found.stdout, type=Kills)


def kill(rounds: int, seed: int, folder: Path) -> Kills:
    """Kill ROUNDS agents; raise AssertionError where a folder is not what it must be."""
    kills, chance = Kills(), Random(f"kill {seed}")
    while kills.rounds < rounds:
        place, ruleset = folder / f"{kills.rounds}", 0
        story = chance.randrange(1 << 30)
        for _ in range(min(_ROUNDS_A_FOLDER, rounds - kills.rounds)):
            begun, done = _killed(place, story, ruleset + 1, chance)
            kills.rounds += 1
            kills.inside += begun > done
            kills.steps += max(0, done - ruleset)
            with unsynced():
                ruleset = judge(place, story, max(done, ruleset)) + 1  # judging plays one step more
        shutil.rmtree(place)
    return kills


def _killed(folder: Path, seed: int, first: int, chance: Random) -> tuple[int, int]:
    """Let an agent live until it is killed; return the steps that it had begun, and done."""
    with _child(folder, seed, first) as (pid, lines):
        time.sleep(chance.uniform(0, _LONGEST_S))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        said = [line.split() for line in lines if line.endswith(b"\n")]
    assert all(line[0] != b"failed" for line in said), said
    begun = [int(line[1]) for line in said if line[0] == b"begin"]
    done = [int(line[1]) for line in said if line[0] == b"done"]
    return max(begun, default=0), max(done, default=0)


@contextmanager
def _child(folder: Path, seed: int, first: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            with unsynced():
                live(folder, seed, first, None, writing)
        except BaseException as error:  # noqa: BLE001 - told by the one who kills
            os.write(writing, f"failed {error!r}\n".encode())
        os._exit(1)
    os.close(writing)
    with open(reading, "rb") as lines:  # noqa: PTH123 - a pipe has no path
        yield pid, iter(lines)


def main() -> None:
    """Print what was done as JSON."""
    rounds, seed, folder = sys.argv[1:]
    found = kill(int(rounds), int(seed), Path(folder))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()
