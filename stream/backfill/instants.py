"""The keys of a graph at moments, as queries: each key from its first event on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from featuregraph import Graph
from featuregraph.types import IDENTIFIER
from stream.backfill.columnar.order import group_starts, sorted_order
from stream.backfill.job import READING, Progress
from stream.backfill.known import history
from stream.backfill.tabled import When
from stream.errors import BackfillError


def asked(graph: Graph, events: Any, when: When, progress: Progress) -> tuple[pa.Table, int]:
    """Return a query for each moment of WHEN and key with an event that counts then, and how many moments.

    Raises:
        BackfillError: no event of the graph has a key.
    """
    key = graph.key_columns
    known = history(events, graph.events, key, (), lambda n, total: progress(READING, n, total))
    if not len(known.rows):
        raise BackfillError(
            f"expected events of graph {graph.name!r} ({', '.join(graph.events)}) with {' and '.join(key)},"
            " found none; name other events"
        )
    columns = [known.values(name, IDENTIFIER) for name in key]
    codes = [column.values[known.rows] for column in columns]
    order = sorted_order(codes, len(known.rows))  # of one key the first event stays the first
    starts = order[group_starts([code[order] for code in codes])]
    rows = known.rows[np.sort(starts)]
    since = known.ts[rows]
    times = when.times(int(since[0]), int(known.ts[known.rows[-1]]))
    # An event counts strictly before a moment, with include_now at it too.
    counts = np.searchsorted(since, times, "right" if graph.include_now else "left")
    places = np.concatenate([rows[:count] for count in counts.tolist()]) if times else rows[:0]
    texts = [pa.array(column.words or (), pa.string()) for column in columns]
    keys = {
        name: text.take(pa.array(column.values[places]))
        for name, text, column in zip(key, texts, columns, strict=True)
    }
    return pa.table({**keys, "ts_ms": np.repeat(np.array(times, np.int64), counts)}), len(times)
