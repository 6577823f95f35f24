"""Where releases run: a bundle becomes a plan in the device's engine, and a model that ranks or infers.

1. An exchange is one assignment: a call that began with the old release ends with it.
2. The new plan is taken in before the old one is taken out, so that states of what means the same go on.
3. A bundle's scripts are never run here; one that has some is refused unless the policy lets it in.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import inference
from deploy import limits
from deploy.bundle.proof import bins_of, prove
from deploy.bundle.streams import copy
from deploy.device.counted import Counted
from deploy.device.drift import Watched
from deploy.device.marks import Marks
from deploy.device.ports import Placed, Tally
from deploy.errors import InstallError
from deploy.task.manifest import MODEL
from deploy.task.policy import Policy, refusals
from deploy.wire.report import Counts
from featuregraph.graph import Graph
from featuregraph.vector import FeatureSource
from inference.session import Model
from stream import Engine


@dataclass(slots=True)
class Running:
    """One release that runs."""

    placed: Placed
    model: Model
    ranker: inference.Ranker | None  # None: the model does not rank
    session: inference.Session
    source: FeatureSource
    mark: AbstractContextManager[None]
    calls: int = 0  # under way
    runs: int = 0
    failures: int = 0
    error: str = ""
    counted: Counted = field(default_factory=Counted)
    is_retired: bool = False

    def drift(self) -> dict[str, tuple[int, ...]]:
        """Return how its features were spread since the last call."""
        return self.source.take() if isinstance(self.source, Watched) else {}


class Host:
    """The releases of one device over one engine; safe to share between threads."""

    def __init__(self, engine: Engine, *, policy: Policy | None = None, marks: Marks | None = None) -> None:
        """Run releases over ENGINE.

        Args:
            engine: has the device's events; its plans are those of the releases, besides its own.
            policy: what is let in; by default no scripts.
            marks: where a run is noted, so that one that ends the process is told to the next one.
        """
        self._engine = engine
        self._policy = policy or Policy()
        self._marks = marks
        self._lock = threading.Lock()
        self._tasks: dict[str, Running] = {}
        self._retired: list[Running] = []
        self._coming: list[str] = []  # graphs whose plan is taken in for a release that does not run yet

    # ------------------------------------------------------------ for the agent

    def prove(self, placed: Placed) -> None:
        """Check all of a release and run its golden examples.

        Raises:
            InstallError: this device does not take it.
            BundleError: it is not what it says.
        """
        if found := refusals(placed.bundle.manifest, self._policy):
            raise InstallError(f"release {placed.assigned.release}: {'; '.join(found)}")
        self._require_fit(prove(placed.bundle).graph, placed)

    def run(self, task: str, placed: Placed | None) -> None:
        """Let TASK run PLACED from now on; None: nothing."""
        before = self._tasks.get(task)
        if placed is not None and before is not None and before.placed.mark == placed.mark:
            with self._lock:
                before.placed, before.counted = placed, Counted()  # the same bytes by another name
                before.drift()
            return
        if placed is None:
            self._exchange(task, None)
            return
        model = self._loaded(placed)
        self._coming.append(model.graph_id)  # a call that ends meanwhile takes no plan out that comes in
        try:
            self._exchange(task, self._opened(placed, model))
        finally:
            self._coming.remove(model.graph_id)

    def tally(self, task: str) -> Tally | None:
        """Return what the release of TASK did so far."""
        with self._lock:
            one = self._tasks.get(task)
            if one is None:
                return None
            return Tally(one.placed.assigned.release, one.runs, one.failures, one.error)

    def take(self, task: str) -> Counts:
        """Return what was counted of TASK since the last call."""
        with self._lock:
            one = self._tasks.get(task)
            if one is None:
                return Counts()
            found, one.counted = one.counted, Counted()
            drift = one.drift()
        return found.told(drift)

    # ------------------------------------------------------------ for the app

    def rank(
        self, task: str, candidates: Mapping[str, Sequence[object]], k: int = 10, **asked: Any
    ) -> inference.Ranking:
        """Return the K best of CANDIDATES by the release of TASK; ASKED as of `Ranker.rank`.

        Raises:
            InstallError: it runs none, or one that does not rank; use what the app has built in.
        """
        with self._call(task) as one:
            if one.ranker is None:
                raise InstallError(f"task {task!r}: expected a model that ranks, found another; use infer")
            return one.ranker.rank(candidates, k, **asked)

    def infer(self, task: str, **asked: Any) -> inference.Result:
        """Return the outputs of the release of TASK; ASKED as of `Engine.extract`."""
        with self._call(task) as one:
            return one.session.run(one.source.extract(one.model.graph_id, **asked))

    def read(self, task: str, name: str, most: int = limits.MAX_FILE) -> bytes:
        """Return the file NAME of the release of TASK, shared or the device's own; checked as it is read."""
        placed = self._running(task).placed
        own = placed.assigned.exclusive.get(name)
        if own is None:
            return placed.bundle.read(name, most)
        content = bytearray()
        with placed.bundle.blobs.open(own.sha256) as file:
            copy(file, own.bytes, own.sha256, content.extend)
        return bytes(content)

    def count(self, task: str, counter: str, more: int = 1) -> None:
        """Count MORE of COUNTER, such as shown or clicked, for what TASK runs."""
        with self._lock:
            if (one := self._tasks.get(task)) is not None:
                one.counted.counters[counter] += more

    # ------------------------------------------------------------ one call

    def _running(self, task: str) -> Running:
        one = self._tasks.get(task)
        if one is None:
            raise InstallError(
                f"task {task!r}: expected a release that runs, found none; use what the app has built in"
            )
        return one

    @contextmanager
    def _call(self, task: str) -> Iterator[Running]:
        """Give what TASK runs for one call, which is counted and noted while it lasts."""
        with self._lock:
            one = self._running(task)
            one.calls += 1
        began, error = perf_counter_ns(), ""
        try:
            with one.mark:
                yield one
        except Exception as found:
            error = str(found) or type(found).__name__
            raise
        finally:
            self._ended(one, (perf_counter_ns() - began) / 1_000, error)

    def _ended(self, one: Running, spent_us: float, error: str) -> None:
        with self._lock:
            one.calls -= 1
            one.runs += 1
            one.counted.ended(spent_us, failed=bool(error))
            if error:
                one.failures += 1
                one.error = error
            if one.is_retired:
                self._remove_plans()

    # ------------------------------------------------------------ plans

    def _exchange(self, task: str, after: Running | None) -> None:
        with self._lock:
            before = self._tasks.pop(task, None)
            if after is not None:
                self._tasks[task] = after
            if before is not None:
                before.is_retired = True
                self._retired.append(before)
            self._remove_plans()

    def _loaded(self, placed: Placed) -> Model:
        """Return the release's model, which fits this device."""
        with tempfile.TemporaryDirectory(prefix="headrace-") as scratch:
            placed.bundle.unpack(Path(scratch) / "bundle", MODEL)
            model = inference.load(Path(scratch) / "bundle" / MODEL)
        self._require_fit(model.graph, placed)
        return model

    def _opened(self, placed: Placed, model: Model) -> Running:
        """Return the release, with its plan in the engine."""
        self._engine.install(model.graph.compile())
        bins = bins_of(placed.bundle)
        source = self._engine if bins is None else Watched(self._engine, bins)
        ranks = model.spec.ranks and model.spec.score is not None
        return Running(
            placed,
            model,
            inference.Ranker(model, source) if ranks else None,
            inference.Session(model),
            source,
            nullcontext() if self._marks is None else self._marks.of(placed.mark),
        )

    def _require_fit(self, graph: Graph, placed: Placed) -> None:
        where = f"release {placed.assigned.release}"
        if graph.key != self._engine.log.key:
            raise InstallError(
                f"{where}: expected the key {self._engine.log.key!r} of this device's log, found"
                f" {graph.key!r}; release it to other devices"
            )
        if missing := sorted(set(graph.tables) - set(self._engine.tables)):
            raise InstallError(
                f"{where}: expected the table {missing[0]!r} on this device, found none;"
                " give it to the engine first"
            )

    def _remove_plans(self) -> None:
        """Take out the plans of releases that no call uses any more."""
        gone = [one for one in self._retired if not one.calls]
        self._retired = [one for one in self._retired if one.calls]
        used = {one.model.graph_id for one in (*self._tasks.values(), *self._retired)} | {*self._coming}
        for graph_id in {one.model.graph_id for one in gone} - used:
            self._engine.remove(graph_id)
