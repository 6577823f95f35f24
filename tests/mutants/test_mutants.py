"""The list of mutants follows the code, and the suite kills a sample of it; run.py runs them all."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
SAMPLE = 3


def load(name: str) -> ModuleType:
    """Return the script NAME of this folder as a module."""
    spec = importlib.util.spec_from_file_location(f"mutants_{name}", HERE / f"{name}.py")
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run = load("run")


def test_every_mutant_still_applies() -> None:
    """Each row's text occurs once in its file, and what it makes of it is code."""
    assert [problem for mutant in run.MUTANTS if (problem := run.problem(mutant))] == []


def test_mutants_are_many_and_different() -> None:
    """No two rows make the same change, and every part of the fast paths has some."""
    changes = {(mutant.file, mutant.old, mutant.new) for mutant in run.MUTANTS}
    assert len(changes) == len(run.MUTANTS) >= 40
    parts = {str(Path(mutant.file).parent) for mutant in run.MUTANTS}
    assert parts == {
        "stream",
        "stream/backfill",
        "stream/backfill/columnar",
        "stream/backfill/columnar/kernels",
        "stream/backfill/intake",
        "stream/blocks",
        "stream/trainset",
        "featuregraph",
        *(f"featuregraph/{p}" for p in ("aggregates", "arrays", "scalar", "convert")),
    }


@pytest.mark.parametrize(
    "mutant", run.MUTANTS[:: len(run.MUTANTS) // SAMPLE][:SAMPLE], ids=lambda m: m.breaks
)
def test_a_sample_is_killed(mutant: object) -> None:
    """The suite fails on a sample from all over the list."""
    with run.copy() as folder:
        verdict = run.trial(folder, mutant)
    assert verdict.killed, verdict.reason
