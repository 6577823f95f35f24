"""What a device served as training rows: queries as replay takes them, with the features that were served.

The table has the form of replay's: the query columns, then a column per feature. The queries ask as known
(SEMANTICS 3.5), so that replay of them gives the same again; `served.id` and `served.request_id` find what
became of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featuregraph import Plan
from stream.backfill import output
from stream.damage import Finding
from stream.errors import BackfillError
from stream.log import EventLog
from stream.retelling import Plans, retold
from stream.served import Served, start_of

if TYPE_CHECKING:
    import pyarrow as pa


def export_served(
    path: str | Path, out: Path, *, graph: str | None, tell: Callable[[Finding], object]
) -> int:
    """Write what the log at PATH served to the Parquet file OUT; return the number of rows.

    Args:
        path: the log.
        out: the file to write, whole or not at all.
        graph: the name of the graph, or the beginning of its id; None: the only one.
        tell: called with each record that is damaged, which is left out.

    Raises:
        BackfillError: there is no such graph, or several.
    """
    output.check_path(out)
    with EventLog(path, read_only=True) as log, log.reading("reading what was served") as connection:
        plans = Plans(connection)
        records = list(retold(connection, tell, plans))
    plan = _chosen(path, list(plans.by_id.values()), graph)
    rows = [record for record in records if record.vector.graph_id == plan.id]
    output.write(training_rows(plan, rows), out)
    return len(rows)


def training_rows(plan: Plan, records: Sequence[Served]) -> pa.Table:
    """Return RECORDS of PLAN as the table that replay would give."""
    import pyarrow as pa

    from featuregraph.arrow import write_queries

    asked = [
        {"key": r.asked.key, "t": r.vector.at_ms, "request": {**r.asked.request, **r.asked.candidates}}
        for r in records
    ]
    table = write_queries(plan.graph, asked)
    columns = {
        "as_known": pa.array([True] * len(records), pa.bool_()),
        "history_start_ms": pa.array([start_of(r) for r in records], pa.int64()),
        "served.id": pa.array([r.id for r in records], pa.int64()),
        "served.request_id": pa.array([r.asked.request_id for r in records], pa.string()),
    }
    for name, column in columns.items():
        table = table.append_column(name, column)
    return output.results([plan], table, [[r.vector.values for r in records]])


def _chosen(path: str | Path, plans: Sequence[Plan], graph: str | None) -> Plan:
    found = [plan for plan in plans if graph is None or graph == plan.graph.name or plan.id.startswith(graph)]
    if len(found) != 1:
        have = ", ".join(f"{plan.graph.name} {plan.id[:12]}" for plan in plans) or "none"
        wanted = "one graph" if graph is None else f"one graph {graph!r:.60}"
        step = (
            "choose one with --graph NAME or ID" if plans else "serve with engine.extract(..., record=True)"
        )
        raise BackfillError(f"{path}: expected {wanted} in what was served, found {have}; {step}")
    return found[0]
