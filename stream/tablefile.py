"""The file of one table: keyed, memory-mapped, with a version of its own; written whole, then only read.

    magic | SHA-256 of all that follows | length of the header | header (JSON) | sections

Each section begins at a multiple of 8:

    hash     of each key the first 8 bytes of its BLAKE2b, rising; keys of one hash follow each other
    start    of each key its first row; then the number of rows
    key      of each key where its bytes begin; then their number
    keys     the bytes of all keys: text in UTF-8, other types as int64, one byte for a boolean
    since    of each row its ts_ms, rising inside a key; empty for a table that does not change
    F.known  of each row 1 where it has a value of the field F
    F.value  the values: int64, float64, bytes, float32 times n; of a text where it begins, then the number
    F.text   the bytes of all texts

A look-up is a bisection over the hashes and one over the key's times: it decodes one value, whatever the size
of the table. The version is the SHA-256: a file is believed only if it has it.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from featuregraph import CompileError
from featuregraph.convert import to_public
from featuregraph.shown import shown
from featuregraph.tables import TableSchema
from featuregraph.types import Type
from stream.atomic import replacing
from stream.entries import Entries, Raw, entries_of
from stream.errors import TableFileError

_MAGIC: Final = b"hr.table"
_FORMAT: Final = 1
_ALIGN: Final = 8
_BEGIN: Final = len(_MAGIC) + hashlib.sha256().digest_size
_LITTLE: Final = "little"


def write_table(path: str | Path, schema: TableSchema, rows: Iterable[Raw], *, strict: bool = False) -> str:
    """Write ROWS of the table that SCHEMA declares to the file PATH, whole or not at all; return its version.

    A file that is there is replaced at once: who has it open goes on reading the old one.

    Args:
        path: the file.
        schema: the table, as `Product.table` or `graph.tables["product"]` give it.
        rows: {"key", "ts_ms" if it changes, FIELD, ...}, in the order of the file (SEMANTICS 10.1).
        strict: refuse a row with an unparsable value.

    Raises:
        TableError: a row is refused.
    """
    return write_entries(path, entries_of(schema, rows, strict=strict))


def write_entries(path: str | Path, entries: Entries) -> str:
    """Write ENTRIES to the file PATH, whole or not at all; return its version."""
    sections = _sections(entries)
    header = {
        "format": _FORMAT,
        "table": entries.schema.name,
        "key": str(entries.schema.key),
        "changing": entries.schema.changing,
        "fields": {name: str(type) for name, type in entries.schema.fields},
        "keys": len(entries.by_key),
        "rows": entries.count,
        "sections": [[name, len(data)] for name, data in sections.items()],
    }
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    parts = [len(text).to_bytes(_ALIGN, _LITTLE) + text, *sections.values()]
    content = b"".join(part + bytes(-len(part) % _ALIGN) for part in parts)
    digest = hashlib.sha256(content)
    with replacing(Path(path)) as part, part.open("wb") as file:
        file.writelines((_MAGIC, digest.digest(), content))
    return digest.hexdigest()


def _sections(entries: Entries) -> dict[str, bytes]:
    in_bytes = sorted((_hash(data), data, rows) for data, rows in _keys(entries))
    rows = [row for _, _, mine in in_bytes for row in mine]
    changing = entries.schema.changing
    sections = {
        "hash": array("Q", [hash for hash, _, _ in in_bytes]).tobytes(),
        "start": _offsets(len(mine) for _, _, mine in in_bytes),
        "key": _offsets(len(data) for _, data, _ in in_bytes),
        "keys": b"".join(data for _, data, _ in in_bytes),
        "since": array("q", [since for since, _ in rows]).tobytes() if changing else b"",
    }
    for place, (name, type) in enumerate(entries.schema.fields):
        values = [fields[place] for _, fields in rows]
        sections[f"{name}.known"] = bytes(value is not None for value in values)
        texts = [b"" if value is None else value.encode() for value in values] if type.is_text else []
        sections[f"{name}.value"] = _offsets(map(len, texts)) if type.is_text else _values(type, values)
        sections[f"{name}.text"] = b"".join(texts)
    return sections


def _keys(entries: Entries) -> Iterable[tuple[bytes, Any]]:
    to_bytes = _key_bytes(entries.schema.key)
    return ((to_bytes(key), rows) for key, rows in entries.by_key.items())


def _key_bytes(type: Type) -> Callable[[Any], bytes]:
    """Return the function to the bytes of a key of TYPE."""
    if type.is_text:
        return str.encode
    if type.kind == "boolean":
        return lambda key: b"\1" if key else b"\0"
    return lambda key: int(key).to_bytes(8, _LITTLE, signed=True)


def _key_of(type: Type) -> Callable[[bytes], Any]:
    """Return the function from the bytes of a key of TYPE."""
    if type.is_text:
        return lambda data: str(data, "utf-8")
    if type.kind == "boolean":
        return lambda data: data == b"\1"
    return lambda data: int.from_bytes(data, _LITTLE, signed=True)


def is_table_file(path: str | Path) -> bool:
    """Tell whether the file at PATH begins as one of a table does."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), _LITTLE)


