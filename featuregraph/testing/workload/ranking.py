"""A service's features with what a target-aware model wants: a history of items, and candidates to rank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

from featuregraph.expr import Expr
from featuregraph.functions import age
from featuregraph.graph import Graph
from featuregraph.rows import rows
from featuregraph.schema import candidate
from featuregraph.testing.workload.feature import Feature, declared
from featuregraph.testing.workload.services import ServiceWork

HISTORY = 50  # items that the model looks back on
ITEM_BUCKETS, CATEGORY_BUCKETS = 10_000, 16
DENSE = 32  # numbers that the model takes of the service's features
AGE_EDGES = [minutes * 60_000 for minutes in (0, 1, 5, 15, 60, 180, 720, 1_440, 4_320, 7_200)]
_ITEM, _CATEGORY = "attribute_002", "attribute_003"  # of every type


def ranking(work: ServiceWork) -> Graph:
    """Return the graph of WORK's features and, over its three commonest events, history and candidates.

    Numbers that may be null are filled with 0, as a model wants them.
    """
    features = work.features
    names = {event for feature in features for event in feature.events}
    seen = tuple(type_.name for type_ in work.app if type_.name in names)[:3]
    more = [Feature(x, seen, "1w", "concat", x, HISTORY) for x in (_ITEM, _CATEGORY)]
    events = declared([*features, *more])
    found: dict[str, Expr] = {}
    for feature in features:
        value = feature.expr(events)
        found[feature.name] = value if feature.function in ("count", "concat") else value.fill(0)
    stream, first = rows(*(events[name] for name in seen)).over("1w"), events[seen[0]]
    found["history"] = stream.sequence(
        HISTORY,
        {
            "item": first[_ITEM].hash(ITEM_BUCKETS),
            "category": first[_CATEGORY].hash(CATEGORY_BUCKETS),
            "age": age().bucketize(AGE_EDGES),
        },
    )
    category = candidate("category", "category")
    found["item"] = candidate("item_id", "identifier").hash(ITEM_BUCKETS)
    found["category"] = category.hash(CATEGORY_BUCKETS)
    found["affinity"] = stream.group_by(first[_CATEGORY]).count().lookup(category)
    return Graph(f"{work.service.name} ranking", found)


def dense(work: ServiceWork) -> list[str]:
    """Return the names of the numbers that the model takes, the first of the service's."""
    return [feature.name for feature in work.features if feature.function != "concat"][:DENSE]


def candidates(seed: int, count: int) -> Iterator[Mapping[str, list[str]]]:
    """Yield COUNT candidates for one request after another."""
    rng = Random(f"candidates {seed}")
    while True:
        yield {
            "item_id": [f"{rng.getrandbits(32):08x}" for _ in range(count)],
            "category": [f"c{rng.getrandbits(3)}" for _ in range(count)],
        }
