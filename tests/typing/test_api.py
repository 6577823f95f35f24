"""The typing sample works: what the type checkers accept also runs."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.device


def test_the_typing_sample_runs() -> None:
    """Every word of the sample exists and takes what the sample gives it."""
    names = runpy.run_path(str(Path(__file__).parent / "api.py"))
    assert names["shop"].id == names["plan"].id
