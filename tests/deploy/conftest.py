"""A task's folder with the packaged retail model, and one whose graph a test chooses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import featuregraph as fg
import headrace

RETAIL = Path(headrace.__file__).parent / "retail/package"


class Purchase(fg.Event, name="purchase"):
    """A line of an order."""

    price = fg.decimal(2)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """Give the folder of a task without scripts."""
    return make_task(tmp_path / "task")


@pytest.fixture
def scripted(task: Path) -> Path:
    """Give the folder of a task with one script that reads two features."""
    features = ", ".join(f'"{name}"' for name in retail_features()[:2])
    (task / "scripts").mkdir()
    (task / "scripts/rerank.py").write_text("def run(scores):\n    return scores\n", "utf-8")
    with (task / "task.toml").open("a") as file:
        file.write(f'[scripts."rerank.py"]\nreads = [{features}]\n')
    return task


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a task's folder whose model reads one dense feature of a graph."""
    pytest.importorskip("onnx", reason="the extra build is not installed")

    def make(name: str, window: str = "7d", **features: object) -> Path:
        graph = purchases(window, **features)
        folder = tmp_path / name
        folder.mkdir()
        write_package(folder / "model", graph)
        (folder / "task.toml").write_text('name = "made"\n', "utf-8")
        return folder

    return make


def make_task(folder: Path) -> Path:
    """Make the folder of a task with the retail model."""
    folder.mkdir(parents=True)
    shutil.copytree(RETAIL, folder / "model")
    (folder / "data").mkdir()
    (folder / "data/words.txt").write_text("tea\nmilk\n", "utf-8")
    (folder / "config.json").write_text('{"k": 10}', "utf-8")
    (folder / "task.toml").write_text(
        'name = "retail-rank"\ndescription = "Rank <b>baskets</b> | by tea"\nmemory = "2MiB"\n'
        '[exclusive."taste.bin"]\nmost = "64KiB"\n',
        "utf-8",
    )
    return folder


def retail_features() -> list[str]:
    """Return the names of the retail graph's features."""
    return list(fg.Graph.from_json((RETAIL / "graph.json").read_text("utf-8")).features)


def purchases(window: str, **features: object) -> fg.Graph:
    """Return a graph of one feature over WINDOW, and the others given."""
    spend = fg.rows(Purchase).over(window).sum(Purchase.price)
    return fg.Graph("purchases", {"spend": spend, **features})


def write_package(folder: Path, graph: fg.Graph) -> None:
    """Package a model that doubles the feature `spend` of GRAPH."""
    from onnx import TensorProto, helper

    import inference

    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("spend", "twice")]
    nodes = [helper.make_node("Add", ["spend", "spend"], ["twice"])]
    made = helper.make_graph(nodes, "twice", ports[:1], ports[1:])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    values = [dict.fromkeys(graph.features, n) for n in range(3)]
    options = inference.Options(unused=tuple(set(graph.features) - {"spend"}))
    given = [inference.Input("spend", "spend")]
    inference.package(model.SerializeToString(), graph, given, folder, golden=values, options=options)
