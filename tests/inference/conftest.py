"""A small shop: its graph, and a TIN-style model (attention over a sequence) made in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featuregraph as fg
from inference import Input, Model, ModelSpec, Options, OutputSpec, package, tensors
from inference.testing import FakeRuntime, Function

ROWS, WIDTH, LENGTH = 128, 8, 6


class Purchase(fg.Event, name="purchase"):
    """A line of an order."""

    item_id = fg.identifier()
    price = fg.decimal(2)


class Item(fg.Candidate):
    """What the shop could show."""

    item_id = fg.identifier()
    category = fg.category()


class Shop:
    """The features of the model."""

    _rows = fg.rows(Purchase)
    history = _rows.sequence(10, {"item": Purchase.item_id.hash(ROWS), "age": fg.age()})
    orders = _rows.count()
    spend = _rows.sum(Purchase.price)
    target = Item.item_id.hash(ROWS)
    affinity = _rows.group_by(Purchase.item_id).count().lookup(Item.item_id)
    same = Item.category == "toys"


INPUTS = (
    Input("history_item", "history.item", max_len=LENGTH, mask="history_mask", length="history_length"),
    Input("dense", ["orders", "spend"]),
    Input("target", "target"),
    Input("candidate", ["affinity", "same"]),
)


@pytest.fixture(scope="session")
def shop() -> fg.Graph:
    """Return the graph of the features above."""
    return fg.Graph("shop", Shop)


@pytest.fixture(scope="session")
def inputs() -> tuple[Input, ...]:
    """Return the words that bind the features to the model's inputs."""
    return INPUTS


@pytest.fixture(scope="session")
def values() -> Callable[[list[int], list[int]], dict[str, Any]]:
    """Return a function: the ids bought, the candidates' ids -> features as an engine gives them."""
    return make_values


@pytest.fixture(scope="session")
def examples() -> tuple[dict[str, Any], ...]:
    """Return golden examples: no history, some, more than the model reads."""
    return EXAMPLES


@pytest.fixture(scope="session")
def tin() -> Callable[..., bytes]:
    """Return the function that makes the model."""
    pytest.importorskip("onnx", reason="the extra build is not installed")
    return make_tin


@pytest.fixture(scope="session")
def oracle() -> Callable[[bytes, Mapping[str, Any]], list[float]]:
    """Return the model's scores as numpy computes them: the oracle of the runtime."""
    return make_scores


@pytest.fixture
def fake(shop: fg.Graph) -> Callable[..., Model]:
    """Return a function that makes a model of a Python function of arrays, for the shop or another graph."""

    def build(
        function: Function,
        inputs: Sequence[Input] = INPUTS,
        outputs: tuple[OutputSpec, ...] = (OutputSpec("score", "FP32", ("C",), "score"),),
        graph: fg.Graph = shop,
        chunk: int = 4,
    ) -> Model:
        spec = ModelSpec(graph.id, tensors(graph, inputs), outputs)
        return Model(spec, graph, FakeRuntime(spec, function, chunk=chunk), "0" * 64)

    return build


def make_values(items: list[int], targets: list[int]) -> dict[str, Any]:
    """Return the features of somebody who bought ITEMS, for the candidates TARGETS."""
    return {
        "history": {"item": items, "age": [1000 * n for n in range(len(items), 0, -1)]},
        "orders": len(items),
        "spend": Decimal("1.25") * len(items),
        "target": targets,
        "affinity": [items.count(target) for target in targets],
        "same": [bool(target % 2) for target in targets],
    }


EXAMPLES = (
    make_values([], [1, 2]),
    make_values([3, 4], [4]),
    make_values([5, 6, 7, 8, 9, 10, 11], [5, 6, 7]),
)


