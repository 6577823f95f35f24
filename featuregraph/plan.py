"""The plan: what an executor runs for one graph, and the frozen bytes that ship it.

A plan's bytes are the graph's canonical JSON in an envelope: the meaning is frozen, the steps are derived
from it by whatever compiler reads it, so that a better compiler never orphans a model. `plan.id == graph.id`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from featuregraph import jsonform
from featuregraph.convert import BAD, converted
from featuregraph.errors import CompileError, FeatureOverflowError, RequestError
from featuregraph.graph import Graph
from featuregraph.ir import Node
from featuregraph.scalar import OVERFLOW
from featuregraph.shown import nearest, shown
from featuregraph.steps import Demand
from featuregraph.vector import FeatureSource, FeatureVector

FORMAT = 1
LIFETIME = None
NOWHERE = -1

__all__ = ["FeatureSource", "FeatureVector", "Plan"]


@dataclass(frozen=True)
class Plan:
    """A compiled graph: the aggregates it needs and the one function from their states to values."""

    graph: Graph
    features: Mapping[str, Node]  # rewritten, by name in order
    aggregates: tuple[Node, ...]  # in the order in which `read` takes their states
    read: Callable[[Sequence[Any], int, Mapping[str, Any]], tuple[Any, ...]] = field(repr=False)
    # Of the outputs that are not public as they are, by position.
    converters: tuple[tuple[int, Callable[[Any], Any]], ...] = field(repr=False)
    given: Mapping[str, Callable[[Any], Any]] = field(repr=False)  # converters of requests and candidates
    # Ms from t back to where a feature's windows begin, LIFETIME at the start; of those that look back.
    reach: Mapping[str, int | None]
    windowless: frozenset[str]  # features without any stream
    per_candidate: frozenset[str]

    @cached_property
    def id(self) -> str:
        """Return the graph's id."""
        return self.graph.id

    @property
    def publishers(self) -> dict[str, Callable[[Any], Any]]:
        """Return, by feature, what makes its value public and owned, where it is not so already."""
        names = list(self.features)
        return {names[position]: convert for position, convert in self.converters}

    @property
    def demands(self) -> tuple[Demand, ...]:
        """Return the aggregates as a layout takes them."""
        return tuple((agg, self.graph.include_now) for agg in self.aggregates)

    def to_bytes(self) -> bytes:
        """Return the canonical bytes of this plan."""
        return jsonform.canonical({"plan": FORMAT, "id": self.id, "graph": self.graph.to_dict()}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Plan:
        """Return the plan in DATA; raise CompileError if it is none or its id is not its graph's."""
        form = jsonform.parse(data)
        if form.get("plan") != FORMAT or not isinstance(form.get("graph"), dict):
            raise CompileError(f"expected a plan of format {FORMAT}, found {shown(form)}; compile it again")
        graph = Graph.from_json(form["graph"])
        if graph.id != form.get("id"):
            raise CompileError(
                f"expected the plan of graph {shown(form.get('id'), 16)}, found one of {graph.id[:12]}; "
                "the bytes were changed, take them from their source again"
            )
        return graph.compile()

    # ---- what every executor does around `read`

    def bind_request(
        self, request: Mapping[str, Any] | None, candidates: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the converted request and candidate values by name.

        Missing ones are null, missing lists empty (SEMANTICS 5.1).

        Raises:
            RequestError: the request is no mapping, it or the candidates name what no feature reads, or the
                candidates are no lists of one length.
        """
        found: dict[str, Any] = {}
        if request is None and candidates is None and not self.given:
            return found
        request, candidates = _mapping(request, "a request"), _mapping(candidates, "candidates")
        _check_names(self.graph, request, candidates)
        for name in self.graph.requests:
            value = self.given[name](request.get(name))
            found[name] = None if value is BAD else value
        lengths: dict[str, int] = {}
        for name, type in self.graph.candidates.items():
            values = _values(name, candidates.get(name, request.get(name)))
            found[name] = converted(type, values)
            lengths[name] = len(values)
        if len(set(lengths.values())) > 1:
            missing = _without(self.graph, request, candidates)
            raise RequestError(
                f"expected candidate lists of one length, found {lengths}{_no_list(missing)}; "
                "give each candidate a value in each list"
            )
        return found

    def publish(self, raw: tuple[Any, ...]) -> dict[str, Any]:
        """Return the outputs of `read` as owned public values by feature.

        Raises:
            FeatureOverflowError: a value lies outside its type; it names the first such feature.
        """
        values = dict(zip(self.features, raw, strict=True))
        spoilt = {name for name in self.per_candidate if OVERFLOW in values[name]}
        if spoilt or OVERFLOW in raw:
            raise FeatureOverflowError(next(n for n, v in values.items() if v is OVERFLOW or n in spoilt))
        names = list(self.features)
        for position, convert in self.converters:
            values[names[position]] = convert(raw[position])
        return values

    def partial(self, at_ms: int, history_start_ms: int | None) -> tuple[str, ...]:
        """Return the features whose windows begin before the executor's history (SEMANTICS 3.5)."""
        if history_start_ms is None:
            return ()
        first = at_ms - history_start_ms + (1 if self.graph.include_now else 0)
        reaches, beyond = self._beyond
        return beyond[bisect_right(reaches, first)]

    @cached_property
    def _beyond(self) -> tuple[list[int], list[tuple[str, ...]]]:
        """Return the reaches there are, rising, and before and after each which features reach further."""
        reach = self.reach
        reaches = sorted({back for back in reach.values() if back is not LIFETIME})
        beyond = [
            tuple(name for name, back in reach.items() if back is LIFETIME or back >= least)
            for least in reaches
        ]
        return reaches, [*beyond, tuple(name for name, back in reach.items() if back is LIFETIME)]


def _mapping(given: object, what: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise RequestError(f"expected {what} as names with values, found {shown(given)}; give a dict")
    return given


def _check_names(graph: Graph, request: Mapping[str, Any], candidates: Mapping[str, Any]) -> None:
    """Refuse a name that no feature of GRAPH reads; lists may stand among the values of the request."""
    lists, both = [*graph.candidates], [*graph.requests, *graph.candidates]
    unknown = [(name, "candidate", lists) for name in candidates if name not in lists]
    unknown += [(name, "request or candidate", both) for name in request if name not in both]
    for name, what, known in unknown:
        step = f"{nearest(name, known)} correct it" if known else "none is declared, leave it out"
        if name in graph.requests:
            step = "it is one value of the query, give it in request"
        raise RequestError(
            f"graph {graph.name!r}: expected a {what} that its features read, found {shown(name)}"
            f"{_no_list(_without(graph, request, candidates))}; {step}"
        )


def _without(graph: Graph, *given: Mapping[str, Any]) -> list[str]:
    """Return the candidates of GRAPH that none of GIVEN has a list for."""
    return [name for name in graph.candidates if all(one.get(name) is None for one in given)]


def _no_list(missing: Sequence[str]) -> str:
    return f" and no list for {', '.join(map(repr, missing))}" if missing else ""


def _values(name: str, given: Any) -> list[Any]:
    """Return the values of one candidate as a list."""
    if given is None:
        return []
    if not isinstance(given, (str, bytes, Mapping)) and hasattr(given, "__len__"):
        with suppress(TypeError):  # an array of no dimension has a length that raises
            return list(given)
    raise RequestError(
        f"candidate {name!r}: expected a list with one value each, found {shown(given)}; give a list"
    )
