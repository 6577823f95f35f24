"""Features to tensors (SEMANTICS 7): pad, mask, length, dtype cast, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featuregraph as fg
from inference import Binder, BindingError, IdRangeError, Input, NullFeatureError, TensorSpec, feeds, tensors

pytestmark = pytest.mark.device

Values = Callable[[list[int], list[int]], dict[str, Any]]


class Tap(fg.Event, name="tap"):
    """Something touched."""

    x = fg.int64()
    d = fg.decimal(2)
    f = fg.float64()


class Asked(fg.Request):
    """What a query brings."""

    mood = fg.vector(3)


class Offer(fg.Candidate):
    """What could be shown."""

    look = fg.vector(2)
    kind = fg.category()


FEATURES = {
    "seq": fg.rows(Tap).sequence(50, {"x": Tap.x, "id": Tap.x.hash(10), "d": Tap.d}),
    "top": fg.rows(Tap).topk(Tap.x, 3),
    "n": fg.rows(Tap).count(),
    "spent": fg.rows(Tap).sum(Tap.d),
    "total": fg.rows(Tap).sum(Tap.f),
    "any": fg.rows(Tap).count() > 0,
    "mood": Asked.mood,
    "look": Offer.look,
    "kind": Offer.kind.hash(5),
    "hit": Offer.kind == "a",
    "share": (fg.rows(Tap).group_by(Tap.x).count().lookup(Offer.kind.hash(5)) / 2).fill(0.0),
}


@pytest.fixture(scope="module")
def graph() -> fg.Graph:
    """Return a graph with a feature of each shape."""
    return fg.Graph("shapes", FEATURES)


def one(graph: fg.Graph, words: Input, **values: object) -> dict[str, np.ndarray[Any, Any]]:
    """Return the tensors of one input for VALUES."""
    return feeds(tensors(graph, [words]), values)


def seq(*ids: int | None) -> dict[str, Any]:
    """Return a sequence's record with IDS."""
    return {"x": list(ids), "id": list(ids), "d": [Decimal("0.50")] * len(ids)}


def test_scalars_are_cast_once(graph: fg.Graph) -> None:
    """int64, decimal, float64 and boolean stand in one tensor as its datatype's nearest values."""
    found = one(
        graph, Input("x", ["n", "spent", "total", "any"]), n=3, spent=Decimal("1.10"), total=0.1, any=True
    )
    assert found["x"].dtype == np.float32
    assert found["x"].tolist() == np.array([3, 1.1, 0.1, 1], np.float32).tolist()


@pytest.mark.parametrize(
    ("datatype", "expected"),
    [("INT64", [1]), ("INT32", [1]), ("BOOL", [True]), ("FP16", [1.0]), ("FP64", [1.0])],
)
def test_a_flag_takes_any_datatype(graph: fg.Graph, datatype: Any, expected: list[object]) -> None:
    """A boolean binds as 0 or 1 of every datatype."""
    assert one(graph, Input("x", "any", datatype=datatype), any=True)["x"].tolist() == expected


@pytest.mark.parametrize(
    ("side", "ids", "tensor", "mask", "length"),
    [
        ("left", (), [9, 9, 9], [0, 0, 0], 0),
        ("left", (1, 2), [9, 1, 2], [0, 1, 1], 2),
        ("left", (1, 2, 3, 4), [2, 3, 4], [1, 1, 1], 3),
        ("right", (), [9, 9, 9], [0, 0, 0], 0),
        ("right", (1, 2), [1, 2, 9], [1, 1, 0], 2),
        ("right", (1, 2, 3, 4), [2, 3, 4], [1, 1, 1], 3),
        ("left", (1, None, 3), [1, 9, 3], [1, 1, 1], 3),
    ],
)
def test_lists_are_padded_and_keep_the_newest(
    graph: fg.Graph, side: Any, ids: tuple[int | None, ...], tensor: list[int], mask: list[int], length: int
) -> None:
    """Padding stands on its side; a longer list loses its oldest; a null element is pad but a position."""
    words = Input("s", "seq.x", max_len=3, pad=9, side=side, mask="m", length="n", datatype="INT64")
    found = one(graph, words, seq=seq(*ids))
    assert (found["s"].tolist(), found["m"].tolist(), found["n"].tolist()) == ([tensor], [mask], [length])


