"""Every golden case through every executor: what the vectors say is what all of them give.

unsupported.json lists the cases of clauses that are not built yet: reason -> cases. They are strict xfail, so
that building a clause makes the suite ask for their removal. What a device shall refuse, labels and keys of
several columns, is no gap: the suite holds it to its refusal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from featuregraph.testing.conformance import Case, Executor, check_executor, load_cases
from featuregraph.testing.executors import ReferenceExecutor
from stream.testing import EXECUTORS as DEVICE
from stream.testing import ColumnarExecutor

pytestmark = pytest.mark.device

HERE = Path(__file__).parent
CASES = load_cases(HERE.parent / "golden" / "vectors")
EXECUTORS: Sequence[Executor] = [ReferenceExecutor(), ColumnarExecutor(), *DEVICE]
LISTED = json.loads((HERE / "unsupported.json").read_text(encoding="utf-8"))
UNSUPPORTED = {case: reason for reason, cases in LISTED["unsupported"].items() for case in cases}


def _parameter(executor: Executor, case: Case) -> Any:
    reason = UNSUPPORTED.get(case.id)
    marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)]
    return pytest.param(executor, case, id=f"{executor.name}-{case.id}", marks=marks)


@pytest.mark.parametrize(("executor", "case"), [_parameter(e, c) for e in EXECUTORS for c in CASES])
def test_golden_case(executor: Executor, case: Case) -> None:
    """The executor gives the case's values, partial features or error."""
    check_executor(executor, case)


def test_every_file_of_vectors_is_run() -> None:
    """No file is empty or skipped, and no two cases share an id."""
    ids = [case.id for case in CASES]
    files = {path.stem for path in (HERE.parent / "golden" / "vectors").glob("*.json")}
    assert {case_id.split("::")[0] for case_id in ids} == files
    assert len(ids) == len(set(ids)) >= 200


def test_the_list_is_exactly_what_is_not_built() -> None:
    """A case is listed if and only if its graph has a word of a clause that is not built."""
    unbuilt = {case.id for case in CASES if _words_not_built(case)}
    assert unbuilt == set(UNSUPPORTED)


def _words_not_built(case: Case) -> set[str]:
    """Return the words that stand for clause 6."""
    return {"derived"} if (case.graph or {}).get("derived") else set()
