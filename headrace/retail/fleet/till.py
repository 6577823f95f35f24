"""One till of the shop: a real device that serves its share of the customers.

Its log, engine, host and agent are those of any device; its clock stands where its events are, in 2011.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import numpy as np

from deploy.device.agent import Agent
from deploy.device.belief import BeliefByTargets
from deploy.device.disk import Disk
from deploy.device.http import Http
from deploy.device.marks import Marks
from deploy.device.settings import Settings
from deploy.device.words import Woke
from deploy.errors import InstallError
from deploy.host import Host
from deploy.simulate.ground import Place
from deploy.trust.client import TrustedTargets
from deploy.wire.check import METADATA, TARGETS
from featuregraph import Graph
from headrace.retail.catalogue import Catalogue
from headrace.retail.fleet.versions import TASK
from headrace.retail.serving import CHUNK, LogTime, count_equal
from headrace.retail.slice import Slice
from headrace.retail.task import END, Basket, baskets
from stream import Engine, EventLog

START: Final = int(datetime(2011, 9, 1, tzinfo=UTC).timestamp() * 1000)  # what was before is history
SHOWN, CLICKED = "shown", "clicked"
PLACES: Final = 3  # on a till's small screen
CHECKED: Final = 3  # customers of a till whose values are compared
BUDGET: Final = "8MiB"
_LINES: Final = ("customer", "item", "country", "minute", "invoice", "source", "quantity", "price", "cancel")


@dataclass(slots=True)
class Tally:
    """What one release did on a till."""

    shown: int = 0
    clicked: int = 0


@dataclass(slots=True)
class Remembered:
    """Values of a customer as of a time, by the first version's graph."""

    key: str
    at_ms: int
    values: dict[str, Any]


class Till:
    """The till NUMBER in FOLDER, with the customers of LOG; `close` ends it."""

    def __init__(self, folder: Path, number: int, log: Slice, offered: Catalogue, graph: Graph) -> None:
        folder.mkdir()
        self.number, self._folder, self._log, self._offered = number, folder, log, offered
        self._graph = graph
        self.tallies: dict[str, Tally] = {}  # by release
        self.remembered: list[Remembered] = []
        self._clock = LogTime(START)
        self._events = EventLog(folder / "events.db", clock=self._clock, history_start_ms="all")
        self._engine = Engine(self._events, memory_budget=BUDGET)
        self._marks = Marks(folder / "running")
        self._host = Host(self._engine, marks=self._marks)
        self._played = START
        self._last: list[str] = []  # customers, the last to come first
        self._plays = self._play()
        self._stop = Event()
        self._agent: Agent | None = None
        self._network: Http | None = None
        self._thread: Thread | None = None
        history = log.between(0, START)
        for start in range(0, history.stop, CHUNK):
            self._engine.append_many(log.events(slice(start, min(start + CHUNK, history.stop))))

    def open(self, place: Place) -> None:
        """Let its agent ask the service at PLACE."""
        self._network = Http(place.url, token=place.token)
        targets = TrustedTargets(
            self._folder / "trust", place.url + METADATA, place.url + TARGETS, root=place.root
        )
        settings = Settings(
            f"till-{self.number}", spread_s=1, backoff_s=1, report_s=1, alive_s=4, patience_s=0, trial_runs=3
        )
        self._agent = Agent(
            settings,
            Disk(self._folder / "disk"),
            self._network,
            BeliefByTargets(targets),
            self._host,
            marks=self._marks,
        )
        self._thread = Thread(target=self._agent.run, args=(self._stop,), name=settings.device)
        self._thread.start()

    @property
    def release(self) -> str | None:
        """Return the release that it runs, None for none."""
        found = self._host.tally(TASK)
        return None if found is None else found.release

    def play(self) -> None:
        """Take what happened until the next basket, and rank the shop for it; at the end, do nothing."""
        next(self._plays, None)

    def remember(self) -> None:
        """Keep the values of the customers who came last, as of now."""
        at_ms = self._clock.ms
        self.remembered = [
            Remembered(key, at_ms, dict(self._values(self._engine, key, at_ms)))
            for key in self._last[:CHECKED]
        ]

    def compare(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return how many cells equal what was remembered, and those of a new engine, each of how many."""
        before = [
            count_equal(self._values(self._engine, one.key, one.at_ms), one.values) for one in self.remembered
        ]
        fresh, at_ms = Engine(self._events, memory_budget=BUDGET), self._clock.ms
        fresh.install(self._graph.compile())
        anew = [
            count_equal(self._values(self._engine, key, at_ms), self._values(fresh, key, at_ms))
            for key in self._last[:CHECKED]
        ]
        return _summed(before), _summed(anew)

    def close(self) -> None:
        """Let its agent end."""
        self._stop.set()
        if self._agent is not None and self._thread is not None:
            self._agent.tell(Woke())
            self._thread.join()
            self._agent.close()
        if self._network is not None:
            self._network.close()
        self._marks.close()
        self._events.close()

    def _play(self) -> Iterator[None]:
        for basket in baskets(self._log, START, END):
            for event in self._log.events(self._log.between(self._played, basket.ts_ms)):
                self._clock.ms = event["ts_ms"]
                self._engine.append(event)
            self._played = self._clock.ms = basket.ts_ms
            self._rank(basket)
            yield

    def _rank(self, basket: Basket) -> None:
        key = str(self._log.customers[basket.customer])
        try:
            ranking = self._host.rank(TASK, self._offered, PLACES, key=key, at_ms=basket.ts_ms)
        except InstallError:
            return  # nothing is released yet: the till shows what it always did
        self._last = [key, *(each for each in self._last if each != key)][:CHECKED]
        clicked = bool(np.isin(ranking.items, basket.items).any())
        self._host.count(TASK, SHOWN)
        if clicked:
            self._host.count(TASK, CLICKED)
        tally = self.tallies.setdefault(self.release or "", Tally())
        tally.shown += 1
        tally.clicked += clicked

    def _values(self, engine: Engine, key: str, at_ms: int) -> dict[str, Any]:
        vector = engine.extract(self._graph.id, key=key, at_ms=at_ms, candidates=self._offered)
        return dict(vector.values)


def shared(log: Slice, number: int, of: int) -> Slice:
    """Return the lines of the customers that the till NUMBER, of OF, serves."""
    mine = log.customer % of == number
    return dataclasses.replace(log, **{name: getattr(log, name)[mine] for name in _LINES})


def _summed(pairs: list[tuple[int, int]]) -> tuple[int, int]:
    return sum(equal for equal, _ in pairs), sum(of for _, of in pairs)
