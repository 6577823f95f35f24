"""headrace bench device: one run, all cells equal, figures told as reached or missed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headrace import machine
from headrace.bench import plots, told
from headrace.bench.equality import Compared, Equality
from headrace.bench.figures import TARGETS
from headrace.bench.page import markdown
from headrace.bench.report import Figure, Report, median, pivot, ratios
from headrace.bench.run import run, steps
from headrace.bench.sections import SECTIONS
from headrace.bench.setting import DECLARED, QUICK, Setting
from headrace.bench.systems import KINDS, OURS
from headrace.cli import main
from stream.bench.engines import EngineSystem

pytestmark = pytest.mark.device

TINY = replace(QUICK, requests=2, events=60, features=9, services=("VR",), scale=(60, 120), plans=2)
MODES = ["bench", "device", "--quick", "--requests", "2", "--only", "modes"]


@pytest.fixture(scope="module")
def report() -> Report:
    """Return a run of everything, as small as it can be."""
    return run(TINY, SECTIONS)


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that makes one cell of one mode wrong, as a faulty engine would."""

    def do(wrong: str) -> None:
        honest = EngineSystem.extract

        def extract(self: EngineSystem, t: int) -> Any:
            found = dict(honest(self, t))
            if self.engine.mode == wrong:
                found[next(iter(found))] = -1
            return found

        monkeypatch.setattr(EngineSystem, "extract", extract)

    return do


def test_every_section_measures_and_tells(report: Report) -> None:
    """Each section has records, and each of its tables a title, and rows as wide as its columns."""
    assert list(report.records) == list(SECTIONS)
    for name, tables in told.sections(report, SECTIONS):
        assert report.records[name], name
        for table in tables:
            assert table.title
            assert table.rows, table.title
            assert {len(row) for row in table.rows} == {len(table.columns)}, table.title


def test_every_cell_is_compared(report: Report) -> None:
    """Every mode, baseline and way is compared with ours, ours with the reference, and all are equal."""
    equality = report.equality
    assert equality.holds, equality.differences
    expected = {*KINDS, "auto", "reference", "ranked", "an engine each"}
    assert expected <= set(equality.cells)
    assert all(equality.cells.values())
    assert equality.filled > 0
    exact = [name for name, kind in KINDS.items() if not kind.means_close]
    assert not any(equality.close.get(name) for name in (*exact, "reference", "auto"))


def test_every_promised_figure_is_told(report: Report) -> None:
    """The table of figures has the promised rows, each with its must, its aim and a value per seed."""
    found = {figure.name: figure for figure in report.figures}
    missing = {target.name.format(TINY) for target in TARGETS} - set(found)
    assert {name[:2] for name in missing} == {"PR", "CP"}  # services that so small a run leaves out
    assert len(missing) == 4
    assert (found["cold start to first extraction, 7 days"].must, TARGETS[0].must, TARGETS[0].aim) == (
        100,
        500,
        1_500,
    )
    assert found["of pyarrow, networkx, faust loaded"].reached
    assert all(figure.values for figure in report.figures)


