"""Put the packages of the current folder to the test: exit 1 with the reason at the first failure, else 0.

    python tests/mutants/trial.py        in a copy that run.py made, with the copy on PYTHONPATH

From the most telling test to the least: random histories against the reference, the golden cases in every
device mode, then the laws of conversion, operators, aggregates, windows, rules and graphs.
"""

# ruff: noqa: T201 - a script for people
from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from random import Random

HISTORIES = 120
LAWS = (
    "rules",
    "pushdown",
    "passes",
    "convert",
    "scalar",
    "scalar_time",
    "windows",
    "graphs",
    "engine_histories",
    "executors",
    "aggregates",
    "served",
    "columns",
    "admission",
)
DEVICE = ("answers", "record", "budget", "interleaving")


def histories() -> None:
    """Play random histories, every other one with tight limits."""
    from stream.pace import PACE
    from stream.testing.histories import changing_history, filtered_history, moving_history, random_history
    from stream.testing.lives import TIGHT
    from stream.testing.stage import check

    for seed in range(HISTORIES):
        with tempfile.TemporaryDirectory() as folder:
            rng = Random(seed)
            make = (random_history, filtered_history, moving_history, changing_history)[seed // 2 % 4]
            check(make(rng), Path(folder), TIGHT if seed % 2 else PACE)


def golden() -> None:
    """Run the golden cases that are built in every mode of the engine."""
    from featuregraph.testing.conformance import check_executor, load_cases
    from stream.testing import EXECUTORS

    listed = json.loads(Path("tests/conformance/unsupported.json").read_text(encoding="utf-8"))
    unbuilt = {case for cases in listed["unsupported"].values() for case in cases}
    for case in load_cases(Path("tests/golden/vectors")):
        for executor in EXECUTORS:
            if case.id not in unbuilt:
                check_executor(executor, case)


def laws() -> None:
    """Run the law tests; raise AssertionError if one fails."""
    import pytest

    files = [f"tests/properties/test_{name}.py" for name in LAWS]
    files += [f"tests/device/test_{name}.py" for name in DEVICE]
    assert pytest.main(["-x", "-q", "--no-header", "-p", "no:cacheprovider", *files]) == 0, "a law test fails"


def main() -> int:
    """Run all stages; return 1 after naming the first failure."""
    import featuregraph
    import stream

    for package in (featuregraph, stream):
        assert Path(package.__file__ or "").is_relative_to(Path.cwd()), (
            f"expected the copy, found {package.__file__}"
        )
    for stage in (histories, golden, laws):
        try:
            stage()
        except Exception as error:  # noqa: BLE001 - whatever breaks kills the mutant
            print(f"killed by {stage.__name__}: {type(error).__name__}: {str(error)[:300]!r}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
