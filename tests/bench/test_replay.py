"""headrace bench replay: rivals give our values, cells are compared, figures told as reached or missed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.bench.replay import told
from headrace.bench.replay.compare import Equality
from headrace.bench.replay.figures import TARGETS, figures
from headrace.bench.replay.logs import LOGS
from headrace.bench.replay.logs.log import DAY, write
from headrace.bench.replay.logs.shop import shop
from headrace.bench.replay.run import Report, timed
from headrace.bench.replay.setting import DECLARED, Setting
from headrace.bench.replay.systems import (
    DUCKDB,
    JOIN_WHERE,
    NAIVE,
    ONE,
    OURS,
    POSITIONS,
    SCAN,
    SYSTEMS,
    TWO,
    WIDE,
)
from headrace.cli import main
from headrace.machine import look

pa = pytest.importorskip("pyarrow")
for _name in ("polars", "duckdb", "pandas"):
    pytest.importorskip(_name, reason="the extra bench is not installed")

RIVALS = [name for name, system in SYSTEMS.items() if system.gives and name != OURS]


def answers(name: str, folder: Path) -> Any:
    """Return what a system gives over the log in FOLDER, computed here."""
    import importlib

    module, function = SYSTEMS[name].target.split(":")
    return getattr(importlib.import_module(f"stream.bench.replay.{module}"), function)(folder, 1)()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a log in which most times are shared: few users, few moments, queries among events."""
    made = tmp_path_factory.mktemp("log")
    rng = np.random.default_rng(5)
    count = 1_500
    columns = {
        "user_id": rng.integers(0, 9, count).astype(np.int32),
        "ts_ms": np.sort(rng.integers(0, 300, count)) * 1_800_000 + 1_700_000_000_000,
        "event": rng.integers(0, 2, count).astype(np.int8),
        "item_id": rng.integers(0, 12, count).astype(np.int32),
        "price": np.round(rng.normal(0, 50, count), 2),
        "quantity": rng.integers(-3, 9, count).astype(np.int32),
    }
    asked = np.arange(0, count, 3)
    write(made, columns, ("buy", "back"), asked, {"1h": 3_600_000, "1d": 86_400_000})
    return made


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_gives_our_values(name: str, folder: Path) -> None:
    """Over shared times, repeated items and negative numbers each cell that a rival has is ours."""
    from stream.bench.replay.task import read_task

    equality = Equality()
    features = [f for f in read_task(folder).features if f.partition("_")[0] not in SYSTEMS[name].loses]
    equality.compare(name, "here", answers(name, folder), answers(OURS, folder), features)
    assert equality.holds, equality.differences
    assert equality.cells[name] == 500 * len(features)


def spoilt(table: Any, feature: str, change: Callable[[Any], Any]) -> Any:
    """Return TABLE with the first value of FEATURE changed."""
    values = table.column(feature).to_pylist()
    values[0] = change(values[0])
    place = table.column_names.index(feature)
    return table.set_column(place, feature, pa.array(values, table.schema.field(feature).type))


@pytest.mark.parametrize(
    ("feature", "change", "unequal", "close"),
    [
        ("count_1d", lambda value: value + 1, 1, 0),
        ("since", lambda value: None, 1, 0),
        ("items", lambda value: [*value[:-1], 99_999], 1, 0),
        ("items", lambda value: value[1:], 1, 0),
        ("mean_1d", lambda value: value * (1 + 1e-13), 1, 0),
        ("sum_1d", lambda value: value * (1 + 1e-12), 0, 1),
        ("sum_1d", lambda value: value + 0.01, 1, 0),
    ],
)
def test_a_wrong_cell_is_told(
    feature: str, change: Callable[[Any], Any], unequal: int, close: int, folder: Path
) -> None:
    """Sums may round as they go, nothing else; whatever differs more is named with its query."""
    ours = answers(OURS, folder)
    rows = [n for n, since in enumerate(ours.column("since").to_pylist()) if since is not None][50:100]
    found = answers(DUCKDB, folder).take(rows)
    before, equality = Equality(), Equality()
    before.compare("x", "here", found, ours, [feature])
    equality.compare("x", "here", spoilt(found, feature, change), ours, [feature])
    assert equality.cells == {"x": 50}
    assert equality.unequal["x"] == unequal
    assert equality.close["x"] >= close
    assert [f"query {rows[0]}, {feature}" in line for line in equality.differences] == [True] * unequal


def test_bits_count_against_the_reference(folder: Path) -> None:
    """The reference is compared in each bit."""
    ours = answers(OURS, folder)
    equality = Equality()
    equality.same("reference", "here", ours, spoilt(ours, "sum_1d", lambda v: v + 1e-9), ["sum_1d", "since"])
    assert (equality.cells, equality.unequal) == ({"reference": 1_000}, {"reference": 1})


