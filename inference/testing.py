"""In-memory stand-ins for a runtime and a feature source, for tests of what stands above them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from featuregraph.vector import FeatureVector
from inference.backend import Array, Port, candidate_names
from inference.contract import ModelSpec

Function = Callable[[dict[str, Array]], Mapping[str, Array]]


class FakeRuntime:
    """A model that is a Python function of its input arrays."""

    def __init__(
        self, spec: ModelSpec, function: Function, metadata: Mapping[str, str] | None = None, chunk: int = 4
    ) -> None:
        self.inputs = tuple(Port(s.name, s.datatype, s.shape) for s in spec.inputs)
        self.outputs = tuple(Port(s.name, s.datatype, s.shape) for s in spec.outputs)
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.chunk = chunk
        self.function = function
        self.runs: list[int] = []  # the rows of each run
        self.per_candidate = candidate_names(spec.inputs, spec.outputs)

    def bind(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], per_candidate: frozenset[str]
    ) -> FakeBound:
        """Return a run over these buffers."""
        return FakeBound(self, inputs, outputs, per_candidate)


class FakeBound:
    """A FakeRuntime over one thread's buffers."""

    def __init__(
        self,
        runtime: FakeRuntime,
        inputs: Mapping[str, Array],
        outputs: Mapping[str, Array],
        per_candidate: frozenset[str],
    ) -> None:
        self._runtime, self._inputs, self._outputs, self._each = runtime, inputs, outputs, per_candidate

    def run(self, rows: int) -> None:
        """Call the function on the first ROWS rows of the candidate buffers."""
        self._runtime.runs.append(rows)
        found = self._runtime.function(
            {n: a[:rows] if n in self._each else a for n, a in self._inputs.items()}
        )
        for name, array in self._outputs.items():
            (array[:rows] if name in self._each else array)[...] = found[name]


@dataclass(frozen=True, slots=True)
class FakeBackend:
    """A backend that opens every file as one FakeRuntime."""

    runtime: FakeRuntime
    installed: bool = True
    name: str = "fake"

    def available(self) -> bool:
        """Tell what the test said."""
        return self.installed

    def open(self, model: bytes) -> FakeRuntime:
        """Return the runtime, whatever the file."""
        return self.runtime


@dataclass(slots=True)
class FakeSource:
    """A feature source that answers from a function of the candidates, and remembers what it was asked."""

    answer: Callable[[Mapping[str, Sequence[object]]], dict[str, object]]
    at_ms: int = 1_000
    partial: tuple[str, ...] = ()
    asked: list[dict[str, object]] = field(default_factory=list)

    def extract(
        self,
        graph_id: str,
        *,
        key: object = None,
        at_ms: int | None = None,
        request: Mapping[str, object] | None = None,
        candidates: Mapping[str, Sequence[object]] | None = None,
    ) -> FeatureVector:
        """Return the answer for CANDIDATES as a vector of GRAPH_ID."""
        self.asked.append({"key": key, "at_ms": at_ms, "request": request, "candidates": candidates})
        time = self.at_ms if at_ms is None else at_ms
        return FeatureVector(self.answer(candidates or {}), graph_id, time, partial=self.partial)
