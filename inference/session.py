"""One vector in, one result out: bind, run in chunks of candidates, own the answer."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns

import msgspec
import numpy as np

from featuregraph.graph import Graph
from featuregraph.vector import FeatureVector
from inference.backend import Array, Bound, Runtime, buffers, candidate_names
from inference.binding import Binder
from inference.contract import ModelSpec
from inference.errors import BindingError


@dataclass(frozen=True, slots=True)
class Model:
    """A model that fits its graph: what `load` returns and sessions share."""

    spec: ModelSpec
    graph: Graph
    runtime: Runtime
    sha256: str  # of the model file
    meta: Mapping[str, str] = field(default_factory=dict)  # for people: licence, notes, how it was quantised

    @property
    def graph_id(self) -> str:
        """Return the id of the graph that the model was trained on."""
        return self.spec.graph_id


class Timings(msgspec.Struct, frozen=True):
    """Where one request's time went, in nanoseconds of wall time."""

    extraction_ns: int = 0
    binding_ns: int = 0
    model_ns: int = 0


class Result(msgspec.Struct, frozen=True):
    """A model's outputs for one vector, with what they were computed from."""

    outputs: dict[str, Array]
    graph_id: str
    model: str  # SHA-256 of the model file
    at_ms: int
    partial: tuple[str, ...]
    timings: Timings

    def __getitem__(self, output: str) -> Array:
        return self.outputs[output]


class _Lane:
    """One thread's buffers and the run over them."""

    def __init__(self, spec: ModelSpec, runtime: Runtime, chunk: int) -> None:
        self.per_candidate = candidate_names(spec.inputs, spec.outputs)
        self.binder = Binder(spec.inputs, chunk)
        self.outputs = buffers(spec.outputs, chunk)
        self.bound: Bound = runtime.bind(self.binder.inputs, self.outputs, self.per_candidate)


class Session:
    """Run a model on feature vectors; safe to share: each thread has buffers of its own.

    >>> Session(model).run(engine.extract(model.graph_id))["score"]
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._chunk = (model.spec.chunk or model.runtime.chunk) if model.spec.ranks else 1
        self._local = threading.local()

    def run(self, vector: FeatureVector) -> Result:
        """Return the model's outputs; those per candidate have all candidates of VECTOR as their first axis.

        Raises:
            BindingError: a value does not fit its tensor (IdRangeError, NullFeatureError), or another graph.
            BackendError: the runtime refuses the call.
        """
        spec = self.model.spec
        if vector.graph_id != spec.graph_id:
            raise BindingError(
                f"expected a vector of graph {spec.graph_id[:12]}, found one of {vector.graph_id[:12]}; "
                "install the package's graph"
            )
        started = perf_counter_ns()
        lane = self._lane()
        lane.binder.query(vector.values)
        outputs, model_ns = self._ranked(lane, vector) if spec.ranks else self._single(lane)
        timings = Timings(binding_ns=perf_counter_ns() - started - model_ns, model_ns=model_ns)
        return Result(outputs, spec.graph_id, self.model.sha256, vector.at_ms, vector.partial, timings)

    def _lane(self) -> _Lane:
        lane: _Lane | None = getattr(self._local, "lane", None)
        if lane is None:
            lane = self._local.lane = _Lane(self.model.spec, self.model.runtime, self._chunk)
        return lane

    def _single(self, lane: _Lane) -> tuple[dict[str, Array], int]:
        started = perf_counter_ns()
        lane.bound.run(1)
        spent = perf_counter_ns() - started
        return {name: array.copy() for name, array in lane.outputs.items()}, spent

    def _ranked(self, lane: _Lane, vector: FeatureVector) -> tuple[dict[str, Array], int]:
        """Run chunk after chunk; without candidates nothing runs and the outputs per candidate are empty."""
        count = lane.binder.candidates(vector.values)
        fixed = self.model.spec.chunk
        outputs = {
            n: np.empty((count, *a.shape[1:]), a.dtype)
            for n, a in lane.outputs.items()
            if n in lane.per_candidate
        }
        spent = 0
        for start in range(0, count, self._chunk):
            stop = min(start + self._chunk, count)
            lane.binder.rows(vector.values, start, stop)
            if fixed is not None and stop - start < fixed:
                lane.binder.clear_rows(stop - start)
            began = perf_counter_ns()
            lane.bound.run(fixed or stop - start)
            spent += perf_counter_ns() - began
            for name, array in outputs.items():
                array[start:stop] = lane.outputs[name][: stop - start]
        if count:
            outputs.update({n: a.copy() for n, a in lane.outputs.items() if n not in lane.per_candidate})
        return outputs, spent
