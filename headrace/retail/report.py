"""The demo's figures: the held-out days are served once, and all that is said of them is measured here."""

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
from headrace.retail.quality import Lead, Quality, Ranked, measure
from headrace.retail.record import Record
from headrace.retail.slice import Slice, load
from headrace.retail.task import HELD_OUT, Basket, K, baskets, top
from inference import Model, Timings
from stream import Engine

BUDGET = "256MiB"  # one device plays all customers here; an app's engine holds one
AGAIN = 25  # requests of each kind that are put to the naive mode too
CHECKED, PLACES = 8, 25  # requests, and candidates of each, of which the reference is asked

T = TypeVar("T")
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and 99th percentile, ms of wall time."""

    p50_ms: float
    p99_ms: float

    @staticmethod
    def of(ns: Iterable[int]) -> Spread:
        """Return the spread of times in NS."""
        p50, p99 = np.quantile(np.fromiter(ns, np.float64), [0.5, 0.99]) / 1e6
        return Spread(float(p50), float(p99))


@dataclass(frozen=True, slots=True)
class Extraction:
    """Requests of one kind: their times, and of some of them the naive mode's."""

    requests: int
    all: Spread
    compared: int  # how many were put to the naive mode too
    naive: Spread
    naive_ratio: float  # naive time of those over theirs, sums


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
    fill_s: float  # appending the history
    append: Spread  # one event, durable against the death of the process
    first: Extraction  # a customer's first request: the state is built from the log
    later: Extraction  # the state is there, as on a device in use
    ranking: Spread  # binding the tensors and running the model
    naive_equal: Equal
    reference_equal: Equal
    log_bytes: int
    state_bytes: int
    state_keys: int
    seconds: float
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
        days = _serve(device, log, record, progress)
        if record is not None:
            record.events(device.log)
        days.baselines(log, progress)
        quality, lead = measure(days.queries, days.ranked)
        naive_ns, naive_equal = _naive(device, model, days.kept, progress)
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
            first=days.extraction(naive_ns, first=True),
            later=days.extraction(naive_ns, first=False),
            ranking=Spread.of(t.binding_ns + t.model_ns for t in days.timings),
            naive_equal=naive_equal,
            reference_equal=_reference(device, model, log, days.kept, progress),
            log_bytes=sum(file.stat().st_size for file in folder.iterdir()),
            state_bytes=device.engine.state_bytes,
            state_keys=device.engine.keys_kept,
            seconds=time.perf_counter() - began,
            out=out,
        )


class _Days:
    """What is kept of the requests: rankings and times of all, vectors of some."""

    def __init__(self, queries: Sequence[Basket]) -> None:
        self.queries = queries
        self.ranked: dict[str, list[Ranked]] = {"model": []}
        self.timings: list[Timings] = []
        self.kept: list[serving.Served] = []
        earliest = {query.customer: at for at, query in reversed(list(enumerate(queries)))}
        self._first = [earliest[query.customer] == at for at, query in enumerate(queries)]
        self._kept_at = sorted(
            {at for first in (True, False) for at in _some(self._places(first=first), AGAIN)}
        )

    def _places(self, *, first: bool) -> list[int]:
        return [at for at, is_first in enumerate(self._first) if is_first == first]

    def add(self, request: serving.Served) -> None:
        """Take the next request."""
        if len(self.timings) in self._kept_at:
            self.kept.append(request)
        self.ranked["model"].append(np.asarray(request.ranking.items, np.int64))
        self.timings.append(request.timings)

    def extraction(self, naive_ns: Sequence[int], *, first: bool) -> Extraction:
        """Return the times of customers' FIRST or later requests; NAIVE_NS are those of the kept ones."""
        places = self._places(first=first)
        naive = {at: ns for at, ns in zip(self._kept_at, naive_ns, strict=True) if self._first[at] == first}
        return Extraction(
            requests=len(places),
            all=Spread.of(self.timings[at].extraction_ns for at in places),
            compared=len(naive),
            naive=Spread.of(naive.values()),
            naive_ratio=sum(naive.values()) / sum(self.timings[at].extraction_ns for at in naive),
        )

    def baselines(self, log: Slice, progress: Progress) -> None:
        """Rank every query by each baseline."""
        found = baselines(log, HELD_OUT)
        with progress("ranking by the baselines", len(found) * len(self.queries)) as done:
            for name, score in found.items():
                self.ranked[name] = [top(score(query)) for query in self.queries]
                done(len(self.queries))


def _serve(device: serving.Device, log: Slice, record: Record | None, progress: Progress) -> _Days:
    days = _Days(baskets(log))
    with progress("serving the held-out days", len(days.queries)) as done:
        for request in serving.serve(device, log, K):
            days.add(request)
            if record is not None:
                record.add(request)
            done(1)
    return days


def _some(things: Sequence[T], count: int) -> list[T]:
    """Return at most COUNT of THINGS, evenly spread."""
    places = np.unique(np.linspace(0, len(things) - 1, min(count, len(things))).astype(int))
    return [things[at] for at in places.tolist()]


def _naive(
    device: serving.Device, model: Model, kept: Sequence[serving.Served], progress: Progress
) -> tuple[list[int], Equal]:
    engine = Engine(device.log, mode="naive")
    engine.install(model.graph.compile())
    with progress("the same requests, naive", len(kept)) as done:
        spent, equal, cells = serving.ask_again(engine, kept, device.offered, done)
    return spent, Equal(equal, cells, len(kept))


def _reference(
    device: serving.Device, model: Model, log: Slice, kept: Sequence[serving.Served], progress: Progress
) -> Equal:
    requests = _some(kept, CHECKED)
    places = np.linspace(0, len(log.items) - 1, PLACES).astype(int).tolist()
    with progress("asking the reference", len(requests)) as done:
        equal, cells = serving.check(model.graph, log, requests, device.offered, places, done)
    return Equal(equal, cells, len(requests))
