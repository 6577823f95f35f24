"""The table that replay gives: query columns, a column per feature, and where it all comes from."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featuregraph.arrow import write_results
from featuregraph.jsonform import canonical
from stream.atomic import replacing
from stream.errors import BackfillError

if TYPE_CHECKING:
    import pyarrow as pa

    from featuregraph import Graph, Plan

_ROWS_PER_GROUP = 65_536


def results(
    plans: Sequence[Plan],
    queries: pa.Table,
    answers: Sequence[Sequence[Mapping[str, Any]]],
    end: int | None = None,
) -> pa.Table:
    """Return QUERIES with a column per feature, named GRAPH.FEATURE where there are several plans.

    Args:
        plans: whose features.
        queries: one row per query.
        answers: per plan, the public values of each query, in the order of QUERIES.
        end: the last ms that counted as known, where there are labels.
    """
    table = queries
    for plan, rows in zip(plans, answers, strict=True):
        found = _columns(plan.graph, queries, rows)
        for name, values in found:
            table = table.append_column(column_of(plan.graph, name, among=len(plans)), values)
    return table.replace_schema_metadata(_about(plans) | _ahead(plans, end))


def column_of(graph: Graph, feature: str, *, among: int) -> str:
    """Return the name of a FEATURE's column where AMONG graphs are computed together (SEMANTICS 11.2)."""
    return f"{graph.name}.{feature}" if among > 1 else feature


def _columns(graph: Graph, queries: pa.Table, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    import pyarrow as pa

    try:
        made = write_results(graph, queries, rows)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        said = str(error).splitlines()[0]
        raise BackfillError(
            f"graph {graph.name!r}: expected values that Arrow can hold, found: {said}; shorten the text"
        ) from error
    first = queries.num_columns
    return list(zip(made.column_names[first:], made.columns[first:], strict=True))


def _about(plans: Sequence[Plan]) -> dict[str, str]:
    """Return the schema's metadata: who computed what, so that a table can be computed again."""
    return {
        "headrace.plan": ",".join(plan.id for plan in plans),
        "headrace.graph": canonical([plan.graph.to_dict() for plan in plans])
        if len(plans) > 1
        else plans[0].graph.to_json(),
        "headrace.versions": json.dumps({name: _version(name) for name in ("headrace", "tzdata")}),
    }


def _ahead(plans: Sequence[Plan], end: int | None) -> dict[str, str]:
    """Return what the metadata says of labels: which they are, and up to when events were known."""
    names = [column_of(plan.graph, name, among=len(plans)) for plan in plans for name in plan.graph.labels]
    return {"headrace.labels": json.dumps(names), "headrace.end": json.dumps(end)} if names else {}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None  # run from a checkout that is not installed


def check_path(path: Path) -> None:
    """Raise BackfillError unless PATH can be the file to write: before the work, not after it."""
    if path.suffix.lower() not in (".parquet", ".pq"):
        raise BackfillError(f"{path}: expected a .parquet file to write, found {path.suffix!r}; rename it")
    if path.is_dir() or not path.parent.is_dir():
        found = "a folder" if path.is_dir() else f"no folder {path.parent}"
        raise BackfillError(f"{path}: expected a file to write, found {found}; choose another path")


def write(table: pa.Table, path: Path) -> None:
    """Write TABLE to PATH as Parquet: whole, or not at all."""
    import pyarrow.parquet as pq

    with replacing(path) as part:
        pq.write_table(table, part, compression="zstd", row_group_size=_ROWS_PER_GROUP)
