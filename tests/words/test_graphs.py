"""What a graph is: ids of the meaning and nothing else, diffs, canonical JSON, nodes that are one."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

import featuregraph as fg


class Buy(fg.Event, name="buy"):
    """An event with a field that no feature reads."""

    item_id = fg.identifier()
    price = fg.decimal(2)
    unused = fg.int64()


class Look(fg.Event, name="look"):
    """Another event."""

    item_id = fg.identifier()


def features(*, over: str = "7d", offset: str = "0d") -> dict[str, fg.Expr]:
    """Return some features, by name."""
    stream = fg.rows(Buy).over(over).offset(offset)
    return {
        "spend": stream.sum(Buy.price),
        "count": stream.count(),
        "mean": stream.sum(Buy.price) / stream.count(),
        "seen": fg.rows(Look, Buy).distinct(Buy.item_id),
    }


BASE = fg.Graph("g", features())


def lean() -> fg.Graph:
    """Return the graph declared without what no feature reads, and with another event and its own order."""
    buy = fg.Event.of("buy", {"price": "decimal(2)", "item_id": "identifier"})
    look = fg.Event.of("look", {"item_id": "identifier", "extra": "string"})
    stream = fg.rows(buy).over("1w")
    return fg.Graph(
        "another",
        {
            "seen": fg.rows(buy, look).distinct(look["item_id"]),
            "mean": stream.sum(buy["price"]) / stream.count(),
            "count": stream.count(),
            "spend": stream.sum(buy["price"]),
        },
    )


SAME: dict[str, fg.Graph] = {
    "another graph name": fg.Graph("another", features()),
    "another order of features": fg.Graph("g", dict(reversed(features().items()))),
    "1w for 7d": fg.Graph("g", features(over="1w")),
    "168h for 7d": fg.Graph("g", features(over="168h")),
    "the default key, written": fg.Graph("g", features(), key="user_id"),
    "other classes, fields and names": lean(),
    "JSON with other spaces": fg.Graph.from_json(json.dumps(json.loads(BASE.to_json()), indent=2)),
}


@pytest.mark.parametrize("case", SAME)
def test_what_changes_no_value_changes_no_id(case: str) -> None:
    """Neither the graph's id nor a feature's."""
    assert SAME[case].id == BASE.id
    assert SAME[case].feature_ids == BASE.feature_ids
    assert not BASE.diff(SAME[case])


OTHER: dict[str, fg.Graph] = {
    "include_now": fg.Graph("g", features(), include_now=True),
    "the key": fg.Graph("g", features(), key="session_id"),
    "the window": fg.Graph("g", features(over="8d")),
    "the offset": fg.Graph("g", features(offset="1d")),
}


@pytest.mark.parametrize("case", OTHER)
def test_what_changes_values_changes_ids(case: str) -> None:
    """The graph's id, and that of each feature that it changes."""
    assert OTHER[case].id != BASE.id
    changed = set(BASE.diff(OTHER[case]).changed)
    assert changed == (
        {"spend", "count", "mean"} if case in ("the window", "the offset") else set(BASE.features)
    )


def test_a_type_is_part_of_the_meaning() -> None:
    """The same words over a field of another type are another feature."""

    def graph(type: str) -> fg.Graph:
        event = fg.Event.of("buy", {"price": type})
        return fg.Graph("g", {"n": fg.rows(event).count(event["price"])})

    assert len({graph(type).id for type in ("int64", "float64", "decimal(2)", "decimal(3)", "string")}) == 5


def test_a_feature_keeps_its_id_under_another_name() -> None:
    """A feature's id is that of its meaning; the graph's also holds the names."""
    renamed = fg.Graph("g", {f"my_{name}": expr for name, expr in features().items()})
    assert sorted(renamed.feature_ids.values()) == sorted(BASE.feature_ids.values())
    assert renamed.id != BASE.id


def test_a_diff_says_what_a_change_means() -> None:
    """Added, removed and changed features by name; it is true if there are any."""
    changed = features() | {"count": fg.rows(Buy).over("1d").count(), "new": fg.rows(Look).count()}
    del changed["seen"]
    diff = BASE.diff(fg.Graph("g", changed))
    assert (diff.added, diff.removed, diff.changed, diff.unchanged) == (
        ("new",),
        ("seen",),
        ("count",),
        ("mean", "spend"),
    )
    assert diff
    assert str(diff).splitlines() == ["+ new", "- seen", "~ count", "2 unchanged"]


def test_json_is_canonical_and_inverse() -> None:
    """Sorted keys, no spaces, the default left out; reading and writing again gives the same bytes."""
    text = BASE.to_json()
    form = json.loads(text)
    assert text == json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert set(form) == {"events", "features", "format", "graph"}
    assert form["features"]["spend"]["stream"] == {"events": ["buy"], "over": "7d"}
    for source in (text, text.encode(), form):
        again = fg.Graph.from_json(source)
        assert (again, again.to_json()) == (BASE, text)
    assert len({BASE, fg.Graph.from_json(text)}) == 1


def test_shared_parts_are_written_as_references() -> None:
    """A part with arguments that is a feature too is named, by the first name of its meaning."""
    form = json.loads(fg.Graph("g", features() | {"again": features()["spend"]}).to_json())
    assert form["features"]["spend"] == {"feature": "again"}
    assert form["features"]["mean"]["args"] == [{"feature": "again"}, form["features"]["count"]]


def test_the_key_and_include_now_are_written_unless_they_are_the_default() -> None:
    """Both come back."""
    graph = fg.Graph("g", features(), key="session_id", include_now=True)
    form = json.loads(graph.to_json())
    assert (form["key"], form["include_now"]) == ("session_id", True)
    assert fg.Graph.from_json(graph.to_json()) == graph


def pickled(value: Any) -> Any:
    """Return VALUE, written and read."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    "back",
    [pickled, copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deep"],
)
def test_a_node_stays_one(back: Any) -> None:
    """Pickled or copied, a node is the node itself: equality is identity."""
    for node in BASE.features.values():
        assert back(node) is node


def test_a_node_is_immutable() -> None:
    """Nothing can be set on what everybody shares."""
    node = BASE.features["count"]
    with pytest.raises(AttributeError, match="immutable"):
        node.op = node.op
