"""The fields of events in the rows of a block; what stands on one text field, once per word."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featuregraph.arrays.column import Array, Column, Words
from featuregraph.ir import Node, Op, toposort
from featuregraph.types import Type
from stream.backfill.columnar.events import Events
from stream.backfill.columnar.source import Read
from stream.backfill.columnar.tables import Tables, space
from stream.backfill.columnar.values import converted


class Picked:
    """Some rows of long columns, read in the order of memory and then put in their own: that is faster."""

    def __init__(self, rows: Array) -> None:
        bits = max(1, len(rows).bit_length())
        packed = (rows.astype(np.int64) << bits) | np.arange(len(rows))
        packed.sort()
        self._ascending = packed >> bits
        self._back = np.empty(len(rows), np.int64)
        self._back[packed & ((1 << bits) - 1)] = np.arange(len(rows))

    def of(self, values: Array) -> Array:
        """Return VALUES in these rows."""
        found: Array = values[self._ascending][self._back]
        return found

    def of_column(self, column: Column) -> Column:
        """Return COLUMN in these rows."""
        return column.take(self._ascending).take(self._back)


class Fields:
    """The fields of EVENTS, each read once."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._read: dict[tuple[str, Type], Read] = {}
        self._of_words: dict[Node, Column] = {}
        self.wanted = events.source.count  # how many rows somebody asks for

    def of(self, rows: Picked) -> Callable[[Node], Column | None]:
        """Return the function from a node that stands on one field to its values in ROWS."""

        def column(node: Node) -> Column | None:
            if node.op is Op.FIELD:
                return self._column(node["name"], node.scalar, rows)
            return self._by_word(node, rows)

        return column

    def _by_word(self, node: Node, rows: Picked) -> Column | None:
        """Return a NODE of one text field in ROWS: each word's value is computed once; None if it is none."""
        field = text_below(node)
        if field is None:
            return None
        text = self.read(field["name"], field.scalar).column
        words = text.words or Words(())
        if len(words) > self.wanted:
            return None
        if node not in self._of_words:
            self._of_words[node] = _of_each(node, field, words, self._events.about.tables)
        codes = rows.of(text.values)
        if text.known is not None:
            codes = np.where(rows.of(text.known), codes, len(words))
        return self._of_words[node].take(codes)

    def _column(self, name: str, type: Type, rows: Picked) -> Column:
        if name == "seq":
            assert self._events.seq is not None
            numbers, places = np.unique(rows.of(self._events.seq), return_inverse=True)
            return converted(type, numbers.tolist() or [None])[0].take(places)
        return rows.of_column(self.read(name, type).column)

    def read(self, name: str, type: Type) -> Read:
        """Return the field NAME of all events as TYPE."""
        key = name, type
        if key not in self._read:
            self._read[key] = self._events.source.read(name, type)
        return self._read[key]


def text_below(node: Node) -> Node | None:
    """Return the text field that is the only leaf of NODE but literals, if no time decides what it is."""
    parts = toposort([node])
    if any(part.op is Op.TABLE and part["changing"] for part in parts):
        return None
    leaves = [inner for inner in parts if not inner.args and inner.op is not Op.LIT]
    if len(leaves) != 1 or leaves[0].op is not Op.FIELD or leaves[0]["name"] == "seq":
        return None
    return leaves[0] if leaves[0].scalar.is_text else None


def _of_each(node: Node, field: Node, words: Words, tables: Tables) -> Column:
    """Return NODE of each of WORDS as FIELD, and of null at last."""
    codes = np.append(np.arange(len(words), dtype=np.int32), np.int32(0))
    given = Column(codes, np.arange(len(codes)) < len(words), words)
    values = space(len(codes), lambda inner: given if inner is field else None, tables, lambda: codes)
    return values.column(node).spread(len(codes))
