"""From stored rows to track rows: typed projection, conversion, filter and precomputed values in one pass.

    stored row --typed projection--> raw values --SEMANTICS 2--> record --codegen--> (ts, seq, tie, slot 0, ...) or None
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from featuregraph.codegen import Source, tuple_of
from featuregraph.convert import BAD, converter
from featuregraph.ir import Node, Op, toposort
from featuregraph.layout import Scan, Track
from featuregraph.scalar import OVERFLOW
from stream.codec import typed_decoder
from stream.event import COLUMNS, Row

TrackRow = tuple[Any, ...]
Record = tuple[Any, ...]
# None: the filter rejects the row; OVERFLOW: the filter itself overflows, so whoever needs the row has no value.
BuildRow = Callable[[int, int, str, Record], Any]

_PLACE = {"event" if name == "name" else name: f"r[{i}]" for i, name in enumerate(Row._fields)}


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
    """Decodes the rows of one event: a record is the tuple of the scan's fields in internal form."""

    def __init__(self, scan: Scan, unparsable: Unparsable) -> None:
        self.scan = scan
        self._unparsable = unparsable
        self.record = self._compile()

    def _compile(self) -> Callable[[Row], Record]:
        source = Source({})
        attributes = [f["name"] for f in self.scan.fields if f["name"] not in COLUMNS]
        places = dict(_PLACE)
        if attributes:
            raw = source.assign(f"{source.bind(typed_decoder(attributes), 'd')}({_PLACE['payload']})")
            places |= {name: f"{raw}.f{i}" for i, name in enumerate(attributes)}
        texts = [f"{source.bind(converter(node.scalar))}({places[node['name']]})" for node in self.scan.fields]
        if not texts:
            return source.function("r", "()")
        record = source.assign(tuple_of(texts))
        bad, count = source.bind(BAD, "b"), source.bind(self._count, "n")
        return source.function("r", f"{count}({record}, {_PLACE['id']}) if {bad} in {record} else {record}")

    def _count(self, record: Record, row_id: int) -> Record:
        for node, value in zip(self.scan.fields, record, strict=True):
            if value is BAD:
                self._unparsable.add(row_id, self.scan.event, node["name"])
        return tuple(None if value is BAD else value for value in record)


def row_builder(track: Track, event: str, fields: Sequence[Node]) -> BuildRow:
    """Return build(ts, seq, tie, record) for rows of EVENT whose records hold FIELDS."""
    places: dict[Node, str] = {node: f"r[{i}]" for i, node in enumerate(fields)}
    source = Source(places)
    for node in _row_leaves(track):
        if node.op is Op.TS:
            source.place(node, "ts")
        elif node.op is Op.EVENT_NAME:
            source.place(node, source.bind(event, "c"))
    if track.where is not None:
        (passed,) = source.add([track.where])
        overflow = source.bind(OVERFLOW, "o")
        source.lines.append(f"if {passed} is not True: return {overflow} if {passed} is {overflow} else None")
    return source.function("ts, seq, tie, r", tuple_of(["ts", "seq", "tie", *source.add(list(track.slots))]))


def _row_leaves(track: Track) -> list[Node]:
    roots = [*track.slots, *([track.where] if track.where is not None else [])]
    return [n for n in toposort(roots) if n.op in (Op.TS, Op.EVENT_NAME)]


def row_function(node: Node, slots: Mapping[Node, int]) -> Callable[[TrackRow, int, Mapping[str, Any]], Any]:
    """Return f(row, t, q): the value of a NODE that waits for the query; SLOTS says where in the row its parts stand."""
    source = Source({part: f"r[{i}]" for part, i in slots.items()} | _age(node))
    return source.function("r, t, q", source.add([node])[0])


def _age(node: Node) -> dict[Node, str]:
    return {n: "(t - r[0])" for n in toposort([node]) if n.op is Op.AGE}
