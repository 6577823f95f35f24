"""Many devices in a few processes: each process makes its crew, plays it, and answers over a pipe."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from typing import Any, Final, Protocol

END_S: Final = 20.0


class Crew(Protocol):
    """The devices of one process; its other methods return a list each, and may be asked."""

    def play(self) -> float:
        """Do what is due; return for how many seconds nothing is."""


Make = Callable[..., AbstractContextManager[Crew]]


class Crews:
    """The devices of all processes."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes

    def ask(self, what: str, *args: Any) -> list[Any]:
        """Return what all crews answer to WHAT, a method of theirs, one after another."""
        for pipe in self._pipes:
            pipe.send((what, args))
        return [each for pipe in self._pipes for each in pipe.recv()]


@contextmanager
def crews(make: Make, parts: Sequence[tuple[Any, ...]]) -> Iterator[Crews]:
    """Give a process per part, each with the crew that MAKE gives for it, while the block runs.

    Args:
        make: a function of a module, which the new process imports.
        parts: its arguments, of each process.
    """
    context = multiprocessing.get_context("spawn")
    pipes, workers = [], []
    try:
        for part in parts:
            ours, theirs = context.Pipe()
            pipes.append(ours)
            worker = context.Process(target=_work, args=(make, part, theirs))
            worker.start()
            theirs.close()
            workers.append(worker)
        yield Crews(pipes)
    finally:
        for pipe in pipes:
            pipe.close()  # which ends its crew
        for worker in workers:
            worker.join(END_S)
            worker.kill()
            worker.join()


def _work(make: Make, part: tuple[Any, ...], pipe: Connection) -> None:
    """Be the process of one crew, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked, and ends this by its pipe
    with make(*part) as crew:
        wait_s = 0.0
        while True:
            try:
                while pipe.poll(wait_s):
                    what, args = pipe.recv()
                    pipe.send(getattr(crew, what)(*args))
                    wait_s = 0.0
            except (EOFError, OSError):
                return
            wait_s = crew.play()
