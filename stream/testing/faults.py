"""A disk that is full, or fails: one of a process's system calls on its log, or all from one on, are refused.

strace refuses them in the real process. A call of the log that fails says so in one line, and is as if it
had not been made, but for two: where the disk refuses to sync, nobody can tell before the log is opened anew,
and a call to forget may have forgotten before it fails to remove the bytes. Later calls succeed once the disk
does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stream.errors import LogError
from stream.testing.disk import Cut, Operation, Sync, Write
from stream.testing.expected import Expected, held
from stream.testing.lives import LIVES, Life
from stream.testing.playing import Player, begin_life
from stream.testing.recording import QUICK, strace
from stream.testing.survivors import LOG, right

_CALLS: Final = {Write: "pwrite64", Sync: "fdatasync", Cut: "ftruncate"}
_ERRORS: Final = {Write: ("ENOSPC", "EIO"), Sync: ("EIO",), Cut: ("EIO",)}
_ENDS: Final = ("done", "failed", "unsynced")


@dataclass(frozen=True, slots=True)
class Fault:
    """A system call refused: the NUMBERth of its kind; FOR_GOOD: and all that follow."""

    call: str
    error: str
    number: int
    for_good: bool

    def __str__(self) -> str:
        return f"{self.call} {self.number}{'+' if self.for_good else ''}: {self.error}"


def possible(operations: Sequence[Operation]) -> list[Fault]:
    """Return the faults that may befall the process of OPERATIONS, in the order of its calls."""
    found, counts = [], dict.fromkeys(_CALLS, 0)
    for one in operations:
        if (kind := type(one)) in counts:
            counts[kind] += 1
            found += [
                Fault(_CALLS[kind], error, counts[kind], for_good)
                for error in _ERRORS[kind]
                for for_good in (False, True)
            ]
    return found


@dataclass(slots=True)
class Told:
    """What the process said: how each step ended, and what went wrong."""

    ends: list[str] = field(default_factory=list)  # done, failed or unsynced
    errors: list[str] = field(default_factory=list)


def suffer(life: int, fault: Fault, folder: Path) -> Told:
    """Let a process live the LIFE of a number with FAULT; raise AssertionError if its log is wrong."""
    for file in folder.iterdir():
        file.unlink()
    path = folder / LOG
    begin_life(LIVES[life], str(path))
    found = _run(life, fault, path)
    lines = found.stdout.splitlines()
    assert found.returncode == 0, f"{fault}: {lines[-3:]} {found.stderr[-2000:]}"
    told = Told([line.split()[0] for line in lines if line.startswith(_ENDS)])
    told.errors = [line.partition(": ")[2] for line in lines if line.startswith((*_ENDS[1:], "error"))]
    assert all(one.startswith(f"{path}: expected ") for one in told.errors), f"{fault}: {told.errors}"
    _judge(LIVES[life], fault, path, told)
    return told


def _run(life: int, fault: Fault, path: Path) -> subprocess.CompletedProcess[str]:
    program = strace()
    assert program is not None, "expected strace, which tests ask for first"
    when = f"{fault.number}{'+' if fault.for_good else ''}"
    options = [*QUICK, "-qq", "-o", "/dev/null", "-e", f"trace={fault.call}"]
    options += ["-e", f"inject={fault.call}:error={fault.error}:when={when}"]
    options += [word for end in ("", "-wal", "-journal") for word in ("-P", f"{path}{end}")]
    command = [program, *options, sys.executable, "-m", "stream.testing.faults", str(path), str(life)]
    return subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own


def _judge(life: Life, fault: Fault, path: Path, told: Told) -> None:
    """Raise AssertionError unless the log holds the steps that were done, and goes on."""
    assert len(told.ends) in (0, len(life.steps)), f"{fault}: {len(told.ends)} steps of {len(life.steps)}"
    may = _possible(life, told)
    player = Player(str(path), "batch")
    try:
        found = held(player.log)
        fitting = [one for one in may if one.held == found]
        assert fitting, f"{fault}: found {len(found)} rows, which is not what was done: {told}"
        assert player.log.check() == [], f"{fault}: {player.log.check()}"
        right(player, fitting[0])
    finally:
        player.close()


def _possible(life: Life, told: Told) -> list[Expected]:
    """Return what the log may hold: the steps that were done, and what may have been though it failed."""
    sure = [Expected().after_all(life.found)]
    loose: list[Expected] = []  # with the last call that was not synced: the next one is written over it
    for step, end in zip(life.steps, told.ends, strict=False):
        after = [one.after(step) for one in sure]
        if end == "done":
            wrote = any(new.held != old.held for new, old in zip(after, sure, strict=True))
            sure, loose = after, [] if wrote else [one.after(step) for one in loose]
        elif "forget" in step:
            sure = _distinct([*sure, *after])
            loose = _distinct([*loose, *(one.after(step) for one in loose)])
        elif end == "unsynced":
            loose = after
        if "restart" in step:
            sure, loose = _distinct([*sure, *loose]), []
    return _distinct([*sure, *loose])


def _distinct(those: Iterable[Expected]) -> list[Expected]:
    return list({one.held: one for one in those}.values())


# ---------------------------------------------------------------- the process


def endure(path: str, life: Life) -> Iterator[str]:
    """Live LIFE whatever fails; yield a line per step, and one per error elsewhere."""
    opened: list[Player] = []

    def player() -> Player:
        if not opened:
            opened.append(Player(path, life.sync, life.checkpoint_pages, life.limits, life.pace, graph))
        return opened[0]

    clock_ms, graph = None, 0
    for number, step in enumerate(life.steps):
        clock_ms = step.get("clock", clock_ms)
        try:
            one = player()
            if clock_ms is not None:
                one.clock.set(clock_ms)
            one.play(step)
            graph = one.graph
            yield f"done {number}"
        except LogError as error:
            yield f"{'unsynced' if 'disk to sync' in str(error) else 'failed'} {number}: {error}"
            if "restart" in step:
                opened.clear()
    try:
        player().close()
    except LogError as error:
        yield f"error: {error}"


def main() -> None:
    """Say how each step of the life of a number ended, in a log at a path: the arguments."""
    path, number = sys.argv[1], int(sys.argv[2])
    for line in endure(path, LIVES[number]):
        os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main()
