"""Write the model of `headrace bench device --only model`: a temporal interest network as ONNX.

    python benchmarks/make_tin.py [--out headrace/bench/tin.onnx]

The network of TIN (WWW 2024, arXiv 2308.08487): target-aware attention over the history with temporal
embeddings in items and target, the pooled history times the target, then an MLP of 80, 40, 1. Its size is the
paper's: 64 + 64 numbers for an item and its category. It is not trained: every weight is a sine of its place,
which the runtime computes once as it loads the file, so that a file of some KB stands for megabytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from featuregraph.testing.workload.ranking import (
    AGE_EDGES,
    CATEGORY_BUCKETS,
    DENSE,
    HISTORY,
    ITEM_BUCKETS,
)

ITEM, CATEGORY = 64, 64
WIDTH = ITEM + CATEGORY
HIDDEN = (80, 40, 1)
OPSET, IR = 18, 10


class Network:
    """Nodes and constants, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: object, kind: type = np.int64) -> str:
        """Add a constant and return its name."""
        self.constants.append(numpy_helper.from_array(np.array(value, kind), name))
        return name

    def weight(self, name: str, *shape: int) -> str:
        """Add a tensor of SHAPE whose numbers are sines: scale * sin(step * place)."""
        size = int(np.prod(shape))
        ends = [
            self.constant(f"{name}_{part}", at, np.float32)
            for part, at in (("from", 0), ("to", size), ("by", 1))
        ]
        step = self.constant(f"{name}_step", 1.7 + len(self.constants) / 1000, np.float32)
        scale = self.constant(f"{name}_scale", shape[0] ** -0.5 if len(shape) > 1 else 0.01, np.float32)
        places = self.add("Range", *ends)
        waves = self.add("Sin", self.add("Mul", places, step))
        return self.add("Reshape", self.add("Mul", waves, scale), self.constant(f"{name}_shape", shape))

    def add(self, op: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """Add a node and return its output's name."""
        out = out or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [out], **attributes))
        return out

    def layer(self, name: str, x: str, width: int, out: int) -> str:
        """Add a linear layer."""
        product = self.add("MatMul", x, self.weight(f"{name}_w", width, out))
        return self.add("Add", product, self.weight(f"{name}_b", out))


def network() -> onnx.ModelProto:
    """Return the model."""
    net = Network()
    items, categories = (
        net.weight("items", ITEM_BUCKETS, ITEM),
        net.weight("categories", CATEGORY_BUCKETS, CATEGORY),
    )
    ages = net.weight("ages", len(AGE_EDGES) + 1, WIDTH)
    row, last = net.constant("row", [0]), net.constant("last", [1])

    def embedded(item: str, category: str) -> str:
        return net.add(
            "Concat", net.add("Gather", items, item), net.add("Gather", categories, category), axis=-1
        )

    history = net.add("Squeeze", embedded("history_item", "history_category"), row)  # [L, W]
    when = net.add("Squeeze", net.add("Gather", ages, "history_age"), row)
    history = net.add("Add", history, when)
    target = net.add(
        "Add", embedded("item", "category"), net.add("Gather", ages, net.constant("now", 0))
    )  # [C, W]
    like = net.add("MatMul", target, net.add("Transpose", history, perm=[1, 0]))  # [C, L]
    like = net.add("Mul", like, net.constant("sharp", WIDTH**-0.5, np.float32))
    absent = net.add(
        "Mul",
        net.add("Sub", "history_mask", net.constant("one", 1, np.float32)),
        net.constant("far", 1e4, np.float32),
    )
    share = net.add("Softmax", net.add("Add", like, absent), axis=-1)
    pooled = net.add("Mul", net.add("MatMul", share, history), target)
    user = net.add("Relu", net.layer("user", pooled, WIDTH, WIDTH))
    facts = net.add(
        "Log", net.add("Add", net.add("Abs", net.add("Unsqueeze", "dense", row)), "one")
    )  # [1, D]
    count = net.add("Concat", net.add("Shape", "item"), last, axis=0)
    facts = net.add("Tile", facts, count)
    affinity = net.add("Log", net.add("Add", net.add("Unsqueeze", "affinity", last), "one"))
    x = net.add("Concat", user, target, net.add("Mul", user, target), facts, affinity, axis=-1)
    width = 3 * WIDTH + DENSE + 1
    for number, out in enumerate(HIDDEN):
        x = net.layer(f"mlp{number}", x, width, out)
        x = x if out == 1 else net.add("Relu", x)
        width = out
    net.add("Squeeze", x, last, out="score")
    return _model(net)


def _model(net: Network) -> onnx.ModelProto:
    sequences = [
        helper.make_tensor_value_info(f"history_{name}", TensorProto.INT64, [1, HISTORY])
        for name in ("item", "category", "age")
    ]
    inputs = [
        *sequences,
        helper.make_tensor_value_info("history_mask", TensorProto.FLOAT, [1, HISTORY]),
        helper.make_tensor_value_info("dense", TensorProto.FLOAT, [DENSE]),
        helper.make_tensor_value_info("item", TensorProto.INT64, ["C"]),
        helper.make_tensor_value_info("category", TensorProto.INT64, ["C"]),
        helper.make_tensor_value_info("affinity", TensorProto.FLOAT, ["C"]),
    ]
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["C"])]
    graph = helper.make_graph(net.nodes, "tin", inputs, outputs, net.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("headrace/bench/tin.onnx"))
    out: Path = parser.parse_args().out
    out.write_bytes(network().SerializeToString(deterministic=True))
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