def report_of(setting: Setting, cpu_s: float = 1.0, **more: Any) -> Report:
    """Return a report in which ours takes CPU_S seconds and each rival, but DuckDB, two."""
    report = Report(look(), setting, logs={"made": "a log"})
    for name in SYSTEMS:
        costs = {"cpu_s": [cpu_s if name == OURS else 2.0], "wall_s": [2.0], "peak_bytes": 1_000_000_000}
        record = {"log": "made", "system": name, "events": setting.events, "of_all": 1.0}
        report.records.append(record | ({"failed": "no memory"} if name == DUCKDB else costs) | more)
    report.equality.cells = report.equality.unequal = report.equality.close = {"x": 0}
    report.figures = figures(report.records)
    return report


def test_figures_are_judged_at_their_size_alone() -> None:
    """A must that is reached, and one that is missed, are told so; at another size none is judged."""
    report = report_of(DECLARED)
    at_least, at_most = told.figures(report)
    verdicts = {str(row[0]): row[-1] for row in (*at_least.rows, *at_most.rows)}
    assert verdicts["million events/s per core"] == "aim"
    assert verdicts["over polars: join_where or rolling, the faster"] == "missed"
    assert verdicts["peak memory of the process, its events included"] == "must"
    assert set(verdicts) == {target.name for target in TARGETS} - {"over duckdb"}, (
        "one that failed has no figure"
    )
    (table,) = told.figures(report_of(Setting(events=5_000)))
    assert "not judged: they are declared for 10,000,000 events; this run has 5,000" in table.title


def test_what_was_asked_about_some_users_is_multiplied() -> None:
    """A system that answered a tenth of the queries is told with ten times its seconds."""
    (table,) = told.costs(report_of(DECLARED, of_all=10.0))
    rows = {str(row[0]): row for row in table.rows}
    assert rows[OURS][1] == 10.0
    assert rows[POSITIONS][-1] == 2.0
    assert rows[f"{DUCKDB}, failed: no memory"][1] is None


def test_a_run_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One command times everybody in processes of their own, compares cells, writes a page and a picture."""
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")
    systems = (OURS, SCAN, JOIN_WHERE, DUCKDB, NAIVE, WIDE, ONE, TWO)
    chosen = {name: SYSTEMS[name] for name in systems}
    monkeypatch.setitem(LOGS, "made", replace(LOGS["made"], systems=chosen))
    call = ["bench", "replay", "--events", "2000", "--rounds", "1", "--logs", "made"]
    assert main([*call, "--out", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [record["system"] for record in found["records"]] == list(systems)
    assert all(record["cpu_s"] and record["peak_bytes"] > 2**20 for record in found["records"])
    assert found["equality"]["holds"]
    assert set(found["equality"]["cells"]) == {JOIN_WHERE, DUCKDB, NAIVE, "reference"}
    assert {figure["name"] for figure in found["figures"]} == {target.name for target in TARGETS}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["REPLAY.md", "replay.png"]
    text = (tmp_path / "REPLAY.md").read_text(encoding="utf-8")
    assert f"`headrace {' '.join(call)}`" in text
    assert f"| {JOIN_WHERE} |" in text


def test_a_rival_that_fails_is_told(tmp_path: Path) -> None:
    """Who cannot answer costs a line and not the run."""
    assert "No such file" in timed(SYSTEMS[POSITIONS], tmp_path, "0", 1)["failed"]


@pytest.mark.parametrize("args", [["--logs", "made,nothing"], ["--out", "nowhere/at/all"]], ids=" ".join)
def test_bad_usage_is_known_before_measuring(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option costs one line and no minute."""
    assert main(["bench", "replay", *args]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("missing", ["polars", "duckdb", "pandas"])
def test_who_is_not_installed_is_named(
    missing: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one of the packages the command names the extra before it measures."""
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else find(name))
    assert main(["bench", "replay", "--events", "2000"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"expected the package {missing}" in line
    assert "pip install 'headrace[bench]'" in line


def test_an_internal_log_is_asked_for_by_its_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has no internal logs is told so where one is named."""
    monkeypatch.delenv("HEADRACE_DATA", raising=False)
    assert main(["bench", "replay", "--logs", "made,jd"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "expected HEADRACE_DATA, found none" in line


def test_the_shop_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the slice is twice the users, a day later, in order of time."""
    from stream.bench.replay.task import given

    monkeypatch.delenv("HEADRACE_DATA", raising=False)
    written = shop(tmp_path, 449_744, 1)
    events, queries = given(tmp_path)
    assert (written.events, written.queries) == (events.num_rows, queries.num_rows) == (449_744, 22_487)
    ts, users = events.column("ts_ms").to_numpy(), events.column("user_id").to_numpy()
    assert (np.diff(ts) >= 0).all()
    first, second = ts[users < 1_378], ts[users >= 1_378]
    assert (first + DAY == second).all()
