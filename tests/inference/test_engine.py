"""The whole way: events in a device log, features of the engine, scores of a packaged model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from inference import Ranker, load
from stream.backfill.served import prove
from stream.engine import Engine
from stream.log import EventLog


def test_an_engine_feeds_a_ranker(
    make: Callable[..., Path], shop: fg.Graph, tin: Any, oracle: Any, tmp_path: Path
) -> None:
    """Ranking on the engine's features equals the model on the reference's features."""
    model = load(make())
    engine = Engine(EventLog(tmp_path / "events.db"), key="u")
    assert engine.install(model.graph.compile()) == model.graph_id
    events = [
        {"event": "purchase", "user_id": "u", "ts_ms": 1000 + n, "item_id": str(n % 4), "price": "1.25"}
        for n in range(9)
    ]
    for event in events:
        engine.append(event)
    items = {"item_id": [str(n) for n in range(700)], "category": ["toys", "books"] * 350}
    ranking = Ranker(model, source=engine).rank(items, k=5, at_ms=5_000)
    query = {"key": "u", "t": 5_000, "request": items}
    (answer,) = fg.reference.answer(shop, [{**e, "seq": 0} for e in events], [query])
    scores = oracle(tin(), answer.values)
    assert ranking.scores == pytest.approx(sorted(scores, reverse=True)[:5], abs=1e-5)
    assert [scores[i] for i in ranking.items] == pytest.approx(ranking.scores, abs=1e-5)
    assert ranking["item_id"] == tuple(items["item_id"][i] for i in ranking.items)


def test_a_ranker_records_what_it_ranks_by(make: Callable[..., Path], tmp_path: Path) -> None:
    """The features of each ranking are in the log, under the request's name, and are computed again."""
    model = load(make())
    with EventLog(tmp_path / "events.db", history_start_ms="all") as log:
        engine = Engine(log, key="u")
        engine.install(model.graph.compile())
        engine.append({"event": "purchase", "ts_ms": 1_000, "item_id": "1", "price": "1.25"})
        items = {"item_id": ["1", "2"], "category": ["toys", "books"]}
        ranker = Ranker(model, engine, record=True)
        ranking = ranker.rank(items, request_id="r7")
        assert Ranker(model, engine).rank(items, at_ms=ranking.at_ms).scores == ranking.scores
        (served,) = log.served()
        assert (served.asked.request_id, served.vector.at_ms) == ("r7", ranking.at_ms)
        assert served.asked.candidates == {name: items[name] for name in model.graph.candidates}
        with pytest.raises(fg.RequestError, match="expected a ranker that records beside a request_id"):
            Ranker(model, engine).rank(items, request_id="r7")
    found = prove(tmp_path / "events.db")
    assert (found.ok, found.records, found.otherwise) == (True, 1, 0)
