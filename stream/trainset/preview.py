"""The first rows of a training set as people look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq

from featuregraph.times import format_time
from stream.trainset.card import Card

_COLUMNS, _ENTRIES = 40, 3
_LEFT_OUT = frozenset({"mask", "length"})


@dataclass(frozen=True, slots=True)
class Preview:
    """A table: a row per column of the set."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


def preview(path: Path, card: Card) -> Preview:
    """Return the last query of the part at PATH, which has the longest history."""
    chosen = [str(one["name"]) for one in card.columns if one["role"] not in _LEFT_OUT][:_COLUMNS]
    roles = {str(one["name"]): one["role"] for one in card.columns}
    with pq.ParquetFile(path) as file:
        groups = file.metadata.num_row_groups
        table = file.read_row_group(groups - 1, chosen) if groups else file.schema_arrow.empty_table()
    rows = table.slice(max(table.num_rows - 1, 0)).to_pylist()
    return Preview(
        f"the last query of {path.name}, at {format_time(rows[0]['ts_ms'])}"
        if rows
        else f"{path.name} has no query",
        ("column", "role", "value"),
        [(name, roles[name], _shown(row[name])) for row in rows for name in chosen],
    )


def _shown(value: object) -> object:
    if isinstance(value, list):
        entries = [_entry(entry) for entry in value[:_ENTRIES]]
        return f"[{', '.join(entries)}{', ...' if len(value) > _ENTRIES else ''}] of {len(value)}"
    return _entry(value)


def _entry(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Decimal | bool) or value is None:
        return str(value).lower() if not isinstance(value, Decimal) else str(value)
    return f"{value!s:.16}"