def _offsets(lengths: Iterable[int]) -> bytes:
    """Return where each of LENGTHS begins, then their sum."""
    found = array("Q", [0])
    for length in lengths:
        found.append(found[-1] + length)
    return found.tobytes()


def _values(type: Type, values: Sequence[Any]) -> bytes:
    match type.kind:
        case "float64":
            return array("d", [value or 0.0 for value in values]).tobytes()
        case "boolean":
            return bytes(value is True for value in values)
        case "vector":
            nothing = (0.0,) * (type.param or 0)
            return array("f", [x for value in values for x in value or nothing]).tobytes()
        case _:
            return array("q", [value or 0 for value in values]).tobytes()


# ---------------------------------------------------------------- reading


class TableFile:
    """One version of a table, mapped into memory.

    schema: what it declares; version: 64 hex digits that stand for its content; rows: how many there are.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the file at PATH and check all of it.

        Raises:
            TableFileError: it cannot be read, is no table or is damaged.
        """
        self.path = Path(path)
        try:
            with self.path.open("rb") as file:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:  # an empty file cannot be mapped
            raise self._refused(getattr(error, "strerror", None) or "an empty file") from error
        self.version = bytes(data[len(_MAGIC) : _BEGIN]).hex()
        if bytes(data[: len(_MAGIC)]) != _MAGIC:
            raise self._refused("another file")
        if hashlib.sha256(data[_BEGIN:]).hexdigest() != self.version:
            raise self._refused("one whose content is not of its version")
        try:
            self._open(data[_BEGIN:])
        except (ValueError, LookupError, TypeError, AttributeError, CompileError, RecursionError) as error:
            raise self._refused(shown(str(error), 100)) from error

    def look_up(self, field: str, key: Any, until: int) -> Any:
        """Return FIELD, in its internal form, of the latest row of KEY before UNTIL (ms); None for none."""
        row = self._row(self._bytes_of(key), until)
        return None if row is None else self._fields[field](row)

    def content(self) -> Iterator[dict[str, Any]]:
        """Give all rows as `write_table` takes them, those of a key in the order of time."""
        schema, fields = self.schema, list(self._fields.items())
        key_of, public = _key_of(schema.key), {name: to_public(type) for name, type in schema.fields}
        for place in range(self._count):
            key = key_of(bytes(self._keys[self._key[place] : self._key[place + 1]]))
            for row in range(self._start[place], self._start[place + 1]):
                time = {} if self._since is None else {"ts_ms": self._since[row]}
                yield {"key": key, **time, **{name: public[name](value(row)) for name, value in fields}}

    def _row(self, data: bytes, until: int) -> int | None:
        hash = _hash(data)
        place = bisect_left(self._hash, hash)
        while place < self._count and self._hash[place] == hash:
            if self._keys[self._key[place] : self._key[place + 1]] == data:
                first, last = self._start[place], self._start[place + 1]
                if self._since is None:
                    return first
                row = bisect_left(self._since, until, first, last) - 1
                return row if row >= first else None
            place += 1
        return None

    def _open(self, data: memoryview) -> None:
        """Take over the header and the sections in DATA; raise ValueError unless all look-ups stay inside."""
        begin = _ALIGN + int.from_bytes(data[:_ALIGN], _LITTLE)
        if begin > len(data):
            raise ValueError("a header that ends behind the file")
        header = json.loads(bytes(data[_ALIGN:begin]))
        if header["format"] != _FORMAT:
            raise ValueError(f"format {header['format']}, of another release")
        self.schema, sections = _schema(header), _cut(data, begin, header["sections"])
        self.rows: int = header["rows"]
        self._count: int = header["keys"]
        _check(self.schema, self._count, self.rows, sections)
        self._hash, self._start, self._key = (sections[name].cast("Q") for name in ("hash", "start", "key"))
        self._keys = sections["keys"]
        self._since = sections["since"].cast("q") if self.schema.changing else None
        self._bytes_of = _key_bytes(self.schema.key)
        self._fields = {
            name: _reader(type, *(sections[f"{name}.{part}"] for part in ("known", "value", "text")))
            for name, type in self.schema.fields
        }

    def _refused(self, found: str) -> TableFileError:
        return TableFileError(
            f"{self.path}: expected the file of a table, found {found}; take it from its source again"
        )


