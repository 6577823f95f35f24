"""Cut the power at every write, refuse every call, kill 1,000 processes: all of what tests/crash samples.

    python tests/crash/run.py [power] [faults] [kill]     all by default; more than an hour on one core
    python tests/crash/run.py agent-power agent-kill      agents that install releases, in place of logs
    python tests/crash/run.py power:sealed                the lives alone whose names begin with this

Prints what was done; ends with exit code 1 at the first log or device that is not what it must be.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from deploy.testing import cuts, kills
from stream.testing.disk import Operation
from stream.testing.faults import possible, suffer
from stream.testing.killing import killed
from stream.testing.lives import LIVES
from stream.testing.playing import begin_life
from stream.testing.recording import record, strace
from stream.testing.survivors import LOG, power_cuts

KILLS = 1_000
SYNCS = ("full", "batch")
SAVING = next(number for number, life in enumerate(LIVES) if life.name.startswith("saving"))
SOME_FAULTS = 300
STORIES, STEPS = 6, 8
AGENT_KILLS = 10_000


def recorded(life: int, folder: Path) -> Sequence[Operation]:
    """Return what the process of a LIFE did to its files."""
    log = folder / "log"
    log.mkdir()
    begin_life(LIVES[life], str(log / LOG))
    command = [sys.executable, "-m", "stream.testing.playing", str(log / LOG), str(life)]
    return record(command, log, folder / "trace")


def power(folder: Path, named: str) -> None:
    """Open every content that the disk may hold at every boundary of every life that is NAMED so."""
    for number, life in enumerate(LIVES):
        if not life.name.startswith(named):
            continue
        with tempfile.TemporaryDirectory(dir=folder) as place:
            operations = recorded(number, Path(place))
            survey = power_cuts(life, operations, Path(place) / "log")
        say(
            f"power, {life.name}: {survey.boundaries} boundaries, {survey.opened} contents opened;"
            f" of the calls done at most {survey.steps_lost} were lost"
        )


def faults(folder: Path, named: str) -> None:
    """Refuse each call of two lives, and some of one that saves states, once and for good."""
    for number, most in ((0, None), (1, None), (SAVING, SOME_FAULTS)):
        if not LIVES[number].name.startswith(named):
            continue
        with tempfile.TemporaryDirectory(dir=folder) as place:
            tried = possible(recorded(number, Path(place)))
            tried = tried if most is None else Random().sample(tried, most)
            told = [suffer(number, fault, Path(place) / "log") for fault in tried]
        refused = sum(len(one.errors) for one in told)
        say(
            f"faults, {LIVES[number].name}: {len(told)} faults, {refused} calls refused in one line,"
            " none lost"
        )


def kill(folder: Path, _: str) -> None:
    """Kill 1,000 writing processes, half of them with each `sync`."""
    for sync in SYNCS:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            found = killed(KILLS // len(SYNCS), sync, f"run {Random().random()}", Path(place))
        inside = ", ".join(f"{word} {count}" for word, count in sorted(found.inside.items()))
        say(
            f"kill, {sync}: {found.rounds} kills, {sum(found.inside.values())} inside a step ({inside}),"
            f" {found.making} before the log was open ({found.upgrading} of an older format); {found.steps}"
            f" steps and {found.events} events survived, none that was taken was lost; saved states of"
            f" {found.saved} keys were gone on from"
        )


def agent_power(folder: Path, _: str) -> None:
    """Judge every content that the disk of an agent may hold at every boundary of some stories."""
    boundaries = opened = 0
    for story in range(STORIES):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            device, judged = Path(place) / "device", Path(place) / "judged"
            device.mkdir()
            judged.mkdir()
            command = [sys.executable, *cuts.command(device, story, STEPS)]
            survey = cuts.power_cuts(record(command, device, Path(place) / "trace"), story, judged)
        boundaries, opened = boundaries + survey.boundaries, opened + survey.opened
    say(
        f"agent-power: {STORIES} stories of {STEPS} rulesets, {boundaries} boundaries, {opened} contents;"
        " 0 devices without a runnable release, 0 rulesets went back"
    )


def agent_kill(folder: Path, _: str) -> None:
    """Kill agents by the thousand, each in the folder that the one before left."""
    found = kills.killed(AGENT_KILLS, Random().randrange(1 << 30), folder)
    say(
        f"agent-kill: {found.rounds} kills, {found.inside} inside a step, {found.steps} steps done between;"
        " 0 devices without a runnable release, 0 rulesets went back"
    )


PARTS: dict[str, Callable[[Path, str], None]] = {
    "power": power,
    "faults": faults,
    "kill": kill,
    "agent-power": agent_power,
    "agent-kill": agent_kill,
}


def say(line: str) -> None:
    """Write LINE for people, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run the parts that are named; return the exit code."""
    for part in sys.argv[1:] or PARTS:
        name, _, named = part.partition(":")
        if not name.endswith("kill") and strace() is None:
            say(f"{name}: skipped, strace is not installed or may not trace here")
            continue
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                PARTS[name](Path(folder), named)
            except AssertionError as error:
                say(f"{name}: FAILED: {error}")
                return 1
        say(f"{name}: {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
