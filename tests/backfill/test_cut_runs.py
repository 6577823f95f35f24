"""Runs that are cut: nothing is left but what --resume keeps, and it goes on from there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from featuregraph import FeatureOverflowError, Plan
from featuregraph.sources import load_graph
from headrace import cli
from stream import BackfillError, replay
from stream.backfill import pool, work
from stream.backfill.workplace import workplace

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

SHOP = f"{Path(__file__).parents[1] / 'cli/data/shop.py'}:shop"
QUERIES = [
    {"user_id": f"u{n % 41}", "ts_ms": 40_000 + n, "budget": 1.0, "category": ["tea"]} for n in range(300)
]


def view(number: int) -> dict[str, Any]:
    """Return a look at an item, by one of forty users."""
    attrs = {"category": "tea" if number % 3 else "mugs"}
    return {"event": "view", "user_id": f"u{number % 40}", "ts_ms": number, "item_id": "i", "attrs": attrs}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return files of events and of queries."""
    events, queries = tmp_path / "events.jsonl", tmp_path / "queries.parquet"
    events.write_text("".join(json.dumps(view(number)) + "\n" for number in range(2_000)))
    pq.write_table(pa.Table.from_pylist(QUERIES), queries)
    return events, queries


@pytest.fixture
def plan() -> Plan:
    """Return the small shop's plan."""
    return load_graph(SHOP).compile()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the output."""
    found = tmp_path / "out"
    found.mkdir()
    return found


def cut(patch: pytest.MonkeyPatch, after: int, error: BaseException) -> list[work.Unit]:
    """Let the computation end with ERROR after so many units; return the list of those that were begun."""
    begun: list[work.Unit] = []
    compute = work.compute

    def cut_off(job: work.Work, unit: work.Unit, done: Callable[[int], object]) -> None:
        begun.append(unit)
        if len(begun) > after:
            raise error
        compute(job, unit, done)

    patch.setattr(work, "compute", cut_off)
    return begun


def test_a_resumed_run_computes_what_is_missing(
    plan: Plan, files: tuple[Path, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C leaves the finished parts; the next run reads no event again, and its file is the same."""
    whole, out = folder.parent / "whole.parquet", folder / "o.parquet"
    report = replay(plan, *files, out=whole)
    with monkeypatch.context() as patch:
        begun = cut(patch, 3, KeyboardInterrupt())
        arguments = ["replay", *map(str, files), "-g", SHOP, "-o", str(out), "--resume"]
        assert cli.main(arguments) == 130
    assert [path.name for path in folder.iterdir()] == ["o.parquet.resume"]
    with monkeypatch.context() as patch:
        patch.setattr("stream.tables._read_lines", None)  # whoever reads events now fails
        again = cut(patch, 99, KeyboardInterrupt())
        resumed = replay(plan, *files, out=out, resume=True)
    assert {unit.path.name for unit in again}.isdisjoint(unit.path.name for unit in begun[:3])
    assert len(again) + 3 == 8
    assert pq.read_table(out).equals(pq.read_table(whole), check_metadata=True)
    assert (resumed.events, resumed.rows, resumed.duplicate) == (report.events, report.rows, report.duplicate)
    assert list(folder.iterdir()) == [out]