def test_a_list_of_decimals_binds_as_numbers(graph: fg.Graph) -> None:
    """Decimals inside a sequence count with their value."""
    assert one(graph, Input("s", "seq.d", max_len=2), seq=seq(1))["s"].tolist() == [[0.0, 0.5]]


def test_topk_keeps_its_order(graph: fg.Graph) -> None:
    """The best comes first, padding where it is asked for."""
    assert one(graph, Input("t", "top", side="right"), top=[7, 8])["t"].tolist() == [[7, 8, 0]]


def test_a_null_vector_is_zeros(graph: fg.Graph) -> None:
    """A vector binds as its numbers, null as n zeros, per query and per candidate."""
    assert one(graph, Input("v", "mood"), mood=[1.0, 2.0, 3.0])["v"].tolist() == [1, 2, 3]
    assert one(graph, Input("v", "mood"), mood=None)["v"].tolist() == [0, 0, 0]
    assert one(graph, Input("v", "look"), look=[[1.0, 2.0], None])["v"].tolist() == [[1, 2], [0, 0]]


def test_vectors_and_scalars_stack(graph: fg.Graph) -> None:
    """A stack gives each source its columns in the order named."""
    found = one(graph, Input("v", ["n", "mood", "any"]), n=4, mood=[1.0, 2.0, 3.0], any=False)
    assert found["v"].tolist() == [4, 1, 2, 3, 0]
    found = one(graph, Input("v", ["hit", "look"]), hit=[True, False], look=[[1.0, 2.0], [3.0, 4.0]])
    assert found["v"].tolist() == [[1, 1, 2], [0, 3, 4]]


def test_buffers_forget_the_vector_before(graph: fg.Graph) -> None:
    """A short list after a long one, and a null vector after a full one, leave nothing behind."""
    binder = Binder(tensors(graph, [Input("s", "seq.id", max_len=3, mask="m"), Input("v", "mood")]), 1)
    kept = dict(binder.inputs)
    binder.query({"seq": seq(1, 2, 3), "mood": [1.0, 1.0, 1.0]})
    binder.query({"seq": seq(4), "mood": None})
    assert [binder.inputs[n].tolist() for n in "smv"] == [[[0, 0, 4]], [[0, 0, 1]], [0, 0, 0]]
    assert all(binder.inputs[name] is array for name, array in kept.items())


@pytest.mark.parametrize("bad", [10, -1, 2**40, -(2**63)])
@pytest.mark.parametrize("datatype", ["INT64", "INT32"])
def test_an_id_outside_its_vocabulary_is_refused(graph: fg.Graph, datatype: Any, bad: int) -> None:
    """An id below 0 or from the vocabulary on is named with its feature, position and range."""
    words = Input("s", "seq.id", max_len=3, datatype=datatype)
    with pytest.raises(
        IdRangeError, match=rf"'seq.id' for input 's' at position 1: expected 0 <= id < 10, found {bad};"
    ):
        one(graph, words, seq=seq(1, bad))
    with pytest.raises(IdRangeError, match=r"'kind' for input 'k' at candidate 2"):
        one(graph, Input("k", "kind", datatype=datatype), kind=[0, 4, bad])


def test_an_id_that_is_cut_off_is_no_error(graph: fg.Graph) -> None:
    """Only what the model would see is checked."""
    assert one(graph, Input("s", "seq.id", max_len=1), seq=seq(99, 1))["s"].tolist() == [[1]]


