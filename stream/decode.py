"""From stored columns to rows, in one straight function per event, made once per layout.

    stored columns --typed projection--> raw values --SEMANTICS 2--> fields --kernels--> (ts, seq, tie, ...)

Only the columns and attributes that a scan needs are read; those of sealed blocks are brought to their
internal form column by column, and stay columns where a row is nothing else. A row that every filter of its
event rejects is dropped as soon as that is known: by its columns before the attributes are decoded, else
before anything but the filters is computed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from featuregraph.codegen import Source, compiled, tuple_of
from featuregraph.convert import BAD, converter
from featuregraph.convert.raw import Converter
from featuregraph.ir import Node, Op, toposort
from featuregraph.layout import FIRST_SLOT, Scan
from featuregraph.scalar import OVERFLOW
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.asof import NO_TABLES, Tables
from stream.batch import Batch, ColumnBatch, EventRow, RowBatch, chained
from stream.blocks.runs import Found, Run, Stored
from stream.codec import column_value, typed_decoder
from stream.event import COLUMNS, RAW_COLUMNS, Row

Taker = tuple[int, int | None]  # a track by number, and the place of its filter's value

# What every scan reads, in these places: the order, and what the counters ask for.
_ALWAYS = ("ts_ms", "seq", "id")
TS, SEQ, ID = range(len(_ALWAYS))
_ROW_NS = 3_000.0  # until it is measured
_TELLING = 16  # rows; a read of fewer costs mostly what each read does


# A value in its internal form already, as it nearly always is: its test, and what brings it to its bits.
_INTEGER = f"{{x}}.__class__ is int and {INT64_MIN} <= {{x}} <= {INT64_MAX}", "pass"
_TEXT = "{x}.__class__ is str and {x}.isascii()", "pass"
_PLAIN: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("int64", "timestamp"), _INTEGER),
    "float64": ("{x}.__class__ is float and {x} - {x} == 0.0", "{x} += 0.0"),  # -0.0 becomes 0.0
    "boolean": ("{x}.__class__ is bool", "pass"),
    **dict.fromkeys(("string", "category", "identifier"), _TEXT),
}


class Unparsable:
    """How many values of each field were not of its type; a row counts once however often it is decoded."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()  # by (event, field)
        self._until: dict[str, int] = {}  # by key: its rows up to this id are counted
        self._floor = 0
        self._seen: set[tuple[int, str]] = set()  # (row, field) counted since `begin`

    def begin(self, key: str) -> None:
        """Count rows of KEY from here on."""
        self._floor = self._until.get(key, 0)
        self._seen.clear()

    def end(self, key: str, until: int) -> None:
        """Take note that the rows of KEY up to the id UNTIL were decoded."""
        self._until[key] = until
        self._seen.clear()

    def add(self, row_id: int, event: str, field: str) -> None:
        """Count one value of the row ROW_ID."""
        if row_id > self._floor and (row_id, field) not in self._seen:
            self._seen.add((row_id, field))
            self.counts[event, field] += 1


class _Made(NamedTuple):
    """Statements that make a row, and the texts of what is in it."""

    source: Source
    order: tuple[str, ...]  # time, seq, tie
    slots: list[str]

    @property
    def text(self) -> str:
        """Return the text of the row."""
        return tuple_of([*self.order, *self.slots])

    def function(self, parameters: str) -> Callable[..., EventRow | None]:
        """Return the function of PARAMETERS to the row."""
        return self.source.function(parameters, self.text)


