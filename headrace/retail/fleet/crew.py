"""Many tills in one process: each with its agent in a thread, all played in turn; asked over a pipe."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import inference
from headrace.retail.catalogue import catalogue
from headrace.retail.fleet.till import START, Place, Till, shared
from headrace.retail.slice import load

PACE_S: Final = 2.0  # between two baskets of one till


@dataclass(frozen=True, slots=True)
class Seen:
    """A till as its own process sees it."""

    number: int
    release: str | None
    tallies: dict[str, tuple[int, int]]  # shown and clicked, by release


class Crews:
    """The tills of a fleet, in as many processes as there are pipes."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes

    def ask(self, what: str, *args: Any) -> list[Any]:
        """Return what each till answers to WHAT, a method of `Crew`."""
        for pipe in self._pipes:
            pipe.send((what, args))
        return [each for pipe in self._pipes for each in pipe.recv()]


@contextmanager
def crews(folder: Path, tills: int, processes: int) -> Iterator[Crews]:
    """Give TILLS tills, their history in their logs, while the block runs."""
    context = multiprocessing.get_context("spawn")
    pipes, workers = [], []
    for n in range(processes):
        ours, theirs = context.Pipe()
        numbers = list(range(n, tills, processes))
        worker = context.Process(target=_work, args=(folder, numbers, tills, theirs), name=f"crew-{n}")
        worker.start()
        theirs.close()
        pipes.append(ours)
        workers.append(worker)
    try:
        yield Crews(pipes)
    finally:
        for pipe in pipes:
            pipe.close()  # which ends its crew
        for worker in workers:
            worker.join(60)
            worker.kill()
            worker.join()


class Crew:
    """The tills of one process; its methods are what `Crews.ask` may ask."""

    def __init__(self, tills: list[Till]) -> None:
        self._tills = tills
        self._due: list[float] = []

    def ready(self) -> list[int]:
        """Return the numbers of the tills, once their history is in."""
        return [till.number for till in self._tills]

    def open(self, place: Place) -> list[None]:
        """Let the agents ask the service at PLACE, and the tills be played, not all at once."""
        began = time.monotonic()
        for n, till in enumerate(self._tills):
            till.open(place)
            self._due.append(began + PACE_S * n / len(self._tills))
        return []

    def see(self) -> list[Seen]:
        """Return what runs where, and what it did."""
        return [
            Seen(
                till.number,
                till.release,
                {name: (one.shown, one.clicked) for name, one in till.tallies.items()},
            )
            for till in self._tills
        ]

    def remember(self) -> list[None]:
        """Keep values of the tills' last customers."""
        for till in self._tills:
            till.remember()
        return []

    def compare(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Return, of each till, how many cells equal the remembered ones and a new engine's."""
        return [till.compare() for till in self._tills]

    def play(self) -> float:
        """Let each till whose time has come play; return how long nothing is due."""
        now = time.monotonic()
        for n, till in enumerate(self._tills):
            if self._due and self._due[n] <= now:
                till.play()
                self._due[n] = max(self._due[n] + PACE_S, now)  # who was late does not hurry
        return max(0.0, min(self._due, default=now + 1) - time.monotonic())


def _work(folder: Path, numbers: list[int], of: int, pipe: Connection) -> None:
    """Be the process of the tills NUMBERS until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked, and ends this by its pipe
    log = load()
    offered = catalogue(log, START)
    with ExitStack() as stack:
        package = stack.enter_context(as_file(files("headrace.retail").joinpath("package")))
        graph = inference.load(package).graph
        tills = []
        for number in numbers:
            till = Till(folder / f"till-{number}", number, shared(log, number, of), offered, graph)
            stack.callback(till.close)
            tills.append(till)
        crew, wait_s = Crew(tills), 0.0
        while True:
            try:
                while pipe.poll(wait_s):
                    what, args = pipe.recv()
                    pipe.send(getattr(crew, what)(*args))
                    wait_s = 0.0
            except (EOFError, OSError):
                return
            wait_s = crew.play()
