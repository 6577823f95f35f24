"""The demo's figures: the held-out days are served once, and all that is said of them is measured here.

Some requests are put to the naive mode as soon as they are answered: what disturbs the machine disturbs both.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TypeVar

import numpy as np

import inference
from headrace.retail import serving
from headrace.retail.baselines import baselines
from headrace.retail.catalogue import Catalogue
from headrace.retail.quality import Lead, Quality, Ranked, measure
from headrace.retail.record import Record
from headrace.retail.slice import Slice, load
from headrace.retail.task import HELD_OUT, Basket, K, baskets, top
from inference import Model
from stream import Engine

BUDGET = "256MiB"  # one device plays all customers here; an app's engine holds one
AGAIN = 25  # requests of each kind that are put to the naive mode too
CHECKED, PLACES = 8, 25  # requests, and candidates of each, of which the reference is asked

T = TypeVar("T")
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and 99th percentile, ms of process CPU."""

    p50_ms: float
    p99_ms: float

    @staticmethod
    def of(ns: Iterable[int]) -> Spread:
        """Return the spread of times in NS."""
        p50, p99 = np.quantile(np.fromiter(ns, np.float64), [0.5, 0.99]) / 1e6
        return Spread(float(p50), float(p99))


@dataclass(frozen=True, slots=True)
class Extraction:
    """Requests of one kind: the times of all, and of those that the naive mode answered too both times."""

    requests: int
    all: Spread
    compared: int  # how many the naive mode answered too
    ours: Spread  # of these
    naive: Spread  # of these
    naive_ratio: float  # of these: naive median over ours


@dataclass(frozen=True, slots=True)
class Equal:
    """How many cells are the same bit for bit, out of how many, over how many requests."""

    equal: int
    cells: int
    requests: int


@dataclass(frozen=True, slots=True)
class Report:
    """What the demo found."""

    graph_id: str
    model: str  # SHA-256 of the model file
    features: int
    features_per_candidate: int
    customers: int
    items: int
    history_events: int
    streamed_events: int
    requests: int
    quality: Sequence[Quality]
    lead: Lead
    fill_s: float  # appending the history, wall time
    append: Spread  # one event, durable against the death of the process
    first: Extraction  # a customer's first request: the state is built from the log
    later: Extraction  # the state is there, as on a device in use
    ranking: Spread  # binding the tensors, running the model and choosing the best
    naive_equal: Equal
    reference_equal: Equal
    log_bytes: int
    state_bytes: int
    state_keys: int
    seconds: float  # wall time
    out: Path | None


def run(progress: Progress, out: Path | None = None) -> Report:
    """Serve the held-out days and return what was measured; OUT takes what was served, as files."""
    began = time.perf_counter()
    log = load()
    with ExitStack() as stack:
        package = stack.enter_context(as_file(files("headrace.retail").joinpath("package")))
        model = inference.load(package)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        device = serving.device(folder, model, log, BUDGET)
        stack.enter_context(device.log)
        record = None if out is None else stack.enter_context(Record(out, model, device.offered))
        with progress("bringing the history into the log", log.between(0, HELD_OUT).stop) as done:
            started = time.perf_counter()
            history = serving.fill(device, log, done)
            fill_s = time.perf_counter() - started
        days = _serve(device, model, log, record, progress)
        if record is not None:
            record.events(device.log)
        days.baselines(log, progress)
        quality, lead = measure(days.queries, days.ranked)
        per_candidate = sum(node.per_candidate for node in model.graph.features.values())
        return Report(
            graph_id=model.graph_id,
            model=model.sha256,
            features=len(model.graph.features),
            features_per_candidate=per_candidate,
            customers=len(log.customers),
            items=len(log.items),
            history_events=history,
            streamed_events=len(device.append_ns),
            requests=len(days.queries),
            quality=quality,
            lead=lead,
            fill_s=fill_s,
            append=Spread.of(device.append_ns),
            first=days.extraction(first=True),
            later=days.extraction(first=False),
            ranking=Spread.of(days.model_ns),
            naive_equal=days.naive_equal,
            reference_equal=_reference(device, model, log, days.kept, progress),
            log_bytes=sum(file.stat().st_size for file in folder.iterdir()),
            state_bytes=device.engine.state_bytes,
            state_keys=device.engine.keys_kept,
            seconds=time.perf_counter() - began,
            out=out,
        )