@pytest.mark.parametrize(
    "words", [Input("x", ["n", "total"]), Input("x", "total"), Input("x", "any", datatype="BOOL")]
)
def test_null_in_a_dense_input_is_refused(graph: fg.Graph, words: Input) -> None:
    """A null where a number must stand names the feature, whatever numpy would make of it."""
    with pytest.raises(NullFeatureError, match="found null; give the feature fill"):
        one(graph, words, n=1, total=None, any=None)


@pytest.mark.parametrize("datatype", ["BOOL", "INT64", "FP32"])
def test_null_of_a_candidate_is_refused(graph: fg.Graph, datatype: Any) -> None:
    """A null among candidates names which one."""
    with pytest.raises(NullFeatureError, match="at candidate 1"):
        one(graph, Input("x", "hit", datatype=datatype), hit=[True, None])


def test_a_number_too_large_for_its_datatype_is_refused(graph: fg.Graph) -> None:
    """A double outside FP32 and a count outside INT32 are errors, not infinities or other numbers."""
    with pytest.raises(BindingError, match=r"'total'.*within FP32, found 1e\+300"):
        one(graph, Input("x", ["n", "total"]), n=1, total=1e300)
    with pytest.raises(BindingError, match=r"within INT32, found 4294967296"):
        one(graph, Input("x", "n", datatype="INT32"), n=2**32)


@pytest.mark.parametrize(
    ("words", "values", "says"),
    [
        (Input("x", "n"), {}, "expected a value, found none"),
        (Input("x", "seq.id"), {"seq": None}, "expected a record"),
        (Input("x", "top"), {"top": 7}, "expected a list"),
        (Input("x", "hit"), {"hit": True}, "expected a list"),
        (Input("x", "mood"), {"mood": [1.0]}, "expected 3 numbers"),
        (Input("x", "look"), {"look": [[1.0], [2.0]]}, "expected 2 numbers, found 1"),
        (Input("x", ["hit", "share"]), {"hit": [True], "share": [0.5, 1.0]}, "one value per candidate"),
    ],
)
def test_a_vector_of_another_form_is_refused(
    graph: fg.Graph, words: Input, values: Mapping[str, object], says: str
) -> None:
    """What no engine would give is met with the feature's name, in one line."""
    with pytest.raises(BindingError, match=says) as error:
        one(graph, words, **values)
    assert "\n" not in str(error.value)


def naive(spec: TensorSpec, rows: list[int | None]) -> list[float]:
    """Return the padded list, written the short way."""
    kept = [spec.pad if row is None else row for row in rows][-(spec.max_len or 0) :]
    padding = [spec.pad] * ((spec.max_len or 0) - len(kept))
    return [*padding, *kept] if spec.side == "left" else [*kept, *padding]


@given(
    lists=st.lists(
        st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=12), min_size=1, max_size=5
    ),
    max_len=st.integers(1, 8),
    side=st.sampled_from(["left", "right"]),
)
def test_any_row_of_lists_binds_as_the_naive_way(
    lists: list[list[int | None]], max_len: int, side: Any
) -> None:
    """One binder gives for each of many lists what the definition gives, whatever came before."""
    (spec,) = tensors(
        fg.Graph("shapes", FEATURES),
        [Input("s", "seq.x", max_len=max_len, side=side, pad=3, datatype="INT64")],
    )
    binder = Binder([spec], 1)
    for rows in lists:
        binder.query({"seq": {"x": rows}})
        assert binder.inputs["s"].tolist() == [naive(spec, rows)]


def test_feeds_take_all_candidates(graph: fg.Graph) -> None:
    """For training, one call gives owned tensors with every candidate; without any the axis is empty."""
    specs = tensors(graph, [Input("n"), Input("kind")])
    assert feeds(specs, {"n": 1, "kind": [1] * 700})["kind"].shape == (700,)
    assert feeds(specs, {"n": 1, "kind": []})["kind"].shape == (0,)