class Decoder:
    """Reads one event: which columns to ask for, and the function from them to a row."""

    def __init__(self, scan: Scan, key: str, unparsable: Unparsable, tables: Tables = NO_TABLES) -> None:
        self.scan = scan
        self._tables = tables
        self.event = scan.event
        self.reach = scan.reach
        self._fields = scan.fields
        self._unparsable = unparsable
        self._attributes = [f["name"] for f in self._fields if f["name"] not in COLUMNS]
        self._attributes = list(dict.fromkeys(self._attributes))  # two graphs may give one field two types
        asked = [_column(f["name"]) for f in self._fields if f["name"] in COLUMNS]
        if key != "user_id":
            asked.append("user_id")
        if self._attributes:
            asked.append("payload")
        self.columns = tuple(dict.fromkeys((*_ALWAYS, *asked)))
        # Under user_id, (ts, seq) is the whole order; under another key the user decides ties, null first.
        self._by_user = key == "user_id"
        self._scan = scan
        self.read_rows = 0  # of the latest read
        self.row_ns = _ROW_NS  # to retrieve and decode one of them
        # None for a row that nobody keeps.
        self.row: Callable[[Stored], EventRow | None] = self._of_columns(self.columns).function("r")

    def load(self, found: Found) -> Batch:
        """Return the rows of what was FOUND of this event, in total order: for who folds them."""
        rows: list[EventRow] = list(filter(None, map(self.row, found.rows)))
        for run in found.runs:
            rows += self._piece(run, found.key).all  # while its columns are in the processor's cache
        if len(found.runs) + bool(found.rows) > 1:
            rows.sort()  # runs follow each other nearly always, which costs a comparison a row
        return RowBatch(rows)

    def load_columns(self, found: Found) -> Batch:
        """Return what `load` does, as columns where they are: for who keeps them."""
        sealed = [self._piece(run, found.key) for run in found.runs]
        return chained([*sealed, RowBatch(list(filter(None, map(self.row, found.rows))))])

    def took(self, rows: int, ns: int) -> None:
        """Take note that the latest read, of ROWS rows, took NS."""
        self.read_rows = rows
        if rows >= _TELLING:
            self.row_ns = ns / rows

    # ---- events as they arrive

    @cached_property
    def arrived(self) -> Callable[[Row], EventRow | None]:
        """Return what `row` does, of an event as it arrived."""
        return self._of_columns(Row._fields).function("r")

    def taking(self, takers: Sequence[Taker]) -> Callable[..., Callable[[Row], bool | None]]:
        """Return the maker of the function that takes an event which is later than all that its TAKERS hold.

        It is made, for one key, of three functions for each of them: what appends a time, what appends a
        row, and what takes note of a time at which its filter overflows. It tells if the event was kept.
        """
        made = self._of_columns(Row._fields)
        time, overflow = made.order[0], made.source.bind(OVERFLOW, "o")
        lines = [*made.source.lines, f"row = {made.text}"]
        for number, (_, place) in enumerate(takers):
            append = f"t{number}({time}); x{number}(row)"
            if place is None:
                lines.append(append)
                continue
            verdict = made.slots[place - FIRST_SLOT]
            lines.append(f"if {verdict} is True: {append}")
            lines.append(f"elif {verdict} is {overflow}: b{number}({time})")
        parameters = ", ".join(f"t{number}, x{number}, b{number}" for number in range(len(takers)))
        body = [f"    {line}" for line in (*lines, "return True")]
        return compiled(parameters, ["def take(r):", *body, "return take"], made.source.globals)

    # ---- one by one

    def _of_columns(self, columns: Sequence[str]) -> _Made:
        """Return what makes a row of `r`, an event of which these COLUMNS are given."""
        attributes: dict[str, str] = {}
        text = {column: f"r[{place}]" for place, column in enumerate(columns)}
        user = text.get("user_id", "")
        tie = "''" if self._by_user else f"('.' + {user} if {user} is not None else '')"
        return self._made(
            (text["ts_ms"], text["seq"], tie, text["id"]),
            lambda source, fields: self._convert(source, fields, attributes, text),
        )

    def _made(
        self, at: tuple[str, str, str, str], convert: Callable[[Source, Iterable[Node]], None]
    ) -> _Made:
        """Return what makes a row; AT: the texts of its time, seq, tie and id.

        CONVERT adds the statements that bring fields to their internal form.
        """
        scan = self._scan
        source = Source({}, as_of=at[0], tables=self._tables)
        self._place(source, at[0])
        steps = [scan.early, scan.wheres] if scan.early != scan.wheres else [scan.wheres]
        left = dict.fromkeys(self._fields)  # not yet in their internal form
        for tests in filter(None, steps):
            needed = [n for n in toposort(tests) if n in left]
            convert(source, needed)
            left = dict.fromkeys(n for n in left if n not in needed)
            overflow = source.bind(OVERFLOW, "o")
            kept = " or ".join(f"{text} is True or {text} is {overflow}" for text in source.add(tests))
            source.lines.append(f"if not ({kept}): return None")
        convert(source, left)
        return _Made(source, at[:3], self._slots(source))

    def _place(self, source: Source, ts: str) -> None:
        """Say in SOURCE what stands for a row's time and name."""
        for node in toposort([s for s in self._scan.slots if s is not None]):
            if node.op is Op.TS:
                source.place(node, ts)
            elif node.op is Op.EVENT_NAME:
                source.place(node, source.bind(self.event, "c"))

    def _slots(self, source: Source) -> list[str]:
        return ["None" if node is None else source.add([node])[0] for node in self._scan.slots]

    def _convert(
        self, source: Source, fields: Iterable[Node], attributes: dict[str, str], columns: Mapping[str, str]
    ) -> None:
        """Add the statements that bring FIELDS to their internal form.

        COLUMNS are the texts of what is given; ATTRIBUTES is filled once needed.
        """
        for node in fields:
            name = node["name"]
            if name not in COLUMNS and not attributes:
                decode = source.bind(typed_decoder(self._attributes), "d")
                values = source.assign(f"{decode}({columns['payload']})")
                attributes |= {other: f"{values}.f{i}" for i, other in enumerate(self._attributes)}
            text = attributes.get(name) or columns[_column(name)]
            if name in RAW_COLUMNS:
                text = f"({text} if {text}.__class__ is not bytes else {source.bind(column_value)}({text}))"
            value = source.assign(text)
            convert, test = converter(node.scalar), _PLAIN.get(node.scalar.kind)
            other = f"{value} = {source.bind(self._counted(convert, node))}({value}, {columns['id']})"
            if test is None:
                source.lines.append(f"if {value} is not None: {other}")
            else:
                is_plain, bring = (part.format(x=value) for part in test)
                source.lines += [f"if {is_plain}: {bring}", f"elif {value} is not None: {other}"]
            source.place(node, value)

    def _counted(self, convert: Converter, node: Node) -> Callable[[Any, int], Any]:
        """Return CONVERT, which is told the id of the row too: what is BAD is counted, and null."""
        number, count = self._fields.index(node), self._count

        def counted(raw: Any, row_id: int) -> Any:
            value = convert(raw)
            return count(row_id, number) if value is BAD else value

        return counted

    def _count_bad(self, source: Source, texts: Mapping[Node, str], id: str) -> None:
        """Add the statements that make null of what is not of its type, and count it."""
        bad, count = source.bind(BAD, "b"), source.bind(self._count, "n")
        for node, text in texts.items():
            number = self._fields.index(node)
            source.lines.append(f"if {text} is {bad}: {text} = {count}({id}, {number})")
            source.place(node, text)

    # ---- sealed blocks

    def _piece(self, run: Run, key: str) -> Batch:
        """Return the rows of a piece of a sealed block."""
        count = run.last - run.first
        columns, unsure = [], False
        for node in self._fields:
            values, may_be_bad = self._values(run, key, node)
            columns.append(values)
            unsure |= may_be_bad
        ties = [""] * count
        if not self._by_user:
            ties = ["" if user is None else f".{user}" for user in run.column("user_id")]
        order = (run.column("ts_ms"), run.column("seq"), ties)
        if self._columnar is not None and not unsure:
            made = self._columnar(*order, *columns)
            return ColumnBatch(count, len(made), made.__getitem__)
        return RowBatch(list(filter(None, map(self._mapped, *order, run.column("id"), *columns))))

    def _values(self, run: Run, key: str, node: Node) -> tuple[list[Any], bool]:
        """Return the values of one field in their internal form, BAD where one has none, and if one may."""
        name = node["name"]
        if name == "event" or (name == "user_id" and self._by_user):
            known = converter(node.scalar)(self.event if name == "event" else key)
            return [known] * (run.last - run.first), known is BAD
        return run.converted(name, node.scalar)

    @cached_property
    def _parameters(self) -> list[str]:
        return [f"a{number}" for number in range(len(self._fields))]

    @cached_property
    def _mapped(self) -> Callable[..., EventRow | None]:
        """Return the function to a row of its order, its id and its fields, BAD among them."""

        def convert(source: Source, fields: Iterable[Node]) -> None:
            self._count_bad(source, {n: self._parameters[self._fields.index(n)] for n in fields}, "id")

        order = ("ts", "seq", "tie", "id")
        return self._made(order, convert).function(", ".join([*order, *self._parameters]))

    @cached_property
    def _columnar(self) -> Callable[..., tuple[list[Any], ...]] | None:
        """Return the function to a row's columns, None where a row is more than what stands there."""
        given = dict(zip(self._fields, self._parameters, strict=True))
        source = Source(given, as_of="ts", tables=self._tables)
        self._place(source, "ts")
        slots = self._slots(source)
        if source.lines or self._scan.wheres:
            return None
        known = {"ts", *self._parameters}
        columns = [slot if slot in known else f"[{slot}] * len(ts)" for slot in slots]
        order = ("ts", "seq", "tie")
        return source.function(", ".join([*order, *self._parameters]), tuple_of([*order, *columns]))

    def _count(self, row_id: int, number: int) -> None:
        """Count an unparsable value; it is null."""
        self._unparsable.add(row_id, self.event, self._fields[number]["name"])


def _column(name: str) -> str:
    return "name" if name == "event" else name


def row_source(nodes: Sequence[Node], places: Mapping[Node, int]) -> Source:
    """Return a source in which the row is `r`, the query's time `t`.

    PLACES says where in the row the values of nodes stand.
    """
    # A literal has a slot in the events that it filters alone; anyone else takes it as it is.
    given = {part: f"r[{i}]" for part, i in places.items() if part.op is not Op.LIT}
    source = Source(given, as_of="r[0]")
    for node in toposort(nodes):
        if node.op is Op.AGE:  # never below 0: a visible row is not after t
            overflow = source.bind(OVERFLOW, "o")
            source.place(node, f"(t - r[0] if t - r[0] <= {INT64_MAX} else {overflow})")
    return source


def row_function(node: Node, places: Mapping[Node, int]) -> Callable[[EventRow, int, Mapping[str, Any]], Any]:
    """Return f(row, t, q): the value of a NODE that waits for the query."""
    source = row_source([node], places)
    return source.function("r, t, q", source.add([node])[0])
