"""What is timed side by side: how it is made, how many requests it answers, and how its sums round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream.bench.stage import BUDGET

if TYPE_CHECKING:
    from featuregraph.testing.workload import Feature
    from stream.bench.alone import Alone
    from stream.bench.autofeature import AutoFeature
    from stream.bench.policy import Policy
    from stream.bench.stage import Stage
    from stream.bench.system import System
    from stream.engine import Mode


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to compute features.

    Args:
        what: what it is, in a line.
        make: makes it, with the history in it.
        share: it answers one request in so many: slow ones would take hours.
        means_close: it sums doubles one by one, so that a mean may differ in the last bits.
    """

    what: str
    make: Callable[[Stage], System]
    share: int = 1
    means_close: bool = True


def _engine(mode: Mode) -> Callable[[Stage], System]:
    return lambda stage: stage.engine(mode)


def features_of(stage: Stage) -> tuple[Feature, ...]:
    """Return the features of the stage's service."""
    from featuregraph.testing.workload import ServiceWork

    assert isinstance(stage.work, ServiceWork), "only services tell their features one by one"
    return stage.work.features


def columns(stage: Stage, budget: int = BUDGET, policy: Policy | None = None) -> AutoFeature:
    """Return AutoFeature on NumPy columns over a log of JSON rows."""
    from stream.bench.autofeature import AutoFeature
    from stream.bench.policy import greedy
    from stream.bench.storage import JsonLog, used

    features = features_of(stage)
    system = AutoFeature(features, JsonLog(stage.file(), used(features)), budget, policy or greedy)
    system.append(stage.work.history)
    return system


def alone_on_rows(stage: Stage) -> Alone:
    """Return each feature by itself over a log of JSON rows."""
    from stream.bench.alone import Alone
    from stream.bench.storage import JsonLog, used

    features = features_of(stage)
    system = Alone(features, JsonLog(stage.file(), used(features)))
    system.append(stage.work.history)
    return system


def full_bytes(stage: Stage) -> int:
    """Return what AutoFeature's cache of everything holds at the start."""
    system = columns(stage, budget=1 << 40)
    system.extract(stage.work.start_ms)
    held = system.state_bytes
    system.close()
    return held


def _random(stage: Stage) -> System:
    from stream.bench.policy import shuffled

    return columns(stage, full_bytes(stage) // 2, shuffled(1))


def _decoded(stage: Stage) -> System:
    from stream.bench.autofeature import AutoFeature
    from stream.bench.storage import DecodedLog, used

    features = features_of(stage)
    names = sorted({name for event in stage.work.history for name in event["attrs"]})
    system = AutoFeature(features, DecodedLog(stage.file(), used(features), names), 0)
    system.append(stage.work.history)
    return system


def _deques(stage: Stage) -> System:
    from stream.bench.deques import Deques

    system = Deques(features_of(stage))
    system.append(stage.work.history)
    return system


def _covering(stage: Stage) -> System:
    from stream.bench.queries import Covering

    system = Covering(features_of(stage), stage.file())
    system.append(stage.work.history)
    return system


def _store(stage: Stage) -> System:
    from stream.bench.queries import FeatureStore

    system = FeatureStore(features_of(stage), stage.file())
    system.append(stage.work.history)
    return system


NAIVE, NAIVE_ENGINE = "naive", "naive, engine"
CACHED, CACHED_ENGINE = "cached", "cached, engine"
DEQUES, COVERING, OURS = "deques", "covering SQLite", "ours"
STORES = ("JSON rows", "decoded log", "feature store")
KINDS: Mapping[str, Kind] = {
    NAIVE_ENGINE: Kind(
        "the engine's mode: each feature retrieves, decodes, filters, computes",
        _engine("naive"),
        10,
        means_close=False,
    ),
    NAIVE: Kind("the same on NumPy columns over a log of JSON rows", alone_on_rows, 10),
    "fused, engine": Kind(
        "the engine's mode: one retrieval and decoding per event", _engine("fused"), 5, means_close=False
    ),
    "fused": Kind("the same on NumPy columns", lambda stage: columns(stage, 0), 5),
    "random cache": Kind("NumPy columns, a random half of their bytes kept", _random, 4),
    CACHED_ENGINE: Kind("the engine's mode: AutoFeature's design", _engine("cached"), 2, means_close=False),
    CACHED: Kind("AutoFeature's design on NumPy columns", columns),
    DEQUES: Kind("by hand: deques and counters per feature", _deques),
    COVERING: Kind("by hand: a query per feature on covering tables", _covering, 4),
    "decoded log": Kind("decoded when written, a column per attribute", _decoded, 8),
    "feature store": Kind("a row per event and feature when written", _store, 4),
    OURS: Kind("the engine, mode auto", _engine("auto"), means_close=False),
}
