"""The commands print what they found, for people and for machines."""

from __future__ import annotations

import json

import pytest

from headrace.cli import main

pytestmark = pytest.mark.device


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Return the exit code and the output of a command."""
    return main(list(words)), capsys.readouterr().out


def test_gates(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures are judged, and the assumptions stand beside them."""
    code, out = run(capsys, "simulate", "gates", "--releases", "2", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["missed"] == []
    assert [each["kind"] for each in told["outcomes"]][:2] == ["the same again", "fails on 5 %"]
    assert told["world"]["fleet"] == 22_000_000


def test_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    """Assumptions first."""
    code, out = run(capsys, "simulate", "estimate", "--devices", "1000", "--hours", "1")
    assert code == 0
    assert out.index("assumed") < out.index("99 % of those online, s")
