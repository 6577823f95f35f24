"""The workloads of a run by name: what a section asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from headrace.bench.setting import Setting

if TYPE_CHECKING:
    from stream.bench.system import Work


class Key(NamedTuple):
    """A workload: its kind, what distinguishes it among its kind, and the seed."""

    kind: str  # of WORKS
    name: str
    seed: int


def _mixed(name: str, seed: int, setting: Setting) -> Work:
    from featuregraph.testing.workload import Shape, workload

    return workload(seed, Shape(features=setting.features, events=setting.events, days=setting.days))


def _service(name: str, seed: int, setting: Setting) -> Work:
    from featuregraph.testing.workload import service

    name, _, user = name.partition(" ")
    return service(name, seed, user=user or "heavy", events=setting.events)


def _redundancy(name: str, seed: int, setting: Setting) -> Work:
    from featuregraph.testing.workload import redundancy

    return redundancy(float(name), seed, events=setting.events)


def _scale(name: str, seed: int, setting: Setting) -> Work:
    from featuregraph.testing.workload import Shape, workload

    shape = Shape(
        features=setting.features, events=int(name), days=setting.days, last_day_share=1 / setting.days
    )
    return workload(seed, shape)


def _none(name: str, seed: int, setting: Setting) -> Work:
    return _mixed(name, seed, Setting(features=1, events=0))


WORKS: Mapping[str, Callable[[str, int, Setting], Work]] = {
    "mixed": _mixed,
    "service": _service,
    "redundancy": _redundancy,
    "scale": _scale,
    "none": _none,
}


def make(key: Key, setting: Setting) -> Work:
    """Return the workload of KEY."""
    return WORKS[key.kind](key.name, key.seed, setting)