def _schema(header: Mapping[str, Any]) -> TableSchema:
    fields = {name: Type.parse(type) for name, type in header["fields"].items()}
    return TableSchema.of(header["table"], Type.parse(header["key"]), fields, changing=header["changing"])


def _cut(data: memoryview, begin: int, lengths: Iterable[tuple[str, int]]) -> dict[str, memoryview]:
    """Return the sections of LENGTHS that follow BEGIN in DATA, in their order."""
    found = {}
    for name, length in lengths:
        begin += -begin % _ALIGN
        if type(length) is not int or not 0 <= length <= len(data) - begin:
            raise ValueError("a section that ends behind the file")
        found[name] = data[begin : begin + length]
        begin += length
    return found


def _check(schema: TableSchema, keys: int, rows: int, sections: Mapping[str, memoryview]) -> None:
    """Raise ValueError unless every look-up stays inside SECTIONS."""
    _rises("hash", _words(sections["hash"]), keys)
    _reaches("start", sections["start"], keys, rows)
    _reaches("key", sections["key"], keys, len(sections["keys"]))
    if len(sections["since"]) != 8 * rows * schema.changing:
        raise ValueError("times that are not one per row")
    for name, type in schema.fields:
        size = _SIZES.get(type.kind, 8) * (type.param or 1 if type.kind == "vector" else 1)
        if type.is_text:
            _reaches(name, sections[f"{name}.value"], rows, len(sections[f"{name}.text"]))
        elif len(sections[f"{name}.value"]) != size * rows:
            raise ValueError(f"values of {name!r} that are not one per row")
        if len(sections[f"{name}.known"]) != rows:
            raise ValueError(f"marks of {name!r} that are not one per row")


def _words(section: memoryview) -> Any:
    """Return what stands in SECTION as an array of uint64."""
    import numpy as np  # half of what importing this package would cost, and few graphs have tables

    return np.frombuffer(section, np.uint64)


def _rises(name: str, values: Any, count: int) -> None:
    if len(values) != count or (values[1:] < values[:-1]).any():
        raise ValueError(f"{name} that does not rise")


def _reaches(name: str, section: memoryview, count: int, end: int) -> None:
    """Raise ValueError unless SECTION says where COUNT parts of something of length END begin."""
    offsets = _words(section)
    _rises(name, offsets, count + 1)
    if offsets[0] != 0 or offsets[-1] != end:
        raise ValueError(f"{name} that does not reach its end")


_SIZES: Final[Mapping[str, int]] = {"boolean": 1, "vector": 4}


def _reader(type: Type, known: memoryview, value: memoryview, text: memoryview) -> Callable[[int], Any]:
    """Return the function from a row's number to its value."""
    if type.is_text:
        begin = value.cast("Q")
        return lambda row: str(text[begin[row] : begin[row + 1]], "utf-8", "replace") if known[row] else None
    if type.kind == "boolean":
        return lambda row: value[row] == 1 if known[row] else None
    if type.kind == "vector":
        numbers, n = value.cast("f"), type.param or 0
        return lambda row: tuple(numbers[row * n : (row + 1) * n]) if known[row] else None
    items = value.cast("d" if type.kind == "float64" else "q")
    return lambda row: items[row] if known[row] else None