@pytest.mark.parametrize("what", ["events", "graphs", "options"])
def test_a_run_of_something_else_is_not_resumed(
    plan: Plan, files: tuple[Path, Path], folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Other files, graphs or options would give other values: the folder is left as it is."""
    out = folder / "o.parquet"
    with monkeypatch.context() as patch:
        cut(patch, 1, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            replay(plan, *files, out=out, resume=True)
    kept = sorted(path.name for path in (folder / "o.parquet.resume").iterdir())
    if what == "events":
        with files[0].open("a") as file:
            file.write(json.dumps(view(9)) + "\n")
    other = load_graph(SHOP.replace("shop.py:shop", "shop_next.py")).compile() if what == "graphs" else plan
    with pytest.raises(BackfillError, match=f"found other {what}; remove the folder to begin anew"):
        replay(other, *files, out=out, resume=True, as_known=what == "options")
    assert sorted(path.name for path in (folder / "o.parquet.resume").iterdir()) == kept


def test_only_files_can_be_resumed(plan: Plan, files: tuple[Path, Path], folder: Path) -> None:
    """Of rows in memory nobody knows whether they are the same."""
    with pytest.raises(BackfillError, match="expected queries in files to resume a run, found list"):
        replay(plan, files[0], QUERIES, out=folder / "o.parquet", resume=True)
    with pytest.raises(BackfillError, match="expected a file to write"):
        replay(plan, *files, resume=True)
    assert list(folder.iterdir()) == []


def test_what_a_killed_run_left_goes_with_the_next(
    plan: Plan, files: tuple[Path, Path], folder: Path
) -> None:
    """A folder that nobody holds is swept away; one that another run works in is not touched."""
    dead = folder / ".o.parquet.abc.spill"
    dead.mkdir()
    (dead / "events-00000-0.arrows").write_bytes(b"half")
    with workplace(folder / "o.parquet", None) as other:
        assert not dead.exists()
        replay(plan, *files, out=folder / "o.parquet", workers=2, engine="device")
        assert sorted(folder.iterdir()) == [other.folder, folder / "o.parquet"]


@pytest.mark.parametrize("engine", ["device", "local"])
def test_a_failing_worker_fails_the_run_with_its_reason(
    plan: Plan, files: tuple[Path, Path], folder: Path, engine: str
) -> None:
    """The error is the one of a run without workers, and nothing is left."""
    big = {"event": "purchase", "user_id": "u7", "attrs": {"quantity": 2**62, "unit_price": "1"}}
    with files[0].open("a") as file:
        file.writelines(json.dumps({**big, "ts_ms": n}) + "\n" for n in (1, 2))
    with pytest.raises(FeatureOverflowError, match="key 'u7'") as told:
        replay(plan, *files, out=folder / "o.parquet", workers=2, engine=engine)
    assert told.value.feature == "left"
    assert list(folder.iterdir()) == []


def test_a_killed_worker_fails_the_run(
    plan: Plan, files: tuple[Path, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says by which signal; the other worker is ended, and nothing is left."""
    workers = []
    send = pool._send

    def killing(worker: Any, what: object) -> None:
        send(worker, what)
        workers.append(worker.process)
        if len(workers) == 4:  # both have their work and a unit
            worker.process.kill()

    monkeypatch.setattr(pool, "_send", killing)
    with pytest.raises(
        BackfillError, match="found one ended by SIGKILL; if the system ran out of memory"
    ) as told:
        replay(plan, *files, out=folder / "o.parquet", workers=2, engine="device")
    assert "\n" not in str(told.value)
    assert all(process.returncode is not None for process in workers)
    assert list(folder.iterdir()) == []


def test_a_worker_that_cannot_start_says_why(
    plan: Plan, files: tuple[Path, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last line on standard error is the reason."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(BackfillError, match="found one ended with code 1"):
        replay(plan, *files, out=folder / "o.parquet", workers=2, engine="device")


def is_gone(group: int) -> bool:
    """Tell whether all processes of GROUP end: a worker that was just starting ends with its pipe."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_ends_run_and_workers(folder: Path, files: tuple[Path, Path]) -> None:
    """The signal reaches all processes of the terminal, as it is: code 130, one line, no file, no process."""
    lines = [json.dumps(view(number)) + "\n" for number in range(30_000)]
    files[0].write_text("".join(lines))
    arguments = ["replay", *map(str, files), "-g", SHOP, "-o", str(folder / "o.parquet"), "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "headrace", *arguments, "--engine", "reference"],
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
        # A shell's job in the background ignores the signal, and so would what it starts.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("*/*/worker-1.err")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.count("Traceback")) == (130, 0)
    assert list(folder.iterdir()) == []
    assert is_gone(process.pid)
