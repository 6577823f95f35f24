"""Many tills in one process: each with its agent in a thread, all played in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import inference
from deploy.simulate.ground import Place
from headrace.retail.catalogue import catalogue
from headrace.retail.fleet.till import START, Till, shared
from headrace.retail.slice import load

PACE_S: Final = 2.0  # between two baskets of one till


@dataclass(frozen=True, slots=True)
class Seen:
    """A till as its own process sees it."""

    number: int
    release: str | None
    tallies: dict[str, tuple[int, int]]  # shown and clicked, by release


class Tills:
    """The tills of one process; its methods are what `Crews.ask` may ask."""

    def __init__(self, tills: Sequence[Till]) -> None:
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


@contextmanager
def tills(folder: Path, numbers: Sequence[int], of: int) -> Iterator[Tills]:
    """Give the tills NUMBERS of OF, below FOLDER, with their history in their logs."""
    log = load()
    offered = catalogue(log, START)
    with ExitStack() as stack:
        package = stack.enter_context(as_file(files("headrace.retail").joinpath("package")))
        graph = inference.load(package).graph
        made = []
        for number in numbers:
            till = Till(folder / f"till-{number}", number, shared(log, number, of), offered, graph)
            stack.callback(till.close)
            made.append(till)
        yield Tills(made)
