"""A graph is its meaning: JSON and back, and an id that depends on nothing else (GRAPH_JSON)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph import Graph, Plan
from featuregraph.testing.graphs import random_graph
from featuregraph.testing.values import World

pytestmark = pytest.mark.device

Json = Any
SEEDS = st.integers(0, 2**48)


def random_form(rng: Random) -> Json:
    """Return the JSON of a random graph."""
    return random_graph(rng, World.any(rng), literals=0.1)


def each(form: Json, change: Any) -> Json:
    """Return FORM with CHANGE(key, value) in place of each value of an object."""
    if isinstance(form, dict):
        return {key: change(key, each(value, change)) for key, value in form.items()}
    return [each(value, change) for value in form] if isinstance(form, list) else form


@settings(max_examples=150)
@given(SEEDS)
def test_json_and_back_is_the_same_graph(seed: int) -> None:
    """from_json(to_json) has the same bytes, id, feature ids and nodes; the bytes are canonical."""
    graph = Graph.from_json(random_form(Random(seed)))
    text = graph.to_json()
    again = Graph.from_json(text)
    assert again.to_json() == text
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert (again.id, again.feature_ids) == (graph.id, graph.feature_ids)
    assert all(again.features[name] is node for name, node in graph.features.items())
    assert not graph.diff(again)


@settings(max_examples=50)
@given(SEEDS)
def test_a_plan_keeps_its_graphs_id_in_its_bytes(seed: int) -> None:
    """A plan has its graph's id, and comes back from its bytes with the same bytes."""
    graph = Graph.from_json(random_form(Random(seed)))
    plan = graph.compile()
    assert plan.id == graph.id
    again = Plan.from_bytes(plan.to_bytes())
    assert (again.id, again.to_bytes()) == (graph.id, plan.to_bytes())


@settings(max_examples=100)
@given(SEEDS)
def test_the_order_of_names_is_no_meaning(seed: int) -> None:
    """Features, events, fields and the events of a stream in another order give the same bytes."""
    rng = Random(seed)
    form = random_form(rng)

    def shuffled(key: str, value: Json) -> Json:
        if isinstance(value, dict):
            return dict(rng.sample(list(value.items()), len(value)))
        return rng.sample(value, len(value)) if key == "events" else value

    assert Graph.from_json(each(form, shuffled)).to_json() == Graph.from_json(form).to_json()


@settings(max_examples=100)
@given(SEEDS)
def test_what_no_feature_uses_is_no_meaning(seed: int) -> None:
    """Another graph name, further events and further fields that no feature reads leave the ids alone."""
    form = random_form(Random(seed))
    graph = Graph.from_json(form)
    events = {name: fields | {"unused": "int64"} for name, fields in form["events"].items()}
    more = Graph.from_json(form | {"graph": "renamed", "events": events | {"another": {"n": "int64"}}})
    assert (more.id, more.feature_ids) == (graph.id, graph.feature_ids)


@settings(max_examples=100)
@given(SEEDS)
def test_a_duration_in_another_unit_is_the_same_duration(seed: int) -> None:
    """A window of 60000ms is one of 1m, and 7d is 1w."""
    form = random_form(Random(seed))

    def respelt(key: str, value: Json) -> Json:
        if key in ("over", "offset", "half_life"):
            ms = int(value.removesuffix("ms"))
            return next(
                f"{ms // n}{unit}" for unit, n in (("m", 60_000), ("s", 1000), ("ms", 1)) if ms % n == 0
            )
        return value

    assert Graph.from_json(each(form, respelt)).to_json() == Graph.from_json(form).to_json()


def test_a_week_is_seven_days() -> None:
    """Aliases of one window have one id."""

    def count(over: str) -> Graph:
        stream = {"events": ["view"], "over": over}
        features = {"n": {"agg": "count", "stream": stream}}
        return Graph.from_json({"format": 1, "graph": "g", "events": {"view": {}}, "features": features})

    assert count("7d").id == count("1w").id == count("168h").id
    assert count("7d").id != count("8d").id


@settings(max_examples=100)
@given(SEEDS)
def test_another_meaning_is_another_id(seed: int) -> None:
    """A wider window, the other include_now, another key or another feature name change the graph's id."""
    form = random_form(Random(seed))
    graph = Graph.from_json(form)

    def wider(key: str, value: Json) -> Json:
        return f"{int(value.removesuffix('ms')) + 1}ms" if key == "over" else value

    changed = each(form, wider)
    assert (Graph.from_json(changed).id == graph.id) == (changed == form)
    others = [
        form | {"include_now": not graph.include_now},
        form | {"key": "somebody"},
        form | {"features": form["features"] | {"more": {"lit": 1, "type": "int64"}}},
    ]
    assert len({graph.id, *(Graph.from_json(other).id for other in others)}) == 4


@settings(max_examples=100)
@given(SEEDS)
def test_a_feature_keeps_its_id_under_another_name_and_in_another_graph(seed: int) -> None:
    """A feature's own id tells its meaning, whatever it is called and whatever stands beside it."""
    form = random_form(Random(seed))
    graph = Graph.from_json(form)

    def renamed(key: str, value: Json) -> Json:
        return f"new {value}" if key == "feature" else value

    features = {f"new {name}": each(expr, renamed) for name, expr in form["features"].items()}
    other = Graph.from_json(form | {"features": features | {"more": {"now": True}}})
    assert {
        f"new {name}": one for name, one in graph.feature_ids.items()
    }.items() <= other.feature_ids.items()


def test_ids_are_the_same_in_every_process() -> None:
    """No id depends on the process: hash seeds differ, ids do not."""
    script = (
        "from random import Random; from featuregraph import Graph; "
        "from featuregraph.testing.graphs import random_graph; "
        "from featuregraph.testing.values import World; "
        "print([Graph.from_json(random_graph(Random(s), World(0, 1, False))).id for s in range(20)])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
