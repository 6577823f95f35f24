"""Histories played by one engine that records every answer, as a device that proves what it served."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from featuregraph import FeatureGraphError, FeatureVector, Graph
from featuregraph.testing.clock import FakeClock
from featuregraph.types import INT64_MAX
from stream.engine import Engine, Mode
from stream.log import EventLog
from stream.testing.histories import History


def serve(history: History, path: Path, mode: Mode = "auto", **limits: Any) -> list[FeatureVector]:
    """Play HISTORY on a log at PATH, recording every answer; return the vectors that were given."""
    graphs = [Graph.from_json(form) for form in history.graphs]
    start = "all" if history.history_start_ms is None else history.history_start_ms
    clock = FakeClock(INT64_MAX)
    given: list[FeatureVector] = []

    def opened() -> Engine:
        log = EventLog(path, key=graphs[0].key, clock=clock, history_start_ms=start, **limits)  # type: ignore[arg-type]
        engine = Engine(log, mode=mode)
        for graph in graphs:
            engine.install(graph.compile())
        return engine

    engine = opened()
    try:
        for step in history.steps:
            match step:
                case {"append": events}:
                    for event in events:
                        with suppress(FeatureGraphError):
                            engine.append_many([event], keep_known=True)
                case {"forget": what}:
                    engine.forget(**what)
                case {"clock": ms}:
                    clock.set(ms)
                case {"restart": _}:
                    engine.log.close()
                    engine = opened()
                case {"ask": query, "graph": number}:
                    with suppress(FeatureGraphError):
                        given.append(_answer(engine, graphs[number], query))
    finally:
        engine.log.close()
    return given


def _answer(engine: Engine, graph: Graph, query: Any) -> FeatureVector:
    return engine.extract(
        graph.id,
        key=query["key"],
        at_ms=query["t"],
        request=query.get("request"),
        as_known=bool(query.get("as_known")),
        history_start_ms=query.get("history_start_ms"),
        record=True,
        request_id=f"{query['t']}",
    )
