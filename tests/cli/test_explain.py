"""`headrace explain`: the text of a plan, what a change changes, and every way to name a graph."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.sources import load_graph

pytestmark = pytest.mark.device

DATA = Path(__file__).parent / "data"
GOLDEN = Path(__file__).parents[1] / "golden/explain"
NEXT = DATA / "shop_next.py"

Run = Callable[..., Any]


def golden(name: str) -> str:
    """Return a golden text."""
    return (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["shop", "shop_next", "pages"])
def test_the_text_is_golden(run: Run, name: str) -> None:
    """The text of a plan, ids included, changes only on purpose: then write the golden file anew."""
    argument = f"{DATA / name}.py" + ("" if name == "shop_next" else f":{name}")
    ran = run("explain", argument)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == golden(f"{name}.txt")
    assert load_graph(argument).explain() + "\n" == ran.out


def test_the_text_depends_on_the_graph_only(shop: str) -> None:
    """Neither the order of sets nor the form in which the graph comes changes a byte."""
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "headrace", "explain", shop]
        ran = subprocess.run(
            command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed, "PATH": ""}
        )
        assert ran.stdout == golden("shop.txt")
    graph = load_graph(shop)
    assert fg.Graph.from_json(graph.to_json()).explain() == graph.explain()


def test_json_has_what_the_text_shows(run: Run, shop: str) -> None:
    """`--json` gives features, aggregates, tracks and scans as data."""
    found = run("explain", shop, "--json").json
    assert found["id"] == load_graph(shop).id
    features = {line["name"]: line for line in found["features"]}
    assert features["ticket"]["expression"] == "spend_30d / buys_30d"
    assert features["recent"]["written"] == "first(item_id) of view where 1 < 2 last 5"
    assert (features["pull"]["reach_ms"], features["idle"]["reach_ms"]) == (7 * 86_400_000, None)
    assert [name for name, line in features.items() if line["windowless"]] == ["evening"]
    assert [line["scanned"] for line in found["aggregates"]].count(True) == 1
    assert features["ticket"]["shares"]["aggregates"] == ["buys_30d", "left", "spend_30d"]
    assert features["history"]["events"] == ["purchase", "view"]
    passes = {line["name"]: line for line in found["passes"]}
    assert next(iter(passes)) == "common sub-expressions"
    assert (passes["fusion"]["cost"]["retrieve"], passes["fusion"]["cost"]["decode"]) == (2, 2)
    assert {scan["event"]: scan["fields"] for scan in found["scans"]} == {
        "purchase": ["item_id", "quantity", "unit_price"],
        "view": ["category", "item_id"],
    }


def test_a_graph_without_streams_is_explained() -> None:
    """Sections with nothing in them say so."""
    text = fg.Graph("g", {"hour": fg.hour_of_day()}).explain()
    assert "hour: int64; from the query alone" in text
    assert text.count("\n  none") == 3
    assert text.count("\n    nothing") == 7


# ---------------------------------------------------------------- what changes


def test_diff_shows_the_meaning_before_and_after(run: Run, shop: str) -> None:
    """Features that use a changed part change with it; the exit code says nothing about changes."""
    ran = run("explain", shop, "--diff", NEXT)
    assert ran.code == 0
    assert ran.out == golden("shop_diff.txt")


def test_diff_as_json(run: Run, shop: str) -> None:
    """`--json` gives the same four lists."""
    found = run("explain", shop, "--diff", NEXT, "--json").json
    assert [one["name"] for one in found["changed"]] == ["buys_30d", "spend_30d", "ticket"]
    assert [one["name"] for one in found["added"]] == ["items"]
    assert found["unchanged"] == ["pull"]
    assert found["added"][0]["old"] is None


def test_diff_of_frames_names_what_every_feature_depends_on(tmp_path: Path, run: Run) -> None:
    """include_now changes all features: the diff says that it did."""
    for now in (True, False):
        graph = fg.Graph("g", {"hour": fg.hour_of_day()}, include_now=now)
        (tmp_path / f"{now}.json").write_text(graph.to_json(), encoding="utf-8")
    ran = run("explain", tmp_path / "False.json", "--diff", tmp_path / "True.json")
    assert "  - include_now = false\n  + include_now = true\n" in ran.out


# ---------------------------------------------------------------- naming a graph


def test_a_graph_may_be_named_in_every_form(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Graph, a class, a module, a file and its JSON are one graph; sys.path is as before."""
    (tmp_path / "my_shop_for_tests.py").write_text(
        (DATA / "shop.py").read_text(encoding="utf-8").partition("shop = ")[0]
        + "\nglobals().update({k: v for k, v in vars(Shop).items() if k[0] != '_'})\n"
    )
    (tmp_path / "shop.json").write_text(load_graph(shop).to_json(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    arguments = [
        f"{DATA / 'shop.py'}:Shop",
        str(DATA / "shop.py"),
        "shop.json",
        "my_shop_for_tests",
        "my_shop_for_tests:Shop",
        "my_shop_for_tests.py",
    ]
    graphs = [load_graph(argument) for argument in arguments]
    assert {graph.id for graph in graphs} == {load_graph(shop).id}
    assert [graph.name for graph in graphs[-3:]] == ["my_shop_for_tests", "Shop", "my_shop_for_tests"]
    assert sys.path == path


def test_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    """Two folders with the same file names, helpers included, do not get into each other's way."""
    for folder, window in (("old", "1d"), ("new", "2d")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "windows.py").write_text(f"WINDOW = {window!r}\n")
        (tmp_path / folder / "graph.py").write_text(
            "import featuregraph as fg\nfrom windows import WINDOW\n"
            "n = fg.rows(fg.Event.of('e', {})).over(WINDOW).count()\n"
        )
    old, new = (load_graph(str(tmp_path / folder / "graph.py")) for folder in ("old", "new"))
    assert old.diff(new).changed == ("n",)
    assert not {"windows", "graph"} & set(sys.modules)


BROKEN = {
    "syntax.py": "x = (\n",
    "raises.py": "import featuregraph\n\nraise KeyError('no')\n",
    "needs.py": "import no_such_package_anywhere\n",
    "empty.py": "x = 1\n",
    "two.py": "import featuregraph as fg\na, b = (fg.Graph(n, {'h': fg.now()}) for n in 'ab')\n",
    "wrong.py": "import featuregraph as fg\n\nh = fg.hour_of_day() + 'a'\n",
    "row.py": "import featuregraph as fg\n\nclass E(fg.Event):\n    n = fg.int64()\n\nf = E.n + 1\n",
    "bad.json": '{"format": 1, "graph": "g"',
    "lacks.json": '{"graph": "g", "events": {}, "features": {}}',
    "later.json": '{"format": 1, "graph": "g", "events": {}, "derived": {"t": {}}, "features": {}}',
}


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("nowhere.py", "nowhere.py: expected a file with a graph, found none"),
        ("nowhere.json", "nowhere.json: expected a file with a graph, found none"),
        ("no_such_package.module:x", "expected a module no_such_package.module, found none"),
        ("a graph", "expected a graph, found 'a graph'"),
        ("{shop}x", "found no 'shopx'; did you mean 'shop', 'Shop'?"),
        ("{data}/shop.py:nope", "found no 'nope'; did you mean 'shop', 'Shop'?"),
        ("{data}/shop.py:Itm", "found no 'Itm'; did you mean 'shop', 'Shop'?"),
        ("{data}/shop.py:Item", "found the fields that it declares; did you mean 'shop', 'Shop'?"),
        ("empty.py:y", "found no 'y'; it has no graph and no features"),
        ("lacks.json", """lacks.json: expected a graph with format, graph, events, features, found no"""),
        ("lacks.json", """found no 'format'; add "format": 1"""),
        ("{data}/shop.py:Shop.idle", "found Expr"),
        ("syntax.py", "syntax.py:1: expected Python, found"),
        ("raises.py", "raises.py:3: expected a module that imports, found KeyError: 'no'"),
        ("needs.py", "needs.py:1: expected a module that imports, found ModuleNotFoundError"),
        ("empty.py", "empty.py: expected a graph or features in its names, found none"),
        ("two.py", "two.py: expected one graph in its names, found a, b; name one"),
        ("wrong.py", "wrong.py:3: add: expected numbers, found int64 and string"),
        ("row.py", "row.py:6: feature 'f': expected one value per query"),
        ("bad.json", "bad.json: expected a graph as JSON"),
        ("later.json", "later.json: expected no derived, found"),
        ("later.json:x", "later.json: expected one graph in a JSON file, found the name 'x'"),
    ],
)
def test_what_is_no_graph_is_one_line(
    run: Run, shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, said: str
) -> None:
    """A missing file, a missing name, a broken file and a graph that does not compile each say where."""
    for name, text in BROKEN.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    ran = run("explain", argument.format(shop=shop, data=DATA))
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err
    assert sys.path == path


def test_a_namespace_is_placed_in_its_file(tmp_path: Path) -> None:
    """An error that belongs to no word of the file names the file, not the command that read it."""
    file = tmp_path / "twice.py"
    file.write_text(
        "import featuregraph as fg\n"
        "a = fg.rows(fg.Event.of('e', {'x': 'int64'})).count()\n"
        "b = fg.rows(fg.Event.of('e', {'y': 'int64'})).count()\n"
    )
    with pytest.raises(
        fg.CompileError, match=r"^.*twice\.py:\d+: feature 'b': expected one declaration"
    ) as told:
        load_graph(str(file))
    assert json.dumps(str(told.value)).count("twice.py") == 1
