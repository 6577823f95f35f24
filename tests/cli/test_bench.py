"""headrace bench device: one run, all modes equal, figures told as reached or missed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import ablation, machine
from headrace.ablation import SHARES, Figure, Setting
from headrace.cli import main
from stream import bench as measuring

pytestmark = pytest.mark.device

TINY = ["bench", "device", "--requests", "8", "--events", "300", "--features", "18", "--seeds", "1,2"]


@pytest.fixture(autouse=True)
def one_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start one interpreter, not five."""
    monkeypatch.setattr(ablation, "IMPORTS", 1)


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that makes one cell of one mode wrong, as a faulty engine would."""

    def do(wrong: str) -> None:
        honest = measuring.measure

        def measure(work: Any, mode: Any, *args: Any, **options: Any) -> Any:
            found = honest(work, mode, *args, **options)
            if mode == wrong:
                first = found.vectors[0]
                name = next(iter(first.values))
                bad = dataclasses.replace(first, values={**first.values, name: -1})
                return dataclasses.replace(found, vectors=[bad, *found.vectors[1:]])
            return found

        monkeypatch.setattr(measuring, "measure", measure)

    return do


def test_json_holds_the_whole_run(capsys: pytest.CaptureFixture[str]) -> None:
    """--json gives machine, setting, costs per mode and seed, equality and figures, and nothing else."""
    assert main([*TINY, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sorted(found) == ["costs", "equality", "figures", "loaded", "machine", "ratios", "setting"]
    assert sorted(found["machine"]) == ["cores", "cpu", "load", "memory_bytes", "system", "versions"]
    assert {"headrace", "python", "sqlite", "numpy"} <= set(found["machine"]["versions"])
    assert found["setting"]["seeds"] == [1, 2]
    assert found["setting"]["requests_by_mode"] == {"naive": 1, "fused": 2, "cached": 8, "incremental": 8}
    assert [(c["mode"], c["seed"]) for c in found["costs"]] == [(m, s) for s in (1, 2) for m in SHARES]
    assert all(cost["cpu_ms"] > 0 and cost["log_bytes"] > 0 for cost in found["costs"])
    assert [len(ratios) for ratios in found["ratios"].values()] == [2] * 4
    assert found["loaded"] == []


def test_every_cell_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """Each mode is compared on all requests that it answered, the reference on three per seed."""
    main([*TINY, "--json"])
    equality = json.loads(capsys.readouterr().out)["equality"]
    cells = {"naive": 1, "fused": 2, "cached": 8, "reference": 3}
    assert equality["cells"] == {name: 2 * 18 * requests for name, requests in cells.items()}
    assert equality["unequal"] == dict.fromkeys(cells, 0)
    assert equality["holds"]
    assert equality["differences"] == []
    assert 0 < equality["filled"] <= 2 * 18 * 8


def test_another_size_is_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures are declared for one size: a run of another one gives them without a verdict and says so."""
    assert main([*TINY, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["setting"]["is_declared"] is False
    assert [(f["reached"], f["found"] >= 0) for f in found["figures"]] == [(None, True)] * 7
    assert main(TINY) == 0
    out = capsys.readouterr().out
    assert "not judged: they are declared for 100 features, 20,000 events of 7 days and a request" in out
    assert "this run has 18 features, 300 events of 7 days" in out
    assert "must" not in out
    assert "reached" not in out


def test_figures_are_judged(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """At the declared size a missed figure is told as missed and is no failure: the exit code stays 0."""
    monkeypatch.setattr(Setting, "is_declared", True)
    assert main([*TINY, "--json"]) == 0
    figures = {f["name"]: f for f in json.loads(capsys.readouterr().out)["figures"]}
    assert len(figures) == 7
    over_naive = figures["incremental over naive"]
    assert (over_naive["must"], over_naive["reached"]) == (300, False)  # never with so short a history
    assert figures["of pyarrow, networkx, faust loaded"]["reached"]


@pytest.mark.parametrize(
    ("setting", "declared"),
    [
        (Setting(), True),
        (Setting(requests=8, seeds=(4,)), True),
        (Setting(events=19_999), False),
        (Setting(features=18), False),
        (Setting(days=8), False),
    ],
)
def test_the_declared_size_is_that_of_the_defaults(setting: Setting, declared: bool) -> None:
    """History, features and their density count; how often and for whom one asks does not."""
    assert setting.is_declared is declared


@pytest.mark.parametrize(
    ("at_least", "values", "reached"),
    [
        (True, (2.5,), True),
        (True, (2.4, 2.4, 9.0), False),
        (False, (0.5, 0.1, 0.9), True),
        (False, (0.51,), False),
    ],
)
def test_a_figure_is_judged_by_its_median(at_least: bool, values: tuple[float, ...], reached: bool) -> None:
    """The median over the seeds decides, and the bound itself counts as reached."""
    assert Figure("", 2.5 if at_least else 0.5, "x", at_least, values).reached is reached


@pytest.mark.parametrize("wrong", ["naive", "fused", "cached", "incremental"])
def test_an_unequal_cell_is_a_failure(
    capsys: pytest.CaptureFixture[str], spoil: Callable[[str], None], wrong: str
) -> None:
    """One wrong cell in any mode gives exit code 1 and a line with seed, time and feature."""
    spoil(wrong)
    assert main([*TINY, "--json"]) == 1
    equality = json.loads(capsys.readouterr().out)["equality"]
    assert not equality["holds"]
    assert "seed 1, t 1750000005000, f000_count" in equality["differences"][0]


def test_unequal_cells_are_shown(capsys: pytest.CaptureFixture[str], spoil: Callable[[str], None]) -> None:
    """Who reads the tables sees which cells differ."""
    spoil("fused")
    assert main(TINY) == 1
    assert "unequal: seed 2, t 1750000005000, f000_count: fused gives -1" in capsys.readouterr().out


def test_the_page_says_what_the_tables_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--out writes the machine, every mode and every figure as Markdown, and the command that printed it."""
    page = tmp_path / "RESULTS.md"
    assert main([*TINY, "--out", str(page)]) == 0
    shown, text = capsys.readouterr().out, page.read_text(encoding="utf-8")
    assert "`headrace bench device --requests 8 --events 300 --features 18 --days 7 --seeds 1,2`" in text
    for told in (*SHARES, "machine:", "versions:", "load average", "seeds: 1, 2", "not judged", "reference"):
        assert told in text, told
        assert told in shown, told
    assert text.endswith("|\n")


@pytest.mark.parametrize(
    "args",
    [
        ["--seeds", "1,x"],
        ["--seeds", ""],
        ["--requests", "0"],
        ["--events", "0"],
        ["--days", "1"],
        ["--out", "nowhere/at/all.md"],
        ["--out", "."],
    ],
    ids=" ".join,
)
def test_bad_usage_is_known_before_measuring(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option costs one line and no minute."""
    assert main(["bench", "device", *args]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_progress_counts_every_step() -> None:
    """The bar's total is the number of steps that a run says it did."""
    setting = Setting(requests=8, events=100, features=9, seeds=(3,))
    steps: list[int] = []
    ablation.run(setting, steps.append)
    assert sum(steps) == setting.steps


def test_the_machine_is_known() -> None:
    """The processor has a name, memory a size."""
    here = machine.look()
    assert here.cpu
    assert here.cores >= 1
    assert here.memory_bytes is None or here.memory_bytes > 2**20
