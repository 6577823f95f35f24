"""The bins of a task's features, cut from the columns of its training set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deploy.errors import TaskError
from deploy.task.bins import MAX_FEATURES, Bins, cut, numbers
from featuregraph.graph import Graph
from featuregraph.shown import bounded


def trained(graph: Graph, files: Sequence[Path]) -> Bins:
    """Return the bins of GRAPH's features that FILES, Parquet, have a column of, by its name or GRAPH.NAME.

    One column at a time is in memory. Of more than 512 features the first by name are taken.

    Raises:
        TaskError: a file is not Parquet, or a column holds no numbers.
    """
    import pyarrow as pa

    try:
        found = {name: cut(values) for name, values in _columns(graph, files)}
    except (OSError, pa.ArrowException) as error:
        raise TaskError(
            bounded(f"{files[0]}: expected Parquet of numbers, found: {error}; correct it")
        ) from error
    return Bins(found)


def _columns(graph: Graph, files: Sequence[Path]) -> Iterator[tuple[str, np.ndarray]]:
    import pyarrow.parquet as pq

    opened = [pq.ParquetFile(file) for file in files]
    try:
        names = [set(file.schema_arrow.names) for file in opened]
        count = 0
        for feature in numbers(graph):
            column = next(
                (c for c in (feature, f"{graph.name}.{feature}") if all(c in n for n in names)), None
            )
            if column is not None and count < MAX_FEATURES:
                count += 1
                yield feature, np.concatenate([_values(file.read([column]).column(0)) for file in opened])
    finally:
        for file in opened:
            file.close()


def _values(column: Any) -> np.ndarray:
    """Return COLUMN as float64, NaN where it is null."""
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
