"""Runtimes behind one Protocol: a model file in, named ports out, runs on buffers that the caller fills.

Invariants of a backend:
1. A Runtime is shared by threads; a Bound belongs to one thread.
2. A Bound reads the arrays it was bound to at every run: fill them in place, run, read the outputs in place.
3. What a runtime refuses becomes a BackendError of one line; ids are checked before, by the binding.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from inference.contract import OutputSpec, TensorSpec
from inference.errors import BackendError

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output as the model file declares it: a free dimension is a name or -1."""

    name: str
    datatype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.datatype} {list(self.shape)}"


class Bound(Protocol):
    """A model bound to one thread's buffers."""

    def run(self, rows: int) -> None:
        """Run on the first ROWS rows of each candidate buffer and on the whole of every other one."""
        ...


class Runtime(Protocol):
    """One loaded model file."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str]
    chunk: int  # candidates per run that this runtime likes

    def bind(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], per_candidate: frozenset[str]
    ) -> Bound:
        """Bind whole buffers; those named in PER_CANDIDATE have candidates as their first axis."""
        ...


class Backend(Protocol):
    """A way to run model files."""

    name: str

    def available(self) -> bool:
        """Tell whether what it needs is installed."""
        ...

    def open(self, model: bytes) -> Runtime:
        """Load a model file; raise BackendError if it is none."""
        ...


# name: "module:class". A row costs nothing until it is asked for; the order is that of "auto".
BACKENDS: Mapping[str, str] = {"onnx": "inference.onnx:OnnxBackend"}


def backend(choice: str | Backend = "auto") -> Backend:
    """Return the backend of that name, or the first available one; raise BackendError if there is none."""
    if not isinstance(choice, str):
        return choice
    names = list(BACKENDS) if choice == "auto" else [choice]
    for name in names:
        if name not in BACKENDS:
            raise BackendError(
                f"expected a backend of {['auto', *BACKENDS]}, found {choice!r}; choose one of them"
            )
        module, _, kind = BACKENDS[name].partition(":")
        found: Backend = getattr(importlib.import_module(module), kind)()
        if found.available():
            return found
    raise BackendError(f"expected an installed runtime for {names}, found none; install onnxruntime")


def buffers(specs: tuple[OutputSpec, ...], rows: int) -> dict[str, Array]:
    """Return zeroed arrays of the outputs' shapes, ROWS in place of the candidate axis."""
    return {
        s.name: np.zeros([rows if isinstance(dim, str) else dim for dim in s.shape], s.dtype) for s in specs
    }


def candidate_names(inputs: tuple[TensorSpec, ...], outputs: tuple[OutputSpec, ...]) -> frozenset[str]:
    """Return the tensors whose first axis counts candidates."""
    fixed = {s.shape[0] for s in inputs if s.role == "candidate"}
    per = {s.name for s in inputs if s.role == "candidate"}
    return frozenset(per | {s.name for s in outputs if s.shape and s.shape[0] in fixed})
