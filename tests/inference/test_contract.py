"""The contract: canonical JSON, bounds on what comes from outside, and shapes that follow from roles."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

import featuregraph as fg
from inference import ContractError, Input, ModelSpec, OutputSpec, PackagingError, TensorSpec, tensors

pytestmark = pytest.mark.device

SCORE = OutputSpec("score", "FP32", ("C",), "score")


@pytest.fixture
def spec(shop: fg.Graph, inputs: tuple[Input, ...]) -> ModelSpec:
    """Return the shop's contract."""
    return ModelSpec(shop.id, tensors(shop, inputs), (SCORE,), meta={"license": "CC0-1.0"})


def test_json_is_canonical_and_comes_back(spec: ModelSpec) -> None:
    """The JSON has sorted keys and no spaces, and reading it gives the same contract."""
    text = spec.to_json()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")).encode()
    assert ModelSpec.from_json(text) == spec


def test_the_schema_hash_is_that_of_the_meaning(spec: ModelSpec) -> None:
    """What is for people does not change the schema hash; a pad value does."""
    other = msgspec.structs.replace(spec, meta={})
    assert other.schema_sha256 == spec.schema_sha256
    first, *rest = spec.inputs
    padded = msgspec.structs.replace(spec, inputs=(msgspec.structs.replace(first, pad=1), *rest))
    assert padded.schema_sha256 != spec.schema_sha256


def test_metadata_speaks_open_inference_protocol(spec: ModelSpec) -> None:
    """Names, datatypes and shapes stand as the protocol writes them, -1 for the candidates."""
    found = spec.metadata()
    assert {"name": "target", "datatype": "INT64", "shape": [-1]} in found["inputs"]
    assert {"name": "dense", "datatype": "FP32", "shape": [2]} in found["inputs"]
    assert found["outputs"] == [{"name": "score", "datatype": "FP32", "shape": [-1]}]


def test_facts_come_from_the_graph(spec: ModelSpec, shop: fg.Graph) -> None:
    """A hashed feature brings its vocabulary and its hash; each source carries its feature's id."""
    item = spec.input("history_item")
    assert (item.vocab, item.hash, item.max_len) == (
        128,
        msgspec.convert({"buckets": 128}, type(item.hash)),
        6,
    )
    assert item.sources[0].id == shop.feature_ids["history"]
    assert [t.name for t in spec.inputs if t.part != "value"] == ["history_mask", "history_length"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("inputs", 0, "datatype"), "FP8"),
        (("inputs", 0, "shape"), [1, 7]),
        (("inputs", 0, "shape"), [1] * 9),
        (("inputs", 0, "vocab"), 0),
        (("inputs", 0, "vocab"), 2**80),
        (("inputs", 0, "pad"), 128),
        (("inputs", 0, "pad"), 0.5),
        (("inputs", 0, "max_len"), None),
        (("inputs", 0, "max_len"), 10**9),
        (("inputs", 0, "mask"), "nobody"),
        (("inputs", 0, "sources"), []),
        (("inputs", 0, "name"), "dense"),
        (("inputs", 0, "name"), "x" * 300),
        (("inputs", 0, "surprise"), 1),
        (("inputs", 3, "vocab"), 10),
        (("inputs", 3, "side"), "right"),
        (("inputs",), []),
        (("outputs",), []),
        (("outputs", 0, "shape"), ["C", -1]),
        (("outputs", 0, "shape"), ["N"]),
        (("graph_id",), "xyz"),
        (("format",), 2),
    ],
)
def test_a_malformed_contract_is_refused_in_one_line(
    spec: ModelSpec, path: tuple[Any, ...], value: object
) -> None:
    """Each bound and each rule between the parts is checked when a contract is read."""
    form = json.loads(spec.to_json())
    inner = form
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(ContractError) as error:
        ModelSpec.from_json(json.dumps(form))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b" " * (5 << 20)])
def test_what_is_no_contract_is_refused(text: bytes) -> None:
    """Truncated, foreign, deep and huge texts give the contract's own error."""
    with pytest.raises(ContractError):
        ModelSpec.from_json(text)


def test_a_candidate_axis_has_one_size(spec: ModelSpec) -> None:
    """Two candidate inputs cannot have two fixed sizes."""
    fixed = [msgspec.structs.replace(t, shape=(n, *t.shape[1:])) for n, t in enumerate(spec.inputs[-2:], 3)]
    with pytest.raises(ContractError, match="one size"):
        ModelSpec(spec.graph_id, (*spec.inputs[:-2], *fixed), (SCORE,))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (Input("x", "nothing"), "expected a feature of the graph"),
        (Input("x", "history"), "FEATURE.ITEM"),
        (Input("x", "history.price"), "one of its items"),
        (Input("x", "orders.item"), "only a sequence has items"),
        (Input("x", ["orders", "affinity"]), "per query or per candidate"),
        (Input("x", ["history.item", "history.age"]), "one list per input"),
        (Input("x", []), "at least one source"),
        (Input("x", "orders", max_len=5), "max_len for a list only"),
    ],
)
def test_words_that_no_tensor_can_follow_are_refused(shop: fg.Graph, words: Input, says: str) -> None:
    """A source that does not exist, or a mix that has no shape, is one of the differences listed."""
    with pytest.raises(PackagingError) as error:
        tensors(shop, [words])
    (difference,) = error.value.differences
    assert says in difference


def test_bounds_follow_from_expressions(shop: fg.Graph) -> None:
    """Hours, weekdays and buckets bring their vocabulary; an open count brings none."""
    graph = fg.Graph(
        "g",
        {
            "hour": fg.hour_of_day("UTC"),
            "bucket": fg.rows(fg.Event.of("e", {"x": fg.int64()})).count().bucketize([1, 5]),
            "seen": fg.rows(fg.Event.of("e", {"x": fg.int64()})).count(),
            "capped": fg.rows(fg.Event.of("e", {"x": fg.int64()})).count().clip(0, 9),
        },
    )
    found: dict[str, TensorSpec] = {t.name: t for t in tensors(graph, [Input(n) for n in graph.features])}
    assert {name: t.vocab for name, t in found.items()} == {
        "hour": 24,
        "bucket": 3,
        "seen": None,
        "capped": 10,
    }
    assert {name: t.role for name, t in found.items()} == {
        "hour": "user",
        "bucket": "user",
        "seen": "dense",
        "capped": "user",
    }
