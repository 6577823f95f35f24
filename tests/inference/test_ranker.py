"""Candidates ranked: order, ties, any number of them, and requests that are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featuregraph as fg
from inference import ContractError, Input, Model, OutputSpec, Ranker, ScoreError
from inference.ranker import best_first
from inference.testing import FakeSource

pytestmark = pytest.mark.device

Make = Callable[..., Model]
Values = Callable[[list[int], list[int]], dict[str, Any]]


@pytest.fixture
def source(values: Values) -> FakeSource:
    """Return a source that takes the candidates' item_id for the id."""
    return FakeSource(lambda candidates: values([1, 2], [int(str(i)) for i in candidates.get("item_id", ())]))


def by_id(arrays: dict[str, Any]) -> dict[str, Any]:
    """Score each candidate by its id modulo 5."""
    return {"score": (arrays["target"] % 5).astype(np.float32)}


def columns(count: int) -> dict[str, list[str]]:
    """Return COUNT candidates."""
    return {"item_id": [str(n) for n in range(count)], "category": ["toys"] * count}


def test_the_best_come_first_and_ties_keep_their_order(fake: Make, source: FakeSource) -> None:
    """Scores descend; equal scores stand in the order in which the candidates were given."""
    ranking = Ranker(fake(by_id), source).rank(columns(12), k=5)
    assert ranking.items == (4, 9, 3, 8, 2)
    assert ranking.scores == (4.0, 4.0, 3.0, 3.0, 2.0)
    assert ranking["item_id"] == ("4", "9", "3", "8", "2")
    assert len(ranking) == 5


def test_extraction_is_one_call_with_all_candidates(fake: Make, source: FakeSource) -> None:
    """Three chunks of the model share one extraction, which gets key, time and request as they were given."""
    model = fake(by_id)
    ranking = Ranker(model, source).rank(columns(12), k=1, key="u", at_ms=5, request={"page": 1})
    asked = {"key": "u", "at_ms": 5, "request": {"page": 1}, "candidates": columns(12)}
    assert source.asked == [asked]
    assert (ranking.at_ms, ranking.graph_id, ranking.model) == (5, model.graph_id, model.sha256)
    assert min(ranking.timings.extraction_ns, ranking.timings.binding_ns, ranking.timings.model_ns) > 0


def test_k_may_exceed_the_candidates(fake: Make, source: FakeSource) -> None:
    """All candidates come back, ranked."""
    assert Ranker(fake(by_id), source).rank(columns(3), k=10).items == (2, 1, 0)


@pytest.mark.parametrize("candidates", [{}, {"item_id": [], "category": []}])
def test_no_candidates_give_an_empty_ranking(
    fake: Make, source: FakeSource, candidates: dict[str, list[str]]
) -> None:
    """Nothing to rank is no error; the query's facts are there."""
    ranking = Ranker(fake(by_id), source).rank(candidates)
    assert (ranking.items, ranking.scores, ranking.at_ms) == ((), (), 1_000)
    assert ranking.candidates == dict.fromkeys(candidates, ())


def test_lists_that_no_feature_uses_come_back(fake: Make, source: FakeSource) -> None:
    """A title or a price for display travels with the ranking, and not into the extraction."""
    ranking = Ranker(fake(by_id), source).rank({**columns(3), "title": ["a", "b", "c"]}, k=1)
    assert ranking["title"] == ("c",)
    assert source.asked[0]["candidates"] == columns(3)


def test_partial_features_are_named(fake: Make, source: FakeSource) -> None:
    """What the extraction could not see in full is said by the ranking."""
    source.partial = ("spend",)
    assert Ranker(fake(by_id), source).rank(columns(2)).partial == ("spend",)


@pytest.mark.parametrize(
    ("candidates", "k", "says"),
    [
        ({"item_id": ["1", "2"], "category": ["x"]}, 10, "one length, found item_id 2, category 1"),
        ({"item_id": ["1"]}, 10, "expected the candidate list 'category'"),
        (columns(2), 0, "expected k as a whole number of at least 1, found 0"),
        (columns(2), True, "expected k"),
        (columns(2), 2.0, "expected k"),
    ],
)
def test_a_request_of_another_form_is_refused(
    fake: Make, source: FakeSource, candidates: dict[str, list[str]], k: Any, says: str
) -> None:
    """Unequal lists, a missing list and a k that is none are request errors, before any extraction."""
    with pytest.raises(fg.RequestError, match=says):
        Ranker(fake(by_id), source).rank(candidates, k)
    assert source.asked == []


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_names_the_candidate(fake: Make, source: FakeSource, score: float) -> None:
    """NaN and infinities are no ranking: the error names the candidate's place and values."""
    model = fake(lambda arrays: {"score": np.where(arrays["target"] == 6, np.float32(score), 1)})
    with pytest.raises(ScoreError, match=r"candidate 6 \(item_id='6', category='toys'\)"):
        Ranker(model, source).rank(columns(9))


def test_only_a_ranking_model_ranks(fake: Make, source: FakeSource) -> None:
    """A model without candidates, without a score, or with several per candidate is refused at once."""
    dense = [Input("dense", ["orders", "spend"])]
    plain = fake(by_id, inputs=dense, outputs=(OutputSpec("p", "FP32", (1,)),))
    unnamed = fake(by_id, outputs=(OutputSpec("score", "FP32", ("C",)),))
    several = fake(by_id, outputs=(OutputSpec("score", "FP32", ("C", 2), "score"),))
    for model in (plain, unnamed, several):
        with pytest.raises(ContractError):
            Ranker(model, source)


def test_what_extracts_nothing_is_no_source(fake: Make) -> None:
    """It is refused when the ranker is made, not at the first request."""
    with pytest.raises(ContractError, match=r"expected a source of features, found 'events\.db'; give an en"):
        Ranker(fake(by_id), source="events.db")  # type: ignore[call-overload]


def test_a_column_of_scores_ranks(fake: Make, source: FakeSource) -> None:
    """Scores of the shape [C, 1] are scores."""
    model = fake(
        lambda arrays: {"score": by_id(arrays)["score"].reshape(-1, 1)},
        outputs=(OutputSpec("score", "FP32", ("C", 1), "score"),),
    )
    assert Ranker(model, source).rank(columns(6), k=2).items == (4, 3)


@given(scores=st.lists(st.sampled_from([-1.5, -0.0, 0.0, 1.0, 2.0]), max_size=30), k=st.integers(1, 35))
def test_the_best_are_those_of_a_stable_sort(scores: list[float], k: int) -> None:
    """Choosing before sorting changes nothing: the answer is the head of a stable descending sort."""
    expected = sorted(range(len(scores)), key=lambda i: -scores[i])[:k]
    assert best_first(np.array(scores, np.float32), k) == expected
