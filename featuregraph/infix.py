"""Nodes as text that people read: `sum(unit_price * quantity) over 30d of purchase where quantity > 0`.

The text says what a node means, in the words of the contract; it is for eyes, not for parsing. Fields and
events stand bare, request values as `request.NAME`, candidate values as `candidate.NAME`, awkward names in
backticks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from featuregraph.convert import to_json_value
from featuregraph.ir import Node, Op, looks_ahead, toposort
from featuregraph.tables import TableSchema
from featuregraph.types import AnyType
from featuregraph.windows import format_duration

MAX_PART = 2_000  # characters; a part beyond it (shared parts are written again and again) is named by its id

# How tightly an operator holds its arguments; an argument that holds less tightly stands in parentheses.
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN, _ATOM = range(8)
_STREAM = -1  # `... of purchase where ...` has no end of its own

_BETWEEN: Mapping[Op, tuple[str, int]] = {
    Op.OR: ("or", _OR),
    Op.AND: ("and", _AND),
    Op.EQ: ("=", _COMPARE),
    Op.NE: ("!=", _COMPARE),
    Op.LT: ("<", _COMPARE),
    Op.LE: ("<=", _COMPARE),
    Op.GT: (">", _COMPARE),
    Op.GE: (">=", _COMPARE),
    Op.ADD: ("+", _SUM),
    Op.SUB: ("-", _SUM),
    Op.MUL: ("*", _PRODUCT),
    Op.DIV: ("/", _PRODUCT),
    Op.FLOORDIV: ("//", _PRODUCT),
    Op.MOD: ("%", _PRODUCT),
}
_ANY_ORDER = frozenset({Op.OR, Op.AND})  # a or b or c needs no parentheses on either side
_KEYWORDS = frozenset(
    {"and", "or", "not", "is", "in", "over", "offset", "ahead", "of", "where", "by", "last", "null"}
)

Text = tuple[str, int]  # and how tightly it holds together
Write = Callable[[Node], Text]


def infix(node: Node, names: Mapping[Node, str] | None = None) -> str:
    """Return NODE as one line of text.

    Args:
        node: what to write.
        names: parts that are written by name, such as other features; NODE itself is written out.
    """
    return Writer(names or {}).text(node)


class Writer:
    """Writes nodes, and remembers the parts that it has written."""

    def __init__(self, names: Mapping[Node, str]) -> None:
        self._names = names
        self._written: dict[Node, Text] = {}

    def text(self, node: Node) -> str:
        """Return NODE as text, written out even if it has a name."""
        for inner in toposort([node]):
            if inner not in self._written:
                self._written[inner] = _write(inner, self._part)
        return self._written[node][0]

    def _part(self, node: Node) -> Text:
        if node in self._names:
            return name_of(self._names[node]), _ATOM
        text, binds = self._written[node]
        return (text, binds) if len(text) <= MAX_PART else (f"#{node.id[:12]}", _ATOM)


def name_of(name: str) -> str:
    """Return a field's, event's or feature's name as it stands in text."""
    plain = name.replace(".", "_").isidentifier() and name not in _KEYWORDS
    return name if plain else f"`{name}`"


def aggregate_text(agg: Node) -> str:
    """Return what AGG computes, without its stream: `sum(unit_price * quantity) by item_id`."""

    def part(node: Node) -> Text:
        return infix(node), _ATOM

    by = agg.role("by")
    grouped = "" if by is None else f" by {infix(by)}"
    return f"{agg['agg']}({', '.join(_arguments(agg, part))}){grouped}"


def stream_text(agg: Node, write: Callable[[Node], str] | None = None) -> str:
    """Return which rows AGG reads, without the window: `purchase or view where quantity > 0`."""
    events = events_text(agg["events"])
    where = agg.role("where")
    return events if where is None else f"{events} where {(write or infix)(where)}"


def events_text(events: Iterable[str]) -> str:
    """Return the events of a stream: its rows are of one or the other."""
    return " or ".join(map(name_of, events))


def table_text(table: TableSchema) -> str:
    """Return what a table declares: `key identifier, changing: price decimal(2)`."""
    fields = ", ".join(f"{name_of(name)} {type}" for name, type in table.fields) or "no fields"
    return f"key {table.key}{', changing' if table.changing else ''}: {fields}"


def window_text(over: int | None, offset: int = 0, last: int | None = None) -> str:
    """Return a window in words: `30d`, `7d, offset 1d`, `lifetime, last 5`, `1d ahead`."""
    words = ["lifetime" if over is None else format_duration(over)]
    if offset < 0:
        words = [f"{words[0]} ahead"]
    elif offset:
        words.append(f"offset {format_duration(offset)}")
    if last is not None:
        words.append(f"last {last}")
    return ", ".join(words)


