"""From stored rows to track rows: typed projection, conversion, filter and precomputed values.

    stored columns --typed projection--> raw values --SEMANTICS 2--> record --codegen--> (ts, seq, tie, slot 0, ...) or None

Only the columns and attributes that a scan needs are read. Everything is resolved once per layout into straight functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from featuregraph.codegen import Source, tuple_of
from featuregraph.convert import BAD, converter
from featuregraph.ir import Node, Op, toposort
from featuregraph.layout import Scan, Track
from featuregraph.scalar import OVERFLOW
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.codec import column_value, typed_decoder
from stream.event import COLUMNS, RAW_COLUMNS, Row

Stored = Sequence[Any]  # the columns of one row that a scan asks for
Record = tuple[Any, ...]  # its fields in internal form
TrackRow = tuple[Any, ...]
# None: the filter rejects the row; OVERFLOW: the filter itself overflows, so whoever needs the row has no value.
BuildRow = Callable[[Stored, Record], Any]

# What every scan reads, in these places: the order, and what `as known` and the counters ask for.
_ALWAYS = ("ts_ms", "seq", "id", "known_ms")
TS, SEQ, ID, KNOWN = range(len(_ALWAYS))


# Where a value is in its internal form already, as it nearly always is, the converter need not be called.
_PLAIN: Mapping[str, str] = {
    "int64": f"({{x}} if {{x}}.__class__ is int and {INT64_MIN} <= {{x}} <= {INT64_MAX} else {{f}}({{x}}))",
    "timestamp": f"({{x}} if {{x}}.__class__ is int and {INT64_MIN} <= {{x}} <= {INT64_MAX} else {{f}}({{x}}))",
    "float64": "({x} + 0.0 if {x}.__class__ is float and {x} - {x} == 0.0 else {f}({x}))",
    "boolean": "({x} if {x}.__class__ is bool else {f}({x}))",
    **dict.fromkeys(("string", "category", "identifier"), "({x} if {x}.__class__ is str and {x}.isascii() else {f}({x}))"),
}


class Unparsable:
    """How many values of each field were not of its type, each row counted once however often it is decoded."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()  # by (event, field)
        self.until = 0  # rows up to this id are counted

    def add(self, row_id: int, event: str, field: str) -> None:
        """Count one value of the row ROW_ID."""
        if row_id > self.until:
            self.counts[event, field] += 1


class Decoder:
    """Reads the rows of one event: which columns to ask for, and the function from them to a record."""

    def __init__(self, scan: Scan, key: str, unparsable: Unparsable) -> None:
        self.scan = scan
        self._unparsable = unparsable
        self._attributes = [f["name"] for f in scan.fields if f["name"] not in COLUMNS]
        self._attributes = list(dict.fromkeys(self._attributes))  # two graphs may give one field two types
        asked = [_column(f["name"]) for f in scan.fields if f["name"] in COLUMNS]
        if key != "user_id":
            asked.append("user_id")
        if self._attributes:
            asked.append("payload")
        self.columns = tuple(dict.fromkeys((*_ALWAYS, *asked)))
        # Under user_id, (ts, seq) is the whole order; under another key the user decides ties.
        self.tie = "''" if key == "user_id" else f"({self._text('user_id')} or '')"
        self.of_row: Callable[[Row], Stored] = itemgetter(*map(Row._fields.index, self.columns))
        self.record = self._compile()

    def _text(self, column: str) -> str:
        return f"r[{self.columns.index(column)}]"

    def _compile(self) -> Callable[[Stored], Record]:
        source = Source({})
        raw: dict[str, str] = {}
        if self._attributes:
            decode = source.bind(typed_decoder(self._attributes), "d")
            values = source.assign(f"{decode}({self._text('payload')})")
            raw = {name: f"{values}.f{i}" for i, name in enumerate(self._attributes)}
        texts = []
        for node in self.scan.fields:
            text = raw.get(node["name"]) or self._text(_column(node["name"]))
            if node["name"] in RAW_COLUMNS:
                text = f"({text} if {text}.__class__ is not bytes else {source.bind(column_value)}({text}))"
            plain = _PLAIN.get(node.scalar.kind, "{f}({x})")
            texts.append(plain.format(x=source.assign(text), f=source.bind(converter(node.scalar))))
        if not texts:
            return source.function("r", "()")
        record = source.assign(tuple_of(texts))
        bad, count = source.bind(BAD, "b"), source.bind(self._count, "n")
        return source.function("r", f"{count}({record}, r[{ID}]) if {bad} in {record} else {record}")

    def _count(self, record: Record, row_id: int) -> Record:
        for node, value in zip(self.scan.fields, record, strict=True):
            if value is BAD:
                self._unparsable.add(row_id, self.scan.event, node["name"])
        return tuple(None if value is BAD else value for value in record)


def _column(name: str) -> str:
    return "name" if name == "event" else name


def row_builder(track: Track, decoder: Decoder) -> BuildRow:
    """Return build(stored, record) for rows of the decoder's event."""
    source = Source({node: f"x[{i}]" for i, node in enumerate(decoder.scan.fields)})
    for node in toposort([*track.slots, *([track.where] if track.where is not None else [])]):
        if node.op is Op.TS:
            source.place(node, f"r[{TS}]")
        elif node.op is Op.EVENT_NAME:
            source.place(node, source.bind(decoder.scan.event, "c"))
    if track.where is not None:
        (passed,) = source.add([track.where])
        overflow = source.bind(OVERFLOW, "o")
        source.lines.append(f"if {passed} is not True: return {overflow} if {passed} is {overflow} else None")
    return source.function("r, x", tuple_of([f"r[{TS}]", f"r[{SEQ}]", decoder.tie, *source.add(list(track.slots))]))


def row_source(nodes: Sequence[Node], slots: Mapping[Node, int]) -> Source:
    """Return a source in which the row is `r`, the query's time `t`; SLOTS says where in the row values stand."""
    ages = {n: "(t - r[0])" for n in toposort(nodes) if n.op is Op.AGE}
    return Source({part: f"r[{i}]" for part, i in slots.items()} | ages)


def row_function(node: Node, slots: Mapping[Node, int]) -> Callable[[TrackRow, int, Mapping[str, Any]], Any]:
    """Return f(row, t, q): the value of a NODE that waits for the query."""
    source = row_source([node], slots)
    return source.function("r, t, q", source.add([node])[0])


def known_by(rows: Iterable[Stored], t: int, history_start: int) -> list[Stored]:
    """Return the ROWS that were known at T and stand in the history from HISTORY_START on (SEMANTICS 3.5)."""
    return [r for r in rows if (r[KNOWN] is None or r[KNOWN] <= t) and r[TS] >= history_start]
