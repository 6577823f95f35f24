"""Training sets of small recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from stream import Recipe, training_set

pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Any]:
    """Make a training set; return its card and the rows of its parts."""
    numbers = iter(range(1000))

    def make(graph: fg.Graph, events: Sequence[Any], recipe: Recipe, **options: Any) -> Any:
        out = tmp_path / f"set-{next(numbers)}"
        card = training_set(graph.compile(), events, out, recipe, **options)
        parts = {name: pq.read_table(out / part.file).to_pylist() for name, part in card.parts.items()}
        return card, parts

    return make
