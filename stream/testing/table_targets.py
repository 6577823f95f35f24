"""The file of a table, made up by somebody, as a target of `fuzzing`: its digest is always right."""

from __future__ import annotations

import hashlib
from random import Random
from typing import Any, Final

import featuregraph as fg
from featuregraph.testing.values import World
from featuregraph.types import Type
from stream.tablefile import TableFile, write_table
from stream.testing.log_targets import fresh

_MAGIC_BYTES: Final = 8
_DIGEST_BYTES: Final = 32
_KEYS: Final = ("string", "int64", "boolean", "decimal(2)")
_FIELDS: Final = ("int64", "float64", "boolean", "string", "decimal(3)", "vector(2)")


def table_seeds() -> list[bytes]:
    """Return what follows the digest in files of tables, one by each kind of key, static and changing."""
    rng, found = Random(5), []
    for number, key in enumerate(_KEYS):
        world = World.any(rng)
        fields: dict[str, Any] = {text: Type.parse(text) for text in _FIELDS}
        schema = fg.Table.of("t", fields, key=Type.parse(key), changing=number % 2 == 0).table
        taken: dict[object, dict[str, Any]] = {}
        for _ in range(9):
            row = {name: world.raw(rng, type) for name, type in fields.items()}
            value = world.value(rng, schema.key)
            taken[value] = {"key": value, "ts_ms": world.time(rng), **row}
        path = fresh("seed.table")
        write_table(path, schema, taken.values())
        found.append(path.read_bytes()[_MAGIC_BYTES + _DIGEST_BYTES :])
    return found


def take_table(data: bytes) -> None:
    """Open a file of DATA and look keys up in it, those that it has among them; none leaves the file."""
    path = fresh("made.table")
    path.write_bytes(b"hr.table" + hashlib.sha256(data).digest() + data)
    file = TableFile(path)
    kind = file.schema.key.kind
    keys: tuple[Any, ...] = ("", "a", "b", "é") if file.schema.key.is_text else (0, 1, -7, 2**62)
    for key in (True, False) if kind == "boolean" else keys:
        for field, _ in file.schema.fields:
            for until in (-(2**63), 0, 1_700_000_000_000, 2**63):
                file.look_up(field, key, until)
