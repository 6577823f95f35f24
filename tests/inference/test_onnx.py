"""ONNX Runtime behind the Protocol: equal to numpy, any number of candidates, any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featuregraph as fg
from inference import Model, ModelSpec, OutputSpec, Session, tensors
from inference.onnx import MAX_BINDINGS, OnnxBackend

pytestmark = pytest.mark.device

Values = Callable[[list[int], list[int]], dict[str, Any]]
FILE = Path(__file__).parent / "data" / "tin.onnx"  # what conftest's make_tin makes: a device has no onnx


@pytest.fixture
def model(shop: fg.Graph, inputs: Any) -> Model:
    """Return the checked-in model under the shop's contract."""
    specs = tuple(
        spec
        if spec.role in ("candidate", "sequence")
        else spec.__class__(**{**_fields(spec), "shape": (1, 2)})
        for spec in tensors(shop, inputs)
    )
    spec = ModelSpec(shop.id, specs, (OutputSpec("score", "FP32", ("C",), "score"),))
    return Model(spec, shop, OnnxBackend().open(FILE.read_bytes()), "0" * 64)


def _fields(spec: Any) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__struct_fields__}


def test_the_checked_in_model_is_the_one_that_the_tests_make(tin: Callable[..., bytes]) -> None:
    """The file that a device runs in the tests has the weights that the packaging tests use."""
    import onnx

    here, made = (onnx.load_model_from_string(content).graph for content in (FILE.read_bytes(), tin()))
    assert [n.op_type for n in here.node] == [n.op_type for n in made.node]
    for left, right in zip(here.initializer, made.initializer, strict=True):
        assert np.allclose(onnx.numpy_helper.to_array(left), onnx.numpy_helper.to_array(right))


def test_known_scores(model: Model, values: Values, shop: fg.Graph) -> None:
    """The runtime gives the scores that numpy gives for the same weights."""
    found = Session(model).run(fg.FeatureVector(values([5, 6, 7, 8, 9, 10, 11], [5, 6, 7]), shop.id, 0))
    assert found["score"].tolist() == pytest.approx([3.269238, 3.6194639, 3.3768725], abs=1e-5)


def test_each_number_of_candidates_gives_the_same_scores(
    model: Model, values: Values, shop: fg.Graph
) -> None:
    """More sizes than bindings are kept, in any order and again: every candidate keeps its score."""
    session = Session(model)
    targets = [n % 128 for n in range(1100)]
    whole = session.run(fg.FeatureVector(values([3, 4], targets), shop.id, 0))["score"]
    for count in [*range(1, MAX_BINDINGS + 5), 3, 513, 1, 1100]:
        part = session.run(fg.FeatureVector(values([3, 4], targets[:count]), shop.id, 0))["score"]
        assert part.shape == (count,)
        assert np.allclose(part, whole[:count], atol=1e-6)


def test_threads_share_one_session(model: Model, values: Values, shop: fg.Graph) -> None:
    """Four threads with candidates of their own get the scores that each gets alone."""
    session = Session(model)
    vectors = [fg.FeatureVector(values([n, n + 1], [n, 2 * n, 3 * n]), shop.id, 0) for n in range(1, 5)]
    alone = [session.run(v)["score"].tolist() for v in vectors]
    wrong: list[int] = []

    def work(n: int) -> None:
        wrong.extend(n for _ in range(200) if session.run(vectors[n])["score"].tolist() != alone[n])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_ports_are_those_of_the_file() -> None:
    """Names, datatypes and dimensions come from the file, free ones by name."""
    runtime = OnnxBackend().open(FILE.read_bytes())
    assert {str(p.name): str(p) for p in runtime.inputs}["candidate"] == "FP32 ['C', 2]"
    assert [str(p) for p in runtime.outputs] == ["FP32 ['C']"]