class _Days:
    """What is kept of the requests: rankings and times; of some the vectors, and the naive mode's part."""

    def __init__(self, queries: Sequence[Basket]) -> None:
        self.queries = queries
        self.ranked: dict[str, list[Ranked]] = {"model": []}
        self.extraction_ns: list[int] = []
        self.model_ns: list[int] = []
        self.kept: list[serving.Served] = []
        self._naive: dict[int, tuple[int, int, int]] = {}  # by request: ns, cells that are equal, of how many
        earliest = {query.customer: at for at, query in reversed(list(enumerate(queries)))}
        self._first = [earliest[query.customer] == at for at, query in enumerate(queries)]
        self._kept_at = {at for first in (True, False) for at in _some(self._places(first=first), AGAIN)}

    def _places(self, *, first: bool) -> list[int]:
        return [at for at, is_first in enumerate(self._first) if is_first == first]

    def add(self, request: serving.Served, naive: Engine, offered: Catalogue) -> None:
        """Take the next request, and put it to NAIVE if it is one of the some."""
        at = len(self.extraction_ns)
        if at in self._kept_at:
            self.kept.append(request)
            self._naive[at] = serving.ask_again(naive, request, offered)
        self.ranked["model"].append(np.asarray(request.ranking.items, np.int64))
        self.extraction_ns.append(request.extraction_ns)
        self.model_ns.append(request.model_ns)

    def extraction(self, *, first: bool) -> Extraction:
        """Return the times of customers' FIRST or later requests."""
        places = self._places(first=first)
        both = [at for at in places if at in self._naive]
        ours = Spread.of(self.extraction_ns[at] for at in both)
        naive = Spread.of(self._naive[at][0] for at in both)
        return Extraction(
            requests=len(places),
            all=Spread.of(self.extraction_ns[at] for at in places),
            compared=len(both),
            ours=ours,
            naive=naive,
            naive_ratio=naive.p50_ms / ours.p50_ms,
        )

    @property
    def naive_equal(self) -> Equal:
        """Return how many cells of the naive mode are those that were served."""
        _, equal, cells = map(sum, zip(*self._naive.values(), strict=True))
        return Equal(equal, cells, len(self._naive))

    def baselines(self, log: Slice, progress: Progress) -> None:
        """Rank every query by each baseline."""
        found = baselines(log, HELD_OUT)
        with progress("ranking by the baselines", len(found) * len(self.queries)) as done:
            for name, score in found.items():
                self.ranked[name] = [top(score(query)) for query in self.queries]
                done(len(self.queries))


def _serve(
    device: serving.Device, model: Model, log: Slice, record: Record | None, progress: Progress
) -> _Days:
    days = _Days(baskets(log))
    naive = Engine(device.log, mode="naive")
    naive.install(model.graph.compile())
    with progress("serving the held-out days", len(days.queries)) as done:
        for request in serving.serve(device, log, K):
            days.add(request, naive, device.offered)
            if record is not None:
                record.add(request)
            done(1)
    return days


def _some(things: Sequence[T], count: int) -> list[T]:
    """Return at most COUNT of THINGS, evenly spread."""
    places = np.unique(np.linspace(0, len(things) - 1, min(count, len(things))).astype(int))
    return [things[at] for at in places.tolist()]


def _reference(
    device: serving.Device, model: Model, log: Slice, kept: Sequence[serving.Served], progress: Progress
) -> Equal:
    requests = _some(kept, CHECKED)
    places = np.linspace(0, len(log.items) - 1, PLACES).astype(int).tolist()
    with progress("asking the reference", len(requests)) as done:
        equal, cells = serving.check(model.graph, log, requests, device.offered, places, done)
    return Equal(equal, cells, len(requests))
