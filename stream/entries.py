"""The rows of a table (SEMANTICS 10.1) in their internal form: by key, each key's in the order of time.

A row whose key or needed ts_ms is null is dropped and counted; a value that is not of its type is null and
counted, or with STRICT refused. Of two rows of one key at one ts_ms the later in file order stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from featuregraph import TableError
from featuregraph.convert import BAD, converter
from featuregraph.shown import shown
from featuregraph.tables import TableSchema
from featuregraph.types import INT64_MIN, TIMESTAMP

Raw = Mapping[str, Any]
Entry = tuple[int, tuple[Any, ...]]  # since when (INT64_MIN: always), and the fields in the schema's order


@dataclass(slots=True)
class Entries:
    """All rows of one table."""

    schema: TableSchema
    by_key: dict[Any, list[Entry]] = field(default_factory=dict)
    dropped: int = 0  # rows without a key, or without a needed time
    unparsable: Counter[str] = field(default_factory=Counter)  # by column

    @property
    def count(self) -> int:
        """Return how many rows there are."""
        return sum(map(len, self.by_key.values()))


def entries_of(schema: TableSchema, rows: Iterable[Raw], *, strict: bool = False) -> Entries:
    """Return ROWS, in the order of the file, as entries of the table that SCHEMA declares.

    Raises:
        TableError: a second row of a static key, or with STRICT an unparsable value; names table and key.
    """
    found = Entries(schema)
    key_of, time_of = converter(schema.key), converter(TIMESTAMP)
    columns = [(name, converter(type), type) for name, type in schema.fields]

    def convert(name: str, raw: Raw, convert: Any, type: object) -> Any:
        value = convert(raw.get(name))
        if value is not BAD:
            return value
        if strict:
            raise TableError(
                f"table {schema.name!r}: expected {type} as {name}, found {shown(raw[name])} in the row of "
                f"{shown(raw.get('key'))}; mend it or lift strict"
            )
        found.unparsable[name] += 1
        return None

    for raw in rows:
        key = convert("key", raw, key_of, schema.key)
        since = convert("ts_ms", raw, time_of, TIMESTAMP) if schema.changing else INT64_MIN
        if key is None or since is None:
            found.dropped += 1
            continue
        if not schema.changing and key in found.by_key:
            raise TableError(
                f"table {schema.name!r}: expected one row per key, found a second one of {shown(key)}; "
                "take it out, or declare the table as changing"
            )
        entry = since, tuple(convert(name, raw, one, type) for name, one, type in columns)
        found.by_key.setdefault(key, []).append(entry)
    if schema.changing:
        for key, mine in found.by_key.items():
            latest = dict(mine)  # of equal times the later in file order
            found.by_key[key] = sorted(latest.items(), key=lambda entry: entry[0])
    return found
