"""`headrace pack` and `headrace task`: what they print, keep and refuse."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from deploy import read_bundle
from headrace.cli import main

Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `headrace ARGUMENTS`, which must end with CODE; return what it printed, or the line of error."""

    def call(*arguments: object, code: int = 0) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == code
        out, err = capsys.readouterr()
        assert code == 0 or (out == "" and err.count("\n") == 1)
        return err if code else out

    return call


def test_pack_writes_a_bundle_with_its_card(run: Run, task: Path, tmp_path: Path) -> None:
    """The file, the card beside it, and the card as text and as JSON."""
    out = tmp_path / "a.bundle"
    shown = run("pack", task, "-o", out)
    assert (tmp_path / "a.bundle.md").read_text("utf-8").strip() == shown.strip()
    found = json.loads(run("pack", task, "-o", out, "--json"))
    assert found["card"]["bundle"] == read_bundle(out).id
    assert found["version"] is None
    assert json.loads(run("task", "show", out, "--json"))["card"] == found["card"]


def test_pack_refuses_in_one_line(run: Run, task: Path, scripted: Path, tmp_path: Path) -> None:
    """No place, no words of a version, code, a broken bundle, a missing folder: exit code 2."""
    assert "give --out FILE or --store FOLDER" in run("pack", task, code=2)
    out = tmp_path / "a.bundle"
    assert "allow scripts or take them out" in run("pack", scripted, "-o", out, code=2)
    assert not out.exists()
    run("pack", scripted, "-o", out, "--allow-scripts")
    store = ("--store", tmp_path / "store")
    wanted = ("pack", scripted, *store, "--allow-scripts")
    assert "give --author and -m" in run(*wanted, code=2)
    out.write_bytes(out.read_bytes()[:-1])
    assert "fetch the bundle again" in run("task", "show", out, code=2)
    assert "expected a file" in run("pack", tmp_path / "none", "-o", out, code=2)
    assert "found none" in run("task", "log", "retail-rank", *store, code=2)


def test_a_commit_of_git_is_recorded(run: Run, task: Path, tmp_path: Path) -> None:
    """Its author and message are those of the version; a changed file is refused."""
    call = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@shop.example", "-C", str(tmp_path)]
    for words in (["init", "-q"], ["add", "task"], ["commit", "-q", "-m", "Rank by tea\x1b[2J"]):
        subprocess.run([*call, *words], check=True)
    store = ("--store", tmp_path / "store")
    run("pack", task, *store, "--git")
    (found,) = json.loads(run("task", "log", "retail-rank", *store, "--json"))
    assert (found["author"], found["message"]) == ("Ann <ann@shop.example>", "Rank by tea[2J")
    assert found["commit"]["folder"] == "task"
    assert f"commit  {found['commit']['id']} (task)" in run("task", "log", "retail-rank", *store)
    (task / "config.json").write_text("{}", "utf-8")
    assert "expected the files of a commit" in run("pack", task, *store, "--git", code=2)


def test_a_history_tells_what_changed_in_meaning(run: Run, made: Callable[..., Path], tmp_path: Path) -> None:
    """`log` names the features that mean something else, `diff` writes them out, `export` gives the file."""
    store = ("--store", tmp_path / "store")
    more = fg.rows(fg.Event.of("purchase", {"price": fg.decimal(2)})).over("1d").count()
    for name, window, features in (("a", "7d", {}), ("b", "30d", {}), ("c", "30d", {"orders": more})):
        folder = made(name, window, **features)
        run("pack", folder, *store, "-m", f"Version {name}", "--author", "ann")
    found: list[dict[str, Any]] = json.loads(run("task", "log", "made", *store, "--json"))
    assert [entry["message"] for entry in found] == ["Version c", "Version b", "Version a"]
    assert [entry["changes"] and entry["changes"]["features"] for entry in found] == [
        ["+ orders"],
        ["~ spend"],
        None,
    ]
    shown = run("task", "log", "made", *store, "-n", 2)
    assert "features: ~ spend" in shown
    assert "Version a" not in shown
    said = run("task", "diff", "made~2", "made", *store)
    assert "over 7d of purchase" in said
    assert "over 30d of purchase" in said
    assert "orders" in said
    assert json.loads(run("task", "diff", "made~1", "made", *store, "--json"))["changes"]["features"] == [
        "+ orders"
    ]
    assert f"version {found[1]['id']}" in run("task", "show", f"made@{found[1]['id'][:8]}", *store)
    run("task", "export", "made~1", *store, "-o", tmp_path / "b.bundle")
    assert read_bundle(tmp_path / "b.bundle").id == found[1]["bundle"]
    assert "unchanged: spend" in run("task", "diff", "made~1", tmp_path / "b.bundle", *store)
