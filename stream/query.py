"""A query as it is recorded (GRAPH_JSON tells its form), put to an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featuregraph import FeatureVector
    from stream.engine import Engine

Query = Mapping[str, Any]  # key, t, request, as_known, history_start_ms


def ask(engine: Engine, graph_id: str, key: str, query: Query) -> FeatureVector:
    """Return what ENGINE says of the plan GRAPH_ID at QUERY, asked for KEY."""
    return engine.extract(
        graph_id,
        key=key,
        at_ms=query["t"],
        request=query.get("request"),
        as_known=bool(query.get("as_known")),
        history_start_ms=query.get("history_start_ms"),
    )
