"""The table that replay gives: query columns, a column per feature, and where it all comes from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featuregraph.arrow import write_results
from featuregraph.jsonform import canonical
from stream.atomic import replacing
from stream.backfill.identity import versions
from stream.backfill.rowgroups import write_groups
from stream.errors import BackfillError

if TYPE_CHECKING:
    import pyarrow as pa

    from featuregraph import Graph, Plan

ROWS_PER_GROUP = 65_536
_AS_PARQUET = {"compression": "zstd", "write_page_checksum": True}


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
    features = [feature_table(plan.graph, rows) for plan, rows in zip(plans, answers, strict=True)]
    return joined(plans, queries, features, end)


def joined(
    plans: Sequence[Plan], queries: pa.Table, features: Sequence[pa.Table], end: int | None = None
) -> pa.Table:
    """Return QUERIES with the FEATURES of each plan, named GRAPH.FEATURE where there are several plans."""
    table = queries
    for plan, found in zip(plans, features, strict=True):
        for name, values in zip(found.column_names, found.columns, strict=True):
            table = table.append_column(column_of(plan.graph, name, among=len(plans)), values)
    return table.replace_schema_metadata(_about(plans) | _ahead(plans, end))


def column_of(graph: Graph, feature: str, *, among: int) -> str:
    """Return the name of a FEATURE's column where AMONG graphs are computed together (SEMANTICS 11.2)."""
    return f"{graph.name}.{feature}" if among > 1 else feature


def feature_table(graph: Graph, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return a column per feature of GRAPH of ROWS, public values by name."""
    import pyarrow as pa

    try:
        made = write_results(graph, pa.table({"row": pa.nulls(len(rows))}), rows)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        said = str(error).splitlines()[0]
        raise BackfillError(
            f"graph {graph.name!r}: expected values that Arrow can hold, found: {said}; shorten the text"
        ) from error
    return made.remove_column(0)


def _about(plans: Sequence[Plan]) -> dict[str, str]:
    """Return the schema's metadata: who computed what, so that a table can be computed again."""
    return {
        "headrace.plan": ",".join(plan.id for plan in plans),
        "headrace.graph": canonical([plan.graph.to_dict() for plan in plans])
        if len(plans) > 1
        else plans[0].graph.to_json(),
        "headrace.versions": json.dumps(versions()),
    }


def _ahead(plans: Sequence[Plan], end: int | None) -> dict[str, str]:
    """Return what the metadata says of labels: which they are, and up to when events were known."""
    names = [column_of(plan.graph, name, among=len(plans)) for plan in plans for name in plan.graph.labels]
    return {"headrace.labels": json.dumps(names), "headrace.end": json.dumps(end)} if names else {}


def check_path(path: Path) -> None:
    """Raise BackfillError unless PATH can be the file to write: before the work, not after it."""
    if path.suffix.lower() not in (".parquet", ".pq"):
        raise BackfillError(f"{path}: expected a .parquet file to write, found {path.suffix!r}; rename it")
    if path.is_dir() or not path.parent.is_dir():
        found = "a folder" if path.is_dir() else f"no folder {path.parent}"
        raise BackfillError(f"{path}: expected a file to write, found {found}; choose another path")


@contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], object]]:
    """Give a function that writes a table of SCHEMA as the next row groups of PATH: whole, or not at all."""
    import pyarrow.parquet as pq

    with replacing(path) as part, pq.ParquetWriter(part, schema, **_AS_PARQUET) as writer:
        yield lambda table: writer.write_table(table, row_group_size=ROWS_PER_GROUP)


def write(table: pa.Table, path: Path) -> None:
    """Write TABLE to PATH as Parquet: whole, or not at all."""
    with writing(path, table.schema) as put:
        put(table)


def write_tables(path: Path, schema: pa.Schema, tables: Iterable[pa.Table], threads: int) -> None:
    """Write TABLES of SCHEMA to PATH, a row group each, by so many THREADS: the same bytes by any number."""
    if threads == 1:
        with writing(path, schema) as put:
            for table in tables:
                put(table)
        return
    with replacing(path) as part, part.open("wb") as file:
        write_groups(file, tables, schema, _AS_PARQUET, threads)
