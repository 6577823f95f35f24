"""Run an embedded model on exact features: contract, binding, runtimes, ranking, packages."""

from inference.backend import BACKENDS, Backend, Bound, Port, Runtime
from inference.binding import Binder, feeds
from inference.contract import HashSpec, ModelSpec, OutputSpec, Source, TensorSpec
from inference.derive import Input, tensors
from inference.errors import (
    BackendError,
    BindingError,
    ContractError,
    IdRangeError,
    InferenceError,
    NullFeatureError,
    PackageError,
    PackagingError,
    ScoreError,
)
from inference.examples import Example
from inference.limits import Limits
from inference.loading import load
from inference.manifest import Manifest
from inference.packaging import Options, package
from inference.ranker import Ranker, Ranking
from inference.session import Model, Result, Session, Timings

__all__ = [
    "BACKENDS",
    "Backend",
    "BackendError",
    "Binder",
    "BindingError",
    "Bound",
    "ContractError",
    "Example",
    "HashSpec",
    "IdRangeError",
    "InferenceError",
    "Input",
    "Limits",
    "Manifest",
    "Model",
    "ModelSpec",
    "NullFeatureError",
    "Options",
    "OutputSpec",
    "PackageError",
    "PackagingError",
    "Port",
    "Ranker",
    "Ranking",
    "Result",
    "Runtime",
    "ScoreError",
    "Session",
    "Source",
    "TensorSpec",
    "Timings",
    "feeds",
    "load",
    "package",
    "tensors",
]
