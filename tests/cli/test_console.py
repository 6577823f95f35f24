"""What commands show: JSON that parses, tables that align, bars only for people who wait."""

from __future__ import annotations

import io
import json
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from headrace import console

pytestmark = pytest.mark.device


class Terminal(io.StringIO):
    """A standard error that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@dataclass(frozen=True, slots=True)
class Pair:
    """A value with a type that JSON does not know."""

    price: Decimal
    where: Path


def test_json_keeps_decimals_exact(capsys: pytest.CaptureFixture[str]) -> None:
    """A decimal is its text, digits and all; paths and sets become text and lists."""
    console.emit_json([Pair(Decimal("1.50"), Path("a/b")), {3, 1, 2}])
    assert json.loads(capsys.readouterr().out) == [{"price": "1.50", "where": "a/b"}, [1, 2, 3]]


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_json_refuses_what_it_cannot_say(value: object) -> None:
    """NaN and foreign objects raise instead of becoming something that no parser reads."""
    with pytest.raises((TypeError, ValueError)):
        console.emit_json({"x": value})


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (True, "yes"),
        (1234567, "1,234,567"),
        (0.123456, "0.1235"),
        (12345.6, "12,346"),
        ("a", "a"),
    ],
)
def test_cells_are_written_for_people(cell: object, text: str) -> None:
    """Thousands stand apart and floats keep four digits."""
    assert console.show(cell) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (1 << 41, "2,048.0 GiB")],
)
def test_sizes_are_written_with_their_unit(size: int, text: str) -> None:
    """A size is written in the largest unit that it fills."""
    assert console.show_bytes(size) == text


def test_markup_in_a_cell_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A user's value in brackets is shown, not taken as a style; columns of numbers stand to the right."""
    console.print_table("", ("name", "count"), [("[red]x", 5), ("y", 12345)])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[-2].split() == ["[red]x", "5"]
    assert len(lines[-2]) == len(lines[-1])


@pytest.mark.parametrize(("told", "width"), [("100", 100), ("", 80), ("wide", 80), ("0", 80), ("-5", 80)])
def test_columns_say_where_lines_end(monkeypatch: pytest.MonkeyPatch, told: str, width: int) -> None:
    """COLUMNS decides; without it, or with none that is a number, a pipe has 80."""
    monkeypatch.setenv("COLUMNS", told)
    assert console.stdout().width == width


def test_text_is_folded_at_an_edge_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe gets a line as it is; at an edge it ends between words, and no word is cut."""
    text = f"  one two three {'x' * 30}\n\nend"
    console.say(text)
    assert capsys.readouterr().out == f"{text}\n"
    monkeypatch.setenv("COLUMNS", "12")
    console.say(text)
    assert capsys.readouterr().out == f"  one two\n      three\n      {'x' * 30}\n\nend\n"


def test_long_work_without_a_terminal_is_told_in_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log file gets a line now and then, and the end of what it was told of; no bar, no control codes."""
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(console, "TOLD_AFTER_S", 0.0)
    monkeypatch.setattr(console, "TOLD_STEP_S", 0.0)
    with console.progress("counting", total=1_200) as done:
        done(1_000)
        done(200)
    assert err.getvalue() == "counting: 1,000 of 1,200 after 0 s\ncounting: 1,200 after 0 s\n"


def test_steps_of_long_work_are_told_from_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many short steps are long work too."""
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    for least in (3_600.0, 0.0):  # the first step is too short to be told
        monkeypatch.setattr(console, "TOLD_STEP_S", least)
        with console.progress("step", since=time.monotonic() - console.TOLD_AFTER_S) as done:
            done(5)
    assert err.getvalue() == "step: 5 after 3 s\n"


def test_no_bar_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log file never receives a progress bar, however long the work takes."""
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(console, "PROGRESS_AFTER_S", 0.0)
    assert list(console.track(range(3), "counting")) == [0, 1, 2]
    assert err.getvalue() == ""


@pytest.mark.parametrize(("after_s", "shown"), [(0.0, True), (3600.0, False)])
def test_a_bar_stands_only_for_long_work(
    monkeypatch: pytest.MonkeyPatch, after_s: float, shown: bool
) -> None:
    """On a terminal the bar comes when the work has taken long enough, and not before."""
    err = Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(console, "PROGRESS_AFTER_S", after_s)
    with console.progress("counting", total=3) as done:
        for _ in range(3):
            done(1)
    assert ("counting" in err.getvalue()) is shown