def value_text(type: AnyType, value: object) -> str:
    """Return an internal value of TYPE as text: text in quotes, decimals with their digits, null for none."""
    form = to_json_value(type)(value)
    if getattr(type, "kind", "") == "decimal" and form is not None:
        return str(form)
    return json.dumps(form, ensure_ascii=False)


# ---------------------------------------------------------------- one function per form


def _write(node: Node, part: Write) -> Text:
    return _FORMS.get(node.op, _call)(node, part)


def _held(text: Text, least: int) -> str:
    """Return TEXT, in parentheses if it holds less tightly than LEAST."""
    return text[0] if text[1] >= least else f"({text[0]})"


def _between(node: Node, part: Write) -> Text:
    sign, binds = _BETWEEN[node.op]
    first, *rest = map(part, node.args)
    chains = binds != _COMPARE  # a < b < c is none
    tighter = binds if node.op in _ANY_ORDER else binds + 1
    parts = [_held(first, binds if chains else binds + 1), *(_held(one, tighter) for one in rest)]
    return f" {sign} ".join(parts), binds


def _not(node: Node, part: Write) -> Text:
    return f"not {_held(part(node.args[0]), _NOT)}", _NOT


def _negative(node: Node, part: Write) -> Text:
    return f"-{_held(part(node.args[0]), _ATOM)}", _SIGN


def _is_null(node: Node, part: Write) -> Text:
    return f"{_held(part(node.args[0]), _SUM)} is null", _COMPARE


def _is_in(node: Node, part: Write) -> Text:
    (x,) = node.args
    values = ", ".join(value_text(x.type, value) for value in node["values"])
    return f"{_held(part(x), _SUM)} in ({values})", _COMPARE


def _call(node: Node, part: Write) -> Text:
    """Write name(arguments, attribute=value)."""
    words = [part(arg)[0] for arg in node.args]
    for name, value in node.attrs:
        if name in ("lo", "hi", "edges"):
            if value is not None:
                words.append(f"{name}={_attribute(node.args[0].type, value)}")
        elif not (name == "seed" and value == 0):
            words.append(str(value) if name in ("buckets", "k", "tz") else f"{name}={value}")
    return f"{node.op.value}({', '.join(words)})", _ATOM


def _attribute(type: AnyType, value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(value_text(type, one) for one in value)}]"
    return value_text(type, value)


def _cast(node: Node, part: Write) -> Text:
    return f"cast({part(node.args[0])[0]}, {node.type})", _ATOM


def _literal(node: Node, part: Write) -> Text:
    text = value_text(node.type, node["value"])
    return text, _SIGN if text.startswith("-") else _ATOM


def _aggregate(node: Node, part: Write) -> Text:
    words = [f"{node['agg']}({', '.join(_arguments(node, part))})"]
    if looks_ahead(node):
        words.append(f"ahead {format_duration(node['over'])}")
    elif node["over"] is not None:
        words.append(f"over {format_duration(node['over'])}")
    if node["offset"] > 0:
        words.append(f"offset {format_duration(node['offset'])}")
    words.append(f"of {stream_text(node, lambda inner: part(inner)[0])}")
    if node["last"] is not None:
        words.append(f"last {node['last']}")
    if (by := node.role("by")) is not None:
        words.append(f"by {part(by)[0]}")
    return " ".join(words), _STREAM


def _arguments(node: Node, part: Write) -> Iterable[str]:
    if "n" in dict(node.attrs):
        yield str(node["n"])
    if (x := node.role("x")) is not None:
        yield part(x)[0]
    yield from (f"{name_of(name)}={part(item)[0]}" for name, item in node.items)
    if (distinct := node.role("distinct")) is not None:
        yield f"distinct={part(distinct)[0]}"
    for name in ("k", "q"):
        if (value := node.get(name)) is not None:
            yield str(value)
    if (half_life := node.get("half_life")) is not None:
        yield f"half_life={format_duration(half_life)}"


_FORMS: Mapping[Op, Callable[[Node, Write], Text]] = {
    **dict.fromkeys(_BETWEEN, _between),
    Op.NOT: _not,
    Op.NEG: _negative,
    Op.IS_NULL: _is_null,
    Op.IS_IN: _is_in,
    Op.CAST: _cast,
    Op.LIT: _literal,
    Op.AGG: _aggregate,
    Op.TABLE: lambda node, part: (
        f"{name_of(node['table'])}[{part(node.args[0])[0]}].{name_of(node['field'])}",
        _ATOM,
    ),
    Op.FIELD: lambda node, part: (name_of(node["name"]), _ATOM),
    Op.EVENT_NAME: lambda node, part: ("event_name", _ATOM),
    Op.TS: lambda node, part: ("ts_ms", _ATOM),
    Op.REQUEST: lambda node, part: (f"request.{name_of(node['name'])}", _ATOM),
    Op.CANDIDATE: lambda node, part: (f"candidate.{name_of(node['name'])}", _ATOM),
}
