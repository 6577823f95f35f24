"""Candidates: one extraction for all of them, one answer with the best k."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter_ns
from typing import cast, overload

import msgspec
import numpy as np

from featuregraph.errors import RequestError
from featuregraph.shown import shown
from featuregraph.vector import FeatureSource, FeatureVector, RecordingSource
from inference.backend import Array
from inference.errors import ContractError, ScoreError
from inference.session import Model, Session, Timings

_FEW = 512  # scores that are sorted in less time than it takes to leave some out


class Ranking(msgspec.Struct, frozen=True):
    """The best candidates, best first, with what they were computed from."""

    items: tuple[int, ...]  # positions in the lists that were given
    scores: tuple[float, ...]
    candidates: dict[str, tuple[object, ...]]  # the values that were given, in the order of the ranking
    at_ms: int
    graph_id: str
    model: str  # SHA-256 of the model file
    partial: tuple[str, ...]
    timings: Timings

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, name: str) -> tuple[object, ...]:
        return self.candidates[name]


class Ranker:
    """Rank any number of candidates for one key; safe to share between threads.

    >>> Ranker(model, source=engine).rank({"item_id": ["a", "b"], "category": ["x", "y"]}, k=1)["item_id"]
    ('b',)
    """

    @overload
    def __init__(self, model: Model, source: FeatureSource) -> None: ...
    @overload
    def __init__(self, model: Model, source: RecordingSource, *, record: bool) -> None: ...
    def __init__(
        self, model: Model, source: FeatureSource | RecordingSource, *, record: bool = False
    ) -> None:
        """Take MODEL and what extracts its graph's features; raise ContractError if it does not rank.

        record: let the source keep the features that each answer is computed from.
        """
        if not hasattr(source, "extract"):
            raise ContractError(
                f"expected a source of features, found {shown(source)}; give an engine with the model's plan"
            )
        score = model.spec.score
        if not model.spec.ranks or score is None:
            raise ContractError(
                "expected a model with candidate inputs and a score output, found none; use Session for it"
            )
        if math.prod(dim for dim in score.shape[1:] if isinstance(dim, int)) != 1:
            raise ContractError(
                f"output {score.name!r}: expected one score per candidate, found {list(score.shape)}; "
                "name another"
            )
        self._session = Session(model)
        self._source = source
        self._recording = cast("RecordingSource", source) if record else None
        self._score = score.name
        self._wanted = tuple(model.graph.candidates)

    def rank(
        self,
        candidates: Mapping[str, Sequence[object]],
        k: int = 10,
        *,
        key: object = None,
        at_ms: int | None = None,
        request: Mapping[str, object] | None = None,
        request_id: str | None = None,
    ) -> Ranking:
        """Return the K best of CANDIDATES, ties in the order given; lists that no feature uses come back.

        request_id: your own name of the request, for a ranker that records.

        Raises:
            RequestError: the lists have different lengths, one that the graph needs is missing, k < 1, or a
                request_id has no record to stand in.
            ScoreError: the model gave a score that is not finite; names the candidate.
        """
        count = self._count(candidates, k)
        lists = {name: candidates[name] for name in self._wanted} if candidates else None
        extract = self._extractor(request_id)
        started = perf_counter_ns()
        vector = extract(
            self._session.model.graph_id, key=key, at_ms=at_ms, request=request, candidates=lists
        )
        extraction_ns = perf_counter_ns() - started
        result = self._session.run(vector)
        scores = result.outputs[self._score].reshape(-1)
        if len(scores) != count:
            raise RequestError(
                f"expected features of {count} candidates, found {len(scores)}; mend the source's extract"
            )
        self._check(scores, candidates)
        best = best_first(scores, k)
        return Ranking(
            items=tuple(best),
            scores=tuple(scores[best].tolist()),
            candidates={name: tuple(values[i] for i in best) for name, values in candidates.items()},
            at_ms=result.at_ms,
            graph_id=result.graph_id,
            model=result.model,
            partial=result.partial,
            timings=Timings(extraction_ns, result.timings.binding_ns, result.timings.model_ns),
        )

    def _extractor(self, request_id: str | None) -> Callable[..., FeatureVector]:
        """Return what extracts, and records if this ranker does."""
        if self._recording is not None:
            return partial(self._recording.extract, record=True, request_id=request_id)
        if request_id is not None:
            raise RequestError(
                f"expected a ranker that records beside a request_id, found request_id {request_id!r:.60}"
                " alone; make it with record=True"
            )
        return self._source.extract

    def _count(self, candidates: Mapping[str, Sequence[object]], k: int) -> int:
        """Return the number of candidates after the checks of the request's form."""
        if type(k) is not int or k < 1:
            raise RequestError(
                f"expected k as a whole number of at least 1, found {k!r}; ask for one or more"
            )
        if candidates and (missing := [name for name in self._wanted if name not in candidates]):
            raise RequestError(
                f"expected the candidate list {missing[0]!r}, found {sorted(candidates)}; add it"
            )
        counts = {len(values) for values in candidates.values()}
        if len(counts) > 1:
            sizes = ", ".join(f"{name} {len(values)}" for name, values in candidates.items())
            raise RequestError(
                f"expected candidate lists of one length, found {sizes}; give each candidate every value"
            )
        return counts.pop() if counts else 0

    def _check(self, scores: Array, candidates: Mapping[str, Sequence[object]]) -> None:
        finite = np.isfinite(scores)
        if not finite.all():
            at = int(np.argmin(finite))
            named = ", ".join(f"{name}={values[at]!r:.40}" for name, values in candidates.items())
            raise ScoreError(
                f"output {self._score!r}: expected finite scores, found {scores[at]} for candidate {at} "
                f"({named}); "
                "check the model on an empty history"
            )


def best_first(scores: Array, k: int) -> list[int]:
    """Return the positions of the K largest of SCORES, largest first, ties in ascending position."""
    falling = -scores
    if k < len(scores) > _FEW:
        # Everything up to the k-th value, ties with it included, then one stable sort of those few.
        positions = np.flatnonzero(falling <= np.partition(falling, k - 1)[k - 1])
    else:
        positions = np.arange(len(scores))
    best: list[int] = positions[np.argsort(falling[positions], kind="stable")][:k].tolist()
    return best