def test_json_holds_the_whole_run(capsys: pytest.CaptureFixture[str]) -> None:
    """--json gives machine, setting, records, equality and figures, and nothing else."""
    assert main([*MODES, "--seeds", "1,2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sorted(found) == ["equality", "figures", "machine", "records", "seconds", "setting"]
    assert sorted(found["machine"]) == ["cores", "cpu", "load", "memory_bytes", "system", "versions"]
    assert {"headrace", "python", "sqlite", "numpy"} <= set(found["machine"]["versions"])
    assert found["setting"]["seeds"] == [1, 2]
    costs = found["records"]["modes"]
    modes = ["incremental", "auto", "cached", "fused", "naive"]
    assert [(c["system"], c["seed"]) for c in costs] == [(m, s) for s in (1, 2) for m in modes]
    assert all(cost["cpu_ms"] > 0 and cost["requests"] > 0 for cost in costs)
    assert [(f["reached"], f["aim_reached"]) for f in found["figures"]] == [(None, None)] * len(
        found["figures"]
    )
    assert found["equality"]["holds"]


def test_another_size_is_not_judged(report: Report) -> None:
    """Figures are declared for one size: a run of another one gives them without a verdict and says so."""
    (table,) = told.figures(report)
    assert table.columns == ("figure", "found")
    assert "not judged: they are declared for 100 features, 20,000 events, 5 services" in table.title
    assert "this run has 9 features, 60 events, 1 services" in table.title
    names = [str(row[0]) for row in table.rows]
    assert "cost per new and expired event, 120 events / 60" in names
    assert not [name for name in names if "100 features" in name or "20,000" in name or "20 plans" in name]


def test_figures_are_judged(report: Report) -> None:
    """At the declared size a figure is told as missed, or by what of must and aim it reaches."""
    tables = told.figures(replace(report, setting=DECLARED))
    assert {table.columns for table in tables} == {("figure", "must", "aim", "found", "reached")}
    assert ["at least" in table.title for table in tables] == [True, False]
    rows = {str(row[0]): row for table in tables for row in table.rows}
    assert len(rows) == len(report.figures)
    assert rows["9 features, every 5 s: naive / incremental"][1:3] == ("300x", None)
    assert rows["9 features, every 5 s: naive / incremental"][4] == "missed"  # never with so short a history
    assert rows["cold start to first extraction, 7 days"][1:3] == ("100 ms", "20 ms")
    assert rows["of pyarrow, networkx, faust loaded"][4] == "must"


@pytest.mark.parametrize(
    ("setting", "declared"),
    [
        (Setting(), True),
        (Setting(requests=8, seeds=(4,)), True),
        (Setting(events=19_999), False),
        (Setting(features=18), False),
        (Setting(days=8), False),
        (Setting(services=("VR",)), False),
        (QUICK, False),
    ],
)
def test_the_declared_size_is_that_of_the_defaults(setting: Setting, declared: bool) -> None:
    """History, features and services count; how often and for whom one asks does not."""
    assert setting.is_declared is declared


@pytest.mark.parametrize(
    ("at_least", "values", "reached", "aim_reached"),
    [
        (True, (2.5,), True, False),
        (True, (2.4, 2.4, 9.0), False, False),
        (True, (5.0, 2.4, 9.0), True, True),
        (False, (0.5, 0.1, 0.9), True, False),
        (False, (0.51,), False, False),
        (False, (0.2,), True, True),
    ],
)
def test_a_figure_is_judged_by_its_median(
    at_least: bool, values: tuple[float, ...], reached: bool, aim_reached: bool
) -> None:
    """The median over the seeds decides, and the bound itself counts as reached."""
    must, aim = (2.5, 5.0) if at_least else (0.5, 0.2)
    figure = Figure("", must, aim, "x", at_least, values)
    assert (figure.reached, figure.aim_reached) == (reached, aim_reached)


def test_ratios_are_taken_inside_a_seed() -> None:
    """The fastest of several stands above ours of the same seed; medians are taken over seeds."""
    records = [
        {"seed": seed, "work": "w", "system": system, "ms": ms}
        for seed, system, ms in (
            (1, "a", 6.0), (1, "b", 4.0), (1, OURS, 2.0), (2, "a", 9.0), (2, "b", 12.0),
            (2, OURS, 1.0), (3, "a", 1.0),
        )
    ]  # fmt: skip
    assert ratios(records, "ms", ("seed",), ("a", "b"), OURS) == {(1,): 2.0, (2,): 9.0}
    assert median(records, "ms", system="a") == 6.0
    assert median(records, "ms", system="c") is None
    assert pivot("t", records, "system", "work", "ms").rows == [("a", 6.0), ("b", 8.0), (OURS, 1.5)]


@pytest.mark.parametrize("wrong", ["naive", "fused", "cached", "auto", "incremental"])
def test_an_unequal_cell_is_a_failure(
    capsys: pytest.CaptureFixture[str], spoil: Callable[[str], None], wrong: str
) -> None:
    """One wrong cell in any mode gives exit code 1 and a line with workload, seed, time and feature."""
    spoil(wrong)
    assert main([*MODES, "--json"]) == 1
    equality = json.loads(capsys.readouterr().out)["equality"]
    assert not equality["holds"]
    assert "mixed, seed 1, t 1750000005000, f000_count" in equality["differences"][0]


def test_unequal_cells_are_shown(capsys: pytest.CaptureFixture[str], spoil: Callable[[str], None]) -> None:
    """Who reads the tables sees which cells differ."""
    spoil("fused")
    assert main(MODES) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "unequal: mixed, seed 1, t 1750000005000, f000_count: fused gives -1" in shown


def test_only_means_of_doubles_may_be_close() -> None:
    """A baseline's mean may differ in its last bits, nothing else and no more."""
    equality = Equality()
    near, far = 0.1 + 1e-15, 0.1 + 1e-9
    for name, value, close in (("near", near, True), ("far", far, True), ("strict", near, False)):
        equality.compare(
            name, "here", [Compared(1, {"x": value, "n": 1}, {"x": 0.1, "n": 1})], means_close=close
        )
    equality.compare("whole", "here", [Compared(1, {"n": 1}, {"n": 2})], means_close=True)
    equality.compare("none", "here", [Compared(1, {}, {"n": 2})], means_close=True)
    assert equality.unequal == {"near": 0, "far": 1, "strict": 1, "whole": 1, "none": 1}
    assert equality.close["near"] == 1
    assert equality.cells["near"] == 2


def test_the_page_says_what_the_tables_say(report: Report) -> None:
    """The page has the machine, every system, table and figure, and why the paper's figures are others."""
    text = markdown(report, SECTIONS, "headrace bench device --quick", ["services"])
    for said in (
        "`headrace bench device --quick`",
        *KINDS,
        "machine:",
        "versions:",
        "seeds: 1",
        "not judged",
    ):
        assert said in text, said
    assert "![services](services.png)" in text
    assert "![memory]" not in text
    assert all(f"## {name}" in text for name in SECTIONS)
    assert "cannot be compared with ours one to one" in text
    assert text.endswith("not compressed.\n")


def test_out_writes_the_page_and_the_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--out names a folder; the page shows the pictures beside it."""
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")
    only = ["--only", "memory", "--requests", "2"]
    assert main(["bench", "device", "--quick", *only, "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["RESULTS.md", "memory.png"]
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert "`headrace bench device --only memory --quick --requests 2 --seeds 1`" in text
    assert "![memory](memory.png)" in text
    assert capsys.readouterr().err.count("written to") == 1


def test_every_picture_can_be_drawn(report: Report, tmp_path: Path) -> None:
    """All pictures are drawn of the smallest run."""
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")
    assert plots.draw(report, tmp_path) == list(plots.PICTURES)
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(plots.PICTURES)


def test_pictures_ask_for_their_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without matplotlib --out is refused before anything is measured, in a line that names the extra."""
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0")
    assert main(["bench", "device", "--quick", "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'headrace[bench]'" in line


@pytest.mark.parametrize(
    "args",
    [
        ["--seeds", "1,x"],
        ["--seeds", ","],
        ["--requests", "0"],
        ["--only", "services,nothing"],
        ["--out", "nowhere/at/all"],
        ["--out", "pyproject.toml"],
    ],
    ids=" ".join,
)
def test_bad_usage_is_known_before_measuring(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option costs one line and no minute."""
    assert main(["bench", "device", *args]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_progress_counts_every_step() -> None:
    """The bar's total is the number of steps that a run says it did."""
    sections = {name: SECTIONS[name] for name in ("modes", "push", "every-5s")}
    setting = replace(TINY, seeds=(3, 4))
    done: list[int] = []
    run(setting, sections, done.append)
    assert sum(done) == steps(setting, sections.values()) == 8


@pytest.mark.checkout
def test_the_model_is_what_its_script_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ONNX file in the package is reproduced byte by byte."""
    pytest.importorskip("onnx", reason="the extra build is not installed")
    import runpy

    root = Path(__file__).parents[2]
    monkeypatch.setattr("sys.argv", ["make_tin.py", "--out", str(tmp_path / "tin.onnx")])
    runpy.run_path(str(root / "benchmarks" / "make_tin.py"), run_name="__main__")
    assert (tmp_path / "tin.onnx").read_bytes() == (root / "headrace" / "bench" / "tin.onnx").read_bytes()


def test_the_machine_is_known() -> None:
    """The processor has a name, memory a size."""
    here = machine.look()
    assert here.cpu
    assert here.cores >= 1
    assert here.memory_bytes is None or here.memory_bytes > 2**20