def make_tin(
    rows: int = ROWS, *, dense: str = "FLOAT", extra: bool = False, candidates: int | str = "C"
) -> bytes:
    """Return the model; the arguments bend it away from the graph."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(7)
    weights = {
        "table": rng.normal(size=(rows, WIDTH)).astype(np.float32) / 4,
        "flat": np.array([LENGTH, WIDTH]),
        "axis": np.array([1]),
        "w_dense": rng.normal(size=(2, 1)).astype(np.float32) / 8,
        "w_candidate": rng.normal(size=(2, 1)).astype(np.float32) / 8,
    }
    wide = ["dense"] if dense == "FLOAT" else ["dense_wide"]
    nodes = [
        helper.make_node("Gather", ["table", "history_item"], ["h3"]),
        helper.make_node("Reshape", ["h3", "flat"], ["h"]),
        helper.make_node("Gather", ["table", "target"], ["q"]),
        helper.make_node("Transpose", ["h"], ["ht"], perm=[1, 0]),
        helper.make_node("MatMul", ["q", "ht"], ["raw"]),
        helper.make_node("Mul", ["raw", "history_mask"], ["masked"]),
        helper.make_node("Cast", ["history_length"], ["length"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["masked", "h"], ["sum"]),
        helper.make_node("Mul", ["sum", "q"], ["cross"]),
        helper.make_node("ReduceSum", ["cross", "axis"], ["similar"], keepdims=1),
        *([] if dense == "FLOAT" else [helper.make_node("Cast", ["dense"], wide, to=TensorProto.FLOAT)]),
        helper.make_node("MatMul", [*wide, "w_dense"], ["user"]),
        helper.make_node("Add", ["user", "length"], ["user_length"]),
        helper.make_node("MatMul", ["candidate", "w_candidate"], ["each"]),
        helper.make_node("Add", ["similar", "each"], ["item_logit"]),
        helper.make_node("Add", ["item_logit", "user_length"], ["logit"]),
        helper.make_node("Squeeze", ["logit", "axis"], ["score"]),
    ]
    inputs = [
        helper.make_tensor_value_info("history_item", TensorProto.INT64, [1, LENGTH]),
        helper.make_tensor_value_info("history_mask", TensorProto.FLOAT, [1, LENGTH]),
        helper.make_tensor_value_info("history_length", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("dense", getattr(TensorProto, dense), [1, 2]),
        helper.make_tensor_value_info("target", TensorProto.INT64, [candidates]),
        helper.make_tensor_value_info("candidate", TensorProto.FLOAT, [candidates, 2]),
    ]
    if extra:
        inputs.append(helper.make_tensor_value_info("surprise", TensorProto.FLOAT, [1]))
        nodes[-1].input[0] = "surprised"
        nodes.insert(-1, helper.make_node("Add", ["logit", "surprise"], ["surprised"]))
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, [candidates])]
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "tin", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def make_scores(content: bytes, of: Mapping[str, Any]) -> list[float]:
    """Return the model's scores as numpy computes them: the oracle of the runtime."""
    import onnx
    from onnx import numpy_helper

    weights = {
        t.name: numpy_helper.to_array(t) for t in onnx.load_model_from_string(content).graph.initializer
    }
    bought = of["history"]["item"][-LENGTH:]
    h = weights["table"][bought].reshape(-1, WIDTH)
    q = weights["table"][of["target"]]
    similar = (((q @ h.T) @ h) * q).sum(axis=1)
    user = np.array([[of["orders"], float(of["spend"])]], np.float32) @ weights["w_dense"] + len(bought)
    each = np.array([of["affinity"], of["same"]], np.float32).T @ weights["w_candidate"]
    found: list[float] = (similar + each[:, 0] + user[0, 0]).tolist()
    return found


@pytest.fixture
def make(tmp_path: Path, shop: fg.Graph) -> Callable[..., Path]:
    """Return a function that packages a model for the shop and gives the directory."""
    pytest.importorskip("onnx", reason="the extra build is not installed")

    def build(content: bytes | None = None, **changes: Any) -> Path:
        out = tmp_path / "package"
        chosen: dict[str, Any] = {"golden": EXAMPLES, "options": Options(overwrite=True), **changes}
        package(content or make_tin(), chosen.pop("graph", shop), chosen.pop("inputs", INPUTS), out, **chosen)
        return out

    return build
