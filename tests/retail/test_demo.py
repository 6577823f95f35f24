"""The demo: what it prints is true, and it needs the base install alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.device

# A module that refuses to be imported stands for one that is not installed.
BARE = """
import sys
for name in ("pyarrow", "networkx", "onnx", "torch"):
    sys.modules[name] = None
from headrace.cli import main
sys.exit(main(sys.argv[1:]))
"""


def bare(*args: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as the base install alone would."""
    command = [sys.executable, "-c", BARE, *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """Return what the demo finds on the base install."""
    done = bare("demo", "--json")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_every_cell_is_equal(found: dict[str, Any]) -> None:
    """The naive mode and the reference give what was served, bit for bit."""
    for name in ("naive_equal", "reference_equal"):
        assert found[name]["equal"] == found[name]["cells"] > 2_000


def test_the_model_is_worth_its_bytes(found: dict[str, Any]) -> None:
    """The model's lead over the best ranking without learning is above zero with 95 % confidence."""
    assert found["lead"]["ndcg"]["low"] > 0
    assert found["quality"][0]["ranking"] == "model"


def test_all_of_the_slice_is_played(found: dict[str, Any]) -> None:
    """Every event is either history or streamed, and every held-out basket is a request."""
    from headrace.retail.slice import load
    from headrace.retail.task import baskets

    assert found["history_events"] + found["streamed_events"] == len(load())
    assert found["requests"] == len(baskets(load()))
    assert found["requests"] == found["first"]["requests"] + found["later"]["requests"]


def test_the_ratio_follows_from_the_medians_beside_it(found: dict[str, Any]) -> None:
    """Naive and ours answered the same requests, and their ratio is that of the medians that are shown."""
    for name in ("first", "later"):
        kind = found[name]
        assert 0 < kind["compared"] <= kind["requests"]
        assert kind["naive_ratio"] == kind["naive"]["p50_ms"] / kind["ours"]["p50_ms"]
    assert found["naive_equal"]["requests"] == found["first"]["compared"] + found["later"]["compared"]


def test_out_says_what_it_needs(tmp_path: Path) -> None:
    """Without pyarrow --out ends at once, with one line that says what to install."""
    done = bare("demo", "--out", str(tmp_path / "served"))
    assert done.returncode == 2
    line = (
        "headrace: --out: expected pyarrow to write Parquet, found none; run: pip install 'headrace[replay]'"
    )
    assert done.stderr == line + "\n"
    assert not (tmp_path / "served").exists()
