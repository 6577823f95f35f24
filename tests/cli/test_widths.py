"""What commands print in 80 and in 100 columns: within the edge, and nothing that tells is cut."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import cli, columns, commands

pytest.importorskip("pyarrow")

Run = Callable[..., Any]
TIME = "1970-01-01T00:00:02.000Z"


@pytest.fixture(params=[80, 100])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the output have an edge."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def fits(out: str, width: int) -> None:
    """Require lines of WIDTH columns; one word may be longer, since no name is cut."""
    assert [line for line in out.splitlines() if len(line.rstrip()) > width and len(line.split()) > 1] == []


def test_why(run: Run, events: Path, shop: str, width: int) -> None:
    """Times, events and fields stand whole on the line of their row; only verdicts are folded."""
    out = run("why", events, "-g", shop, "-f", "ticket", "-k", "a", "--at", 6_001).out
    fits(out, width)
    rows = [line for line in out.splitlines() if TIME in line]
    assert len(rows) == 4  # two aggregates, of each the kept one and its duplicate
    assert all("purchase" in row for row in rows)
    assert sum(row.startswith("kept ") for row in rows) == 2
    assert "where is false" in " ".join(out.split())


def test_verify(run: Run, events: Path, queries: Path, shop: str, width: int) -> None:
    """A feature's name and its numbers stand on one line; a long type is folded between words."""
    out = run("verify", events, queries, "-g", shop).out
    fits(out, width)
    lines = [line.split() for line in out.splitlines()]
    assert ["spend_30d", "decimal(2)", "5", "2", "30", "30"] in lines
    (history,) = [line for line in lines if line[:1] == ["history"]]
    assert history[-4:] == ["5", "4", "30", "30"]
    assert "record<age:" in history


def test_explain(run: Run, shop: str, width: int) -> None:
    """Long expressions go on in the next line, further to the right."""
    out = run("explain", shop).out
    fits(out, width)
    if width == 80:
        assert "distinct=item_id) of\n        purchase or view\n" in out


def test_logs_and_doctor(run: Run, events: Path, tmp_path: Path, width: int) -> None:
    """Times and paths are whole, however long the path."""
    folder = tmp_path / "-".join(["a folder with a long name"] * 4)
    folder.mkdir()
    log = folder / "events.db"
    for ran in (run("log", "import", log, events), run("log", "stats", log), run("doctor", folder)):
        fits(ran.out, width)
    assert TIME.replace("02", "01") in run("log", "stats", log).out


def test_bench(run: Run, width: int) -> None:
    """A mode and its numbers stand on one line; the names of figures are folded between words."""
    out = run("bench", "device", "--quick", "--requests", "2", "--only", "modes,push,log").out
    fits(out, width)
    (line,) = [line for line in out.splitlines() if line.startswith("incremental  ")]
    assert len(line.split()) == 7


@pytest.mark.parametrize("row", commands.COMMANDS, ids=lambda row: "-".join(row.words))
def test_help(row: commands.Command, capsys: pytest.CaptureFixture[str], width: int) -> None:
    """Arguments are in capitals, flags have no type, and what is not built yet is not offered."""
    assert cli.main([*row.words, "-h"]) == 0
    out = capsys.readouterr().out
    fits(out, width)
    assert "bool" not in out
    assert "-h" in out
    assert "Not yet" not in out
    usage = next(line for line in out.splitlines() if "Usage:" in line)
    assert usage.partition("[OPTIONS]")[2].isupper() or usage.rstrip().endswith("[OPTIONS]")


# ---------------------------------------------------------------- the arithmetic


def test_a_table_that_fits_is_as_wide_as_its_cells() -> None:
    """No column is narrower, or wider, than its widest cell."""
    assert columns.fitted(["name", "n"], [["a", "1,000"], ["long name", "1"]], 80, ()) == [9, 5]


def test_prose_gives_way_before_the_table_is_given_up() -> None:
    """Headings and prose are folded at words; a column of names never is."""
    rows = [["a name", "it was not there"]]
    assert columns.fitted(["x y", "why"], rows, 16, ("why",)) == [6, 8]
    assert columns.fitted(["x y", "why"], rows, 13, ("why",)) == [6, 5]
    assert columns.fitted(["x y", "why"], rows, 12, ("why",)) is None
    assert columns.fitted(["x y", "why"], rows, 16, ()) is None


def test_a_row_that_fits_no_table_is_a_list(run: Run, tmp_path: Path, shop: str, width: int) -> None:
    """What is too wide even when folded is told cell by cell, each whole."""
    long = "c" * width
    file = tmp_path / "events.jsonl"
    file.write_text(
        f'{{"event": "view", "user_id": "a", "ts_ms": 2000, "attrs": {{"category": "{long}"}}}}\n'
    )
    out = run("why", file, "-g", shop, "-f", "top_cats", "-k", "a", "--at", 6_001).out
    fits(out, width)
    assert f"  time      {TIME}\n" in out
    assert any(line.split() == [long] for line in out.splitlines())
    assert os.environ["COLUMNS"] == str(width)
