"""Apply each mutant to a copy of the packages and see whether the suite kills it.

    python tests/mutants/run.py [--only TEXT] [--first 1] [--jobs 2]

Prints a row per mutant and "killed N of M"; exits 1 below 95 %, and 2 if a mutant no longer applies.
"""

# ruff: noqa: T201 - a script for people
from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.mutants.mutants import MUTANTS, Mutant
from tests.mutants.trial import BROKEN, FOLDERS

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
NEEDED = 0.95
LIMIT_CPU_S, LIMIT_S = 600, 3_600  # of one trial: a mutant that works, or waits, for ever is killed too
PACKAGES = ("featuregraph", "stream")
NEEDED_TESTS = (
    "conftest.py",
    "conformance/unsupported.json",
    "golden/vectors",
    "mutants/trial.py",
    *FOLDERS,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the suite said of one mutant."""

    mutant: Mutant | None  # None: the packages as they are
    killed: bool
    seconds: float
    reason: str


def sources() -> Path:
    """Return the folder that holds the packages under test, a checkout or an installation."""
    import featuregraph

    assert featuregraph.__file__
    return Path(featuregraph.__file__).resolve().parent.parent


def problem(mutant: Mutant) -> str | None:
    """Return why MUTANT does not apply, None if it does."""
    text = (sources() / mutant.file).read_text(encoding="utf-8")
    if (found := text.count(mutant.old)) != 1:
        return f"{mutant.file}: expected {mutant.old!r:.80} once, found it {found} times; mend the row"
    try:
        compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")
    except SyntaxError as error:
        return f"{mutant.file}: expected code, found {error} for {mutant.breaks!r}; mend the row"
    return None


@contextmanager
def copy() -> Iterator[Path]:
    """Give a folder with the packages and the tests that a trial needs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        clean = shutil.ignore_patterns("__pycache__")
        for package in PACKAGES:
            shutil.copytree(sources() / package, folder / package, ignore=clean)
        for part in NEEDED_TESTS:
            if (TESTS / part).is_dir():
                shutil.copytree(TESTS / part, folder / "tests" / part, ignore=clean)
            else:
                (folder / "tests" / part).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(TESTS / part, folder / "tests" / part)
        shutil.copy(TESTS.parent / "pyproject.toml", folder)
        yield folder


def trial(folder: Path, mutant: Mutant | None) -> Verdict:
    """Put MUTANT (None: the packages as they are) to the test in FOLDER, a copy, and restore it."""
    path = folder / (mutant.file if mutant else "stream/__init__.py")
    text = path.read_text(encoding="utf-8")
    if mutant:
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    # No byte code: it is told apart by seconds and sizes, which two mutants may share.
    env = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_PROFILE": "ci"}
    trying = ["tests/mutants/trial.py", mutant.file if mutant else ""]
    began = time.monotonic()
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", f'ulimit -t {LIMIT_CPU_S}; exec "$0" "$@"', sys.executable, *trying],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        if done.returncode == BROKEN:
            raise RuntimeError(f"expected tests that run, found {done.stderr.strip() or done.stdout.strip()}")
        killed = done.returncode != 0
        reason = (done.stdout + done.stderr).strip().rpartition("\n")[2]
        if done.returncode == -signal.SIGXCPU:
            reason = f"killed by the limit of {LIMIT_CPU_S} s of processor time"
    except subprocess.TimeoutExpired:
        killed, reason = True, f"killed by the limit of {LIMIT_S} s"
    finally:
        path.write_text(text, encoding="utf-8")
    return Verdict(mutant, killed, time.monotonic() - began, reason)


def verdicts(mutants: list[Mutant], jobs: int) -> Iterator[Verdict]:
    """Give each mutant's verdict as it is known, JOBS at a time, each in a copy of its own."""
    free: SimpleQueue[Path] = SimpleQueue()

    def one(mutant: Mutant) -> Verdict:
        folder = free.get()
        try:
            return trial(folder, mutant)
        finally:
            free.put(folder)

    with copy() as first, copy() as second, ThreadPoolExecutor(jobs) as pool:
        for folder in (first, second)[:jobs]:
            free.put(folder)
        yield from pool.map(one, mutants)


def main() -> int:
    """Run the mutants that the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="mutants whose file or description holds this text")
    parser.add_argument("--first", type=int, default=1, help="from this row on, where a run was cut short")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=2)
    asked = parser.parse_args()
    mutants = [m for m in MUTANTS[asked.first - 1 :] if asked.only in f"{m.file} {m.breaks}"]
    if problems := [p for m in mutants if (p := problem(m))]:
        print("\n".join(problems))
        return 2
    with copy() as folder:
        whole = trial(folder, None)
    if whole.killed:
        print(f"expected the suite to pass without a mutant, found {whole.reason}; mend that first")
        return 2
    print(f"without a mutant: passes in {whole.seconds:.0f} s", flush=True)
    survivors = 0
    for verdict in verdicts(mutants, asked.jobs):
        assert verdict.mutant
        survivors += not verdict.killed
        what = verdict.reason.removeprefix("killed by ")[:60] if verdict.killed else "SURVIVED"
        print(
            f"{verdict.mutant.file:38} {verdict.mutant.breaks:62.62} {verdict.seconds:5.0f} s  {what}",
            flush=True,
        )
    killed = len(mutants) - survivors
    print(f"killed {killed} of {len(mutants)}")
    return 0 if killed >= NEEDED * len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
