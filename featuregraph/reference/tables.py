"""SEMANTICS section 10: what a table says of a key, as of a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featuregraph.errors import TableError
from featuregraph.reference.fields import UnparsableError, convert
from featuregraph.types import INT64_MIN, TIMESTAMP, Type

if TYPE_CHECKING:
    from featuregraph.tables import TableSchema

Raw = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a table: what FIELDS are from TS_MS on; always, where the table does not change."""

    ts_ms: int | None
    fields: Mapping[str, object]


class Table:
    """All rows of one table known so far, by key."""

    def __init__(self, schema: TableSchema, *, strict: bool = False) -> None:
        self.schema = schema
        self.strict = strict
        self.rows: dict[object, list[Entry]] = {}  # of a key in the order of the file
        self.counts: Counter[str] = Counter()

    def add(self, rows: Iterable[Raw]) -> None:
        """Clauses 10.1 and 10.3: take rows in the order of the file; raise TableError if one is refused."""
        for raw in rows:
            key = self._convert(self.schema.key, raw, "key")
            ts_ms = self._convert(TIMESTAMP, raw, "ts_ms") if self.schema.changing else None
            if key is None or (self.schema.changing and ts_ms is None):
                self.counts["dropped"] += 1
                continue
            assert ts_ms is None or isinstance(ts_ms, int)
            if not self.schema.changing and key in self.rows:
                raise TableError(
                    f"table {self.schema.name!r}: expected one row per key, found a second one of "
                    f"{key!r:.60}; take it out, or declare the table as changing"
                )
            fields = {name: self._convert(type, raw, name) for name, type in self.schema.fields}
            self.rows.setdefault(key, []).append(Entry(ts_ms, fields))

    def as_of(self, key: object, time: int, *, include_now: bool) -> Entry | None:
        """Clause 10.2: return the row of KEY with the greatest ts_ms < TIME, with include_now <= TIME.

        Of several at one time it is the later in file order (10.1); a null key finds no row.
        """
        if key is None:
            return None
        rows = [row for row in self.rows.get(key, ()) if _is_visible(row, time, include_now=include_now)]
        in_order = sorted(rows, key=_since)  # equal times stay in the order of the file
        return in_order[-1] if in_order else None

    def _convert(self, type: Type, raw: Raw, name: str) -> object:
        """Clauses 10.1 and 2.2: read columns only; unparsable is null and counted, or refused."""
        try:
            return convert(type, raw.get(name))
        except UnparsableError:
            if self.strict:
                raise TableError(
                    f"table {self.schema.name!r}: expected {type} as {name}, found {raw.get(name)!r:.60} "
                    f"in the row of {raw.get('key')!r:.60}; mend it or lift strict"
                ) from None
            self.counts[f"unparsable {name}"] += 1
            return None


def _since(row: Entry) -> int:
    return INT64_MIN if row.ts_ms is None else row.ts_ms


def _is_visible(row: Entry, time: int, *, include_now: bool) -> bool:
    return row.ts_ms is None or (row.ts_ms <= time if include_now else row.ts_ms < time)


def opened(
    schemas: Mapping[str, TableSchema], given: Mapping[str, Iterable[Raw]], *, strict: bool = False
) -> dict[str, Table]:
    """Clause 10.1: return the tables of a graph with their rows; raise TableError if one is not given."""
    tables = {}
    for name, schema in schemas.items():
        if name not in given:
            raise TableError(f"expected the rows of table {name!r}, found none; give it with the events")
        tables[name] = Table(schema, strict=strict)
        tables[name].add(given[name])
    return tables
