"""What a device recorded as served: it reads back the same, and the reference computes it again."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph import FeatureVector, Graph
from featuregraph.values import same
from stream.backfill.served import prove
from stream.engine import MODES, Mode
from stream.errors import BackfillError
from stream.log import EventLog
from stream.served import public
from stream.testing.histories import History, moving_history, random_history
from stream.testing.serving import serve

pytestmark = pytest.mark.device

SEEDS = st.integers(0, 2**48)
Modes = st.sampled_from(MODES)


def alike(left: FeatureVector, right: FeatureVector) -> bool:
    """Tell whether two vectors are the same to the bit, in types and orders too."""
    return same(list(msgspec.structs.astuple(left)), list(msgspec.structs.astuple(right)))


def proved(history: History, mode: Mode) -> tuple[int, int]:
    """Serve HISTORY; require what is left of the records to be what was given, and what is computed again.

    Return the numbers of answers and of records.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        vectors = serve(history, path, mode)
        with EventLog(path, key=None, read_only=True) as log:
            left = list(log.served())
        for record in left:
            assert any(alike(record.vector, vector) for vector in vectors)
        if not left:
            with pytest.raises(BackfillError, match="expected at least one record"):
                prove(path)
            return len(vectors), 0
        found = prove(path)
        assert (found.unequal, found.damaged, found.unplaced, found.beyond) == ([], [], 0, 0)
        assert (found.ok, found.records, found.equal) == (True, len(left), found.cells)
        return len(vectors), len(left)


@settings(max_examples=60)
@given(SEEDS, Modes)
def test_what_was_served_is_computed_again(seed: int, mode: Mode) -> None:
    """Late, duplicate and quarantined events, restarts, clocks that jump, forgetting: every cell is equal."""
    proved(random_history(Random(seed)), mode)


@settings(max_examples=30)
@given(SEEDS, Modes)
def test_so_it_is_where_windows_move_on(seed: int, mode: Mode) -> None:
    """Many answers of one key, many late events between them."""
    answers, records = proved(moving_history(Random(seed)), mode)
    assert answers == records > 0


@settings(max_examples=60)
@given(SEEDS)
def test_records_read_back_the_same(seed: int) -> None:
    """Every value of every type comes back to the bit, and in order; what was asked means the same."""
    history = random_history(Random(seed))
    history = replace(history, steps=[step for step in history.steps if "forget" not in step])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        vectors = serve(history, path)
        graphs = {graph.id: graph for graph in map(Graph.from_json, history.graphs)}
        with EventLog(path, key=None, read_only=True) as log:
            records = list(log.served())
    assert [record.id for record in records] == list(range(1, len(vectors) + 1))
    for record, vector in zip(records, vectors, strict=True):
        assert alike(record.vector, vector)
        asked, graph = record.asked, graphs[vector.graph_id]
        again = public(graph, graph.compile().bind_request(asked.request, asked.candidates))
        assert same(list(again), [asked.request, asked.candidates])
