"""Put the packages of the current folder to the test: exit 1 with the reason at the first failure, else 0.

    python tests/mutants/trial.py [FILE]    in a copy that run.py made, with the copy on PYTHONPATH

From the most telling test to the least: some random histories against the reference, the golden cases in
every executor, the laws, those near FILE first, and then histories at length.
"""

# ruff: noqa: T201 - a script for people
from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

SOME, ALL = 24, 160  # histories
FOLDERS = (
    "properties",
    "columnar",
    "device",
    "blocks",
    "log",
    "backfill",
    "trainset",
    "badinput",
)  # of tests, under tests/
LEFT_OUT = {
    "properties/test_engine_histories.py",  # a stage of its own
    "device/test_bytes.py",  # of memory, which no value depends on
    "backfill/test_memory.py",
    "backfill/test_cut_runs.py",  # of processes, slow
    "backfill/test_buckets_of_a_run.py",
    "trainset/test_command.py",  # as well
    "trainset/test_bounds.py",  # of memory
    *(f"badinput/test_{name}.py" for name in ("catalogue", "command_line", "events", "graphs", "logs")),
}
NEAR = {  # tests that are told first of a file: those of the first row that its path begins with
    "featuregraph/arrays": ("properties/test_arrays", "columnar"),
    "featuregraph": ("properties",),
    "stream/backfill/columnar": ("columnar", "properties/test_executors"),
    "stream/backfill": ("backfill", "badinput/test_replay"),
    "stream/trainset": ("trainset",),
    "stream/blocks": ("blocks",),
    "stream": ("device", "blocks", "log"),
}
OFF_DEVICE = ("featuregraph/arrays", "stream/backfill", "stream/trainset")  # no history meets them
BROKEN = 3  # of the trial itself: it tells nothing of the mutant


def histories(seeds: range) -> None:
    """Play random histories, every other one with tight limits."""
    from stream.pace import PACE
    from stream.testing.histories import changing_history, filtered_history, moving_history, random_history
    from stream.testing.lives import TIGHT
    from stream.testing.stage import check

    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            rng = Random(seed)
            make = (random_history, filtered_history, moving_history, changing_history)[seed // 2 % 4]
            check(make(rng), Path(folder), TIGHT if seed % 2 else PACE)


def golden() -> None:
    """Run the golden cases that are built in every mode of the engine, and over columns."""
    from featuregraph.testing.conformance import Executor, check_executor, load_cases
    from stream.testing import EXECUTORS, ColumnarExecutor

    executors: list[Executor] = [*EXECUTORS, ColumnarExecutor()]
    listed = json.loads(Path("tests/conformance/unsupported.json").read_text(encoding="utf-8"))
    unbuilt = {case for cases in listed["unsupported"].values() for case in cases}
    for case in load_cases(Path("tests/golden/vectors")):
        for executor in executors:
            if case.id not in unbuilt:
                check_executor(executor, case)


def law_files(changed: str) -> list[str]:
    """Return the files of FOLDERS: those near the CHANGED file first, and of them those named like it."""
    name = Path(changed).stem
    near = next((folders for begin, folders in NEAR.items() if changed.startswith(begin)), ())
    found = (path for folder in FOLDERS for path in sorted(Path("tests", folder).glob("test_*.py")))
    files = [str(path.relative_to("tests")) for path in found]

    def distance(file: str) -> tuple[bool, bool]:
        return not file.startswith(near), not name or name not in file

    return [f"tests/{file}" for file in sorted(files, key=distance) if file not in LEFT_OUT]


def laws(changed: str) -> None:
    """Run the tests of FOLDERS; raise AssertionError if one fails."""
    import pytest

    files = law_files(changed)
    ended = pytest.main(["-x", "-q", "--no-header", "-p", "no:cacheprovider", *files])
    if ended in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.exit(BROKEN)
    assert ended == pytest.ExitCode.OK, "a test fails"


def main() -> int:
    """Run all stages; return 1 after naming the first failure."""
    import featuregraph
    import stream

    for package in (featuregraph, stream):
        assert Path(package.__file__ or "").is_relative_to(Path.cwd()), (
            f"expected the copy, found {package.__file__}"
        )
    changed = "".join(sys.argv[1:])
    stages: dict[str, Callable[[], None]] = {
        "histories": lambda: histories(range(SOME)),
        "golden": golden,
        "laws": lambda: laws(changed),
        "long histories": lambda: histories(range(SOME, ALL)),
    }
    order = sorted(stages, key="laws".__ne__) if changed.startswith(OFF_DEVICE) else [*stages]
    for name in order:
        try:
            stages[name]()
        except Exception as error:  # noqa: BLE001 - whatever breaks kills the mutant
            print(f"killed by {name}: {type(error).__name__}: {str(error)[:300]!r}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
