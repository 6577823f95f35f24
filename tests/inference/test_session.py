"""One vector in, one result out: chunks, threads, and models of a fixed shape."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

import featuregraph as fg
from inference import BindingError, IdRangeError, Input, Model, OutputSpec, Session
from inference.testing import FakeRuntime

pytestmark = pytest.mark.device

Make = Callable[..., Model]
Values = Callable[[list[int], list[int]], dict[str, Any]]


def double(arrays: dict[str, Any]) -> dict[str, Any]:
    """Score each candidate by twice its id plus what was bought."""
    return {"score": arrays["target"] * 2.0 + arrays["dense"].sum()}


def runs(model: Model) -> list[int]:
    """Return the rows of each run of a fake model."""
    assert isinstance(model.runtime, FakeRuntime)
    return model.runtime.runs


@pytest.mark.parametrize(
    ("count", "chunks"), [(0, []), (1, [1]), (4, [4]), (5, [4, 1]), (8, [4, 4]), (11, [4, 4, 3])]
)
def test_candidates_run_in_chunks(
    fake: Make, values: Values, shop: fg.Graph, count: int, chunks: list[int]
) -> None:
    """Any number of candidates gives one score each, in runs of the size that the runtime likes."""
    model = fake(double)
    result = Session(model).run(
        fg.FeatureVector(values([3, 4], list(range(count))), shop.id, 77, partial=("spend",))
    )
    assert result["score"].tolist() == [2 * n + 2 + 2.5 for n in range(count)]
    assert runs(model) == chunks
    assert (result.graph_id, result.model, result.at_ms, result.partial) == (
        shop.id,
        "0" * 64,
        77,
        ("spend",),
    )


def test_a_fixed_chunk_is_filled_with_padding(fake: Make, values: Values, shop: fg.Graph) -> None:
    """A model that takes exactly 3 candidates gets 3 rows a run; its answers for padding are dropped."""
    seen: list[list[int]] = []

    def watch(arrays: dict[str, Any]) -> dict[str, Any]:
        seen.append(arrays["target"].tolist())
        return double(arrays)

    model = fake(watch)
    fixed = tuple(
        msgspec.structs.replace(t, shape=(3, *t.shape[1:])) if t.role == "candidate" else t
        for t in model.spec.inputs
    )
    spec = msgspec.structs.replace(
        model.spec, inputs=fixed, outputs=(OutputSpec("score", "FP32", (3,), "score"),)
    )
    session = Session(Model(spec, model.graph, model.runtime, model.sha256))
    assert session.run(fg.FeatureVector(values([], [5, 6, 7, 8]), shop.id, 0))["score"].tolist() == [
        10,
        12,
        14,
        16,
    ]
    assert seen == [[5, 6, 7], [8, 0, 0]]


def test_a_model_without_candidates_runs_once(fake: Make, values: Values, shop: fg.Graph) -> None:
    """Query features alone give outputs of the contract's shape."""
    model = fake(
        lambda arrays: {"p": arrays["dense"].sum().reshape(1)},
        inputs=[Input("dense", ["orders", "spend"])],
        outputs=(OutputSpec("p", "FP32", (1,)),),
    )
    session = Session(model)
    first = session.run(fg.FeatureVector(values([1], []), shop.id, 0))
    second = session.run(fg.FeatureVector(values([1, 2], []), shop.id, 0))
    assert (first["p"].tolist(), second["p"].tolist(), runs(model)) == ([2.25], [4.5], [1, 1])


def test_outputs_of_the_query_stand_beside_those_of_candidates(
    fake: Make, values: Values, shop: fg.Graph
) -> None:
    """An output without the candidate axis comes once; with no candidate at all it is left out."""
    outputs = (OutputSpec("score", "FP32", ("C",), "score"), OutputSpec("user", "FP32", (1, 2)))
    model = fake(lambda arrays: {**double(arrays), "user": arrays["dense"].reshape(1, 2)}, outputs=outputs)
    session = Session(model)
    found = session.run(fg.FeatureVector(values([1], [1, 2, 3, 4, 5]), shop.id, 0)).outputs
    assert found["user"].tolist() == [[1.0, 1.25]]
    assert list(session.run(fg.FeatureVector(values([1], []), shop.id, 0)).outputs) == ["score"]


def test_the_vector_of_another_graph_is_refused(fake: Make, values: Values) -> None:
    """A vector says which graph made it; another graph's never reaches the model."""
    with pytest.raises(BindingError, match="expected a vector of graph"):
        Session(fake(double)).run(fg.FeatureVector(values([1], [1]), "f" * 64, 0))


def test_an_error_leaves_the_session_usable(fake: Make, values: Values, shop: fg.Graph) -> None:
    """After a refused vector the next one gives what it would have given."""
    session = Session(fake(double))
    with pytest.raises(IdRangeError):
        session.run(fg.FeatureVector(values([1, 999], [1]), shop.id, 0))
    assert session.run(fg.FeatureVector(values([], [1]), shop.id, 0))["score"].tolist() == [2]


def test_results_are_owned(fake: Make, values: Values, shop: fg.Graph) -> None:
    """A result keeps its numbers when the next request reuses the buffers."""
    session = Session(fake(double))
    first = session.run(fg.FeatureVector(values([], [1]), shop.id, 0))
    session.run(fg.FeatureVector(values([], [9]), shop.id, 0))
    assert first["score"].tolist() == [2]


def test_threads_have_buffers_of_their_own(fake: Make, values: Values, shop: fg.Graph) -> None:
    """Two threads inside the model at once do not see each other's candidates."""
    meet = threading.Barrier(2, timeout=10)

    def slow(arrays: dict[str, Any]) -> dict[str, Any]:
        meet.wait()  # both threads have bound their inputs
        return double(arrays)

    session = Session(fake(slow))
    found: dict[int, list[float]] = {}

    def work(target: int) -> None:
        vector = fg.FeatureVector(values([], [target]), shop.id, 0)
        found[target] = session.run(vector)["score"].tolist()

    threads = [threading.Thread(target=work, args=(target,)) for target in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {1: [2.0], 2: [4.0]}


def test_timings_tell_where_the_time_went(fake: Make, values: Values, shop: fg.Graph) -> None:
    """Binding and model are timed apart, in nanoseconds."""
    timings = Session(fake(double)).run(fg.FeatureVector(values([1], [1]), shop.id, 0)).timings
    assert timings.binding_ns > 0
    assert timings.model_ns > 0
    assert np.isclose(timings.extraction_ns, 0)
