"""What an import costs: a device pays it at every start, so heavy packages wait until they are needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.device

HEAVY = {
    "aiokafka",
    "duckdb",
    "faust",
    "networkx",
    "onnx",
    "pandas",
    "polars",
    "pyarrow",
    "rocksdict",
    "torch",
}
FOR_PEOPLE = {"rich", "typer"}
ROOMS = {"deploy", "featuregraph", "inference", "stream"}

PROBE = """
import json, logging, os, sys, threading, time
before, env = set(sys.modules), dict(os.environ)
began = time.process_time()
import {names}
seconds = time.process_time() - began
print(json.dumps({{
    "seconds": seconds,
    "loaded": sorted({{name.partition(".")[0] for name in set(sys.modules) - before}}),
    "threads": threading.active_count(),
    "handlers": len(logging.root.handlers),
    "environment_kept": env == dict(os.environ),
}}))
"""


def probe(names: str) -> dict[str, object]:
    """Import NAMES in a fresh interpreter and return what that did to it."""
    args = [sys.executable, "-c", PROBE.format(names=names)]
    run = subprocess.run(args, check=True, capture_output=True, text=True)
    found: dict[str, object] = json.loads(run.stdout)
    return found


def loaded(names: str) -> set[str]:
    """Return the top-level names that importing NAMES loads."""
    found = probe(names)["loaded"]
    assert isinstance(found, list)
    return set(found)


@pytest.mark.parametrize("package", ["featuregraph", "stream", "inference"])
def test_the_device_path_loads_nothing_heavy(package: str) -> None:
    """Importing a room of the device path loads no package of an extra and nothing that is for people."""
    assert loaded(package) & (HEAVY | FOR_PEOPLE) == set()


@pytest.mark.parametrize("package", ["featuregraph", "stream"])
def test_features_need_no_model_runtime_and_no_numpy_yet(package: str) -> None:
    """Importing features does not load the model runtime, nor NumPy, which takes as long as they do."""
    assert loaded(package) & {"onnxruntime", "numpy"} == set()


def test_importing_costs_no_more_than_a_few_times_numpy() -> None:
    """`import featuregraph, stream` is within 5 times NumPy's import; `headrace bench` prints seconds."""

    def best(modules: str) -> float:
        return min(float(str(probe(modules)["seconds"])) for _ in range(3))

    assert best("featuregraph, stream") <= 5 * best("numpy")


@pytest.mark.parametrize("package", ["featuregraph", "stream", "inference", "deploy", "headrace"])
def test_importing_does_nothing_else(package: str) -> None:
    """No thread is started, no log handler added, no environment variable changed."""
    found = probe(package)
    assert (found["threads"], found["handlers"], found["environment_kept"]) == (1, 0, True)


def test_the_front_door_loads_no_room() -> None:
    """The command line knows its commands by name only, so that one broken room cannot break its help."""
    assert loaded("headrace.cli") & (ROOMS | HEAVY) == set()
