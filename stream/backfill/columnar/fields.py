"""The fields of events in the rows of a block; what stands on one text field, once per word."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Lock

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask, Words
from featuregraph.ir import Node, Op, toposort
from featuregraph.types import Type
from stream.backfill.columnar.events import Events
from stream.backfill.columnar.order import picked
from stream.backfill.columnar.source import Read
from stream.backfill.columnar.tables import Tables, space
from stream.backfill.columnar.values import converted


class Fields:
    """The fields of EVENTS, each read once."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._read: dict[tuple[str, Type], Read] = {}
        self._bad: dict[tuple[str, Type], Mask | None] = {}
        self._of_words: dict[Node, Column] = {}
        self._reading: dict[tuple[str, Type], Lock] = {}  # no two threads read one field
        self.wanted = events.source.count  # how many rows somebody asks for

    def of(self, rows: Array) -> Callable[[Node], Column | None]:
        """Return the function from a node that stands on one field to its values in ROWS."""

        @cache
        def field(name: str, type: Type) -> Column:
            return self._column(name, type, rows)

        def column(node: Node) -> Column | None:
            return field(node["name"], node.scalar) if node.op is Op.FIELD else self._by_word(node, field)

        return column

    def _by_word(self, node: Node, column: Callable[[str, Type], Column]) -> Column | None:
        """Return a NODE of one text field, a COLUMN: once per word that occurs; None if it is none."""
        field = text_below(node)
        if field is None:
            return None
        text = self.read(field["name"], field.scalar).column
        words = text.words or Words(())
        if len(words) > self.wanted:
            return None
        if node not in self._of_words:
            self._of_words[node] = _of_each(node, field, words, self._events.about.tables)
        text = column(field["name"], field.scalar)
        codes = text.values if text.known is None else np.where(text.known, text.values, len(words))
        return self._of_words[node].take(codes)

    def _column(self, name: str, type: Type, rows: Array) -> Column:
        if name == "seq":
            assert self._events.seq is not None
            numbers, places = np.unique(self._events.seq[rows], return_inverse=True)
            return converted(type, numbers.tolist() or [None])[0].take(places)
        found = self.read(name, type).column
        known = None if found.known is None else picked(found.known, rows)
        return Column(picked(found.values, rows), known, found.words)

    def forget(self) -> None:
        """Let go of the values that were read: they are read again if somebody asks."""
        self._bad |= {key: read.bad for key, read in self._read.items()}
        self._read.clear()

    def bad(self, name: str, type: Type) -> Mask | None:
        """Return which events have a value of the field NAME that is not of TYPE; None if none has."""
        key = name, type
        return self._bad[key] if key in self._bad else self.read(name, type).bad

    def read(self, name: str, type: Type) -> Read:
        """Return the field NAME of all events as TYPE."""
        key = name, type
        with self._reading.setdefault(key, Lock()):
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
