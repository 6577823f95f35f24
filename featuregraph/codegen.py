"""Turn nodes into one straight Python function: no dispatch, each shared node computed once.

Nodes become statements in their order, `v3 = k3(v1, v2)`; kernels and literals are bound by name. Straight
statements keep any depth of expression within the parser's limits, and a node used twice is one variable.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, Final

from featuregraph.ir import LEAVES, Node, Op
from featuregraph.scalar import OVERFLOW, day_of_week, hour_of_day, kernel

# Leaves that a query brings; all but the row's. `t` is the query's time, `q` its converted request values.
_QUERY_LEAVES: Mapping[Op, str] = {
    Op.NOW: "t",
    Op.HOUR_OF_DAY: "{k}(t)",
    Op.DAY_OF_WEEK: "{k}(t)",
    Op.REQUEST: "q[{name!r}]",
}


# In `q` under a name that no request has: what answers look_up(table, field, key, until), until in ms.
TABLES = ""


# Operators that cost more than a look into a table of the values met before.
_MOST_INLINE: Final = 8  # statements; Python nests no more than some 20 blocks
_COSTLY: Final = frozenset({Op.HASH})


class Source:
    """Statements under construction, with the names they use.

    Args:
        places: the text of each node that is given from outside (fields, states).
        names: the names of another source that will stand in the same function.
        as_of: the text of the time as of which tables are looked up: the query's, or the row's.
        tables: what is asked for them; `q` holds it where it is None.
    """

    def __init__(
        self,
        places: Mapping[Node, str],
        names: dict[str, Any] | None = None,
        *,
        as_of: str = "t",
        tables: object = None,
    ) -> None:
        self.lines: list[str] = []
        self.globals: dict[str, Any] = {} if names is None else names
        self._as_of = as_of
        self._tables = tables
        self._text: dict[Node, str] = dict(places)

    def add(self, roots: Sequence[Node]) -> list[str]:
        """Add what ROOTS need; return the text of each root's value."""
        for node in _walk(roots, self._text):
            self._text[node] = self._statement(node)
        return [self._text[r] for r in roots]

    def place(self, node: Node, text: str) -> None:
        """Say that TEXT is NODE's value."""
        self._text[node] = text

    def bind(self, value: object, prefix: str = "k") -> str:
        """Return a new name for VALUE."""
        name = f"{prefix}{len(self.globals)}"
        self.globals[name] = value
        return name

    def _statement(self, node: Node) -> str:
        if node.op is Op.LIT:
            return self.bind(node["value"], "c")
        if node.op in _QUERY_LEAVES:
            made = {Op.HOUR_OF_DAY: hour_of_day, Op.DAY_OF_WEEK: day_of_week}.get(node.op)
            call = self.bind(made(node["tz"])) if made else ""
            return self.assign(_QUERY_LEAVES[node.op].format(k=call, name=node.get("name")))
        assert node.op not in LEAVES, f"{node.op} has no place here"
        args = [self._text[a] for a in node.args]
        return self.assign(self.call(node, args))

    def call(self, node: Node, args: list[str]) -> str:
        """Return the text of an operator's value; over candidates, a list of values."""
        over = [i for i, a in enumerate(node.args) if a.per_candidate]
        names = [f"e{i}" if i in over else a for i, a in enumerate(args)]
        one = self._one(node, names)
        if not over:
            return one
        if node.op in _COSTLY and len(over) == len(args) == 1:
            return f"{self.bind(each)}({self.bind(kernel(node))}, {args[0]})"
        if len(over) == 1:
            return f"[{one} for e{over[0]} in {args[over[0]]}]"
        lists = ", ".join(args[i] for i in over)
        return f"[{one} for {', '.join(f'e{i}' for i in over)} in zip({lists})]"

    def _one(self, node: Node, args: list[str]) -> str:
        if node.op is Op.TABLE:
            until = f"{self._as_of} + 1" if node.get("include_now") else self._as_of
            asked = f"q[{TABLES!r}]" if self._tables is None else self.bind(self._tables, "w")
            return f"{asked}.look_up({node['table']!r}, {node['field']!r}, {args[0]}, {until})"
        if node.op is Op.BUCKETIZE:
            x = args[0] if args[0].isidentifier() else self.assign(args[0])
            edges, found = self.bind(sorted(node["edges"]), "c"), self.bind(bisect_right)
            return f"({x} if {x} is None or {x} is {self.bind(OVERFLOW, 'o')} else {found}({edges}, {x}))"
        if node.op is Op.FILL and all(a.type is node.type for a in node.args):
            return f"({args[1]} if {args[0]} is None else {args[0]})"
        return f"{self.bind(kernel(node))}({', '.join(args)})"

    def assign(self, text: str) -> str:
        """Add a statement that names TEXT's value; return the name."""
        name = f"v{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def lister(self, node: Node, parameters: str, one: str, many: str) -> Callable[..., list[Any]]:
        """Return the function of PARAMETERS that lists NODE's values for each ONE of MANY, both names."""
        (text,) = self.add([node])
        # Python runs `for v in [x]` as the assignment v = x, where a call for each value costs most.
        steps = "".join(f" for {line.replace(' = ', ' in [', 1)}]" for line in self.lines)
        if len(self.lines) > _MOST_INLINE:
            call = self.bind(self.function(f"{one}, {parameters}", text))
            text, steps = f"{call}({one}, {parameters})", ""
        names = dict(self.globals)
        return compiled(parameters, [f"return [{text} for {one} in {many}{steps}]"], names)

    def function(self, parameters: str, result: str) -> Callable[..., Any]:
        """Return the function of PARAMETERS that runs the statements and returns RESULT."""
        return compiled(parameters, [*self.lines, f"return {result}"], dict(self.globals))

    def calling(self, parameters: str, function: Callable[..., Any], arguments: str) -> Callable[..., None]:
        """Return the function of PARAMETERS that calls FUNCTION with ARGUMENTS."""
        assert not self.lines, "there are statements"
        return compiled(parameters, [f"call({arguments})"], {**self.globals, "call": function})


def each(kernel: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    """Return KERNEL of each of VALUES, which are of one type; of those that come often, once.

    One type, so that values that are equal are the same: 1, 1.0 and True never meet.
    """
    distinct = set(values)
    if 2 * len(distinct) > len(values):
        return list(map(kernel, values))
    found = {value: kernel(value) for value in distinct}
    return list(map(found.__getitem__, values))


def compiled(parameters: str, lines: Sequence[str], names: dict[str, Any]) -> Callable[..., Any]:
    """Return the function of PARAMETERS whose body is LINES; NAMES, which it takes over, is what it uses."""
    body = "\n    ".join(lines)
    exec(_code(f"def f({parameters}):\n    {body}\n"), names)  # noqa: S102 - our own text
    return names["f"]  # type: ignore[no-any-return]


@lru_cache(maxsize=4096)
def _code(text: str) -> CodeType:
    """Return TEXT compiled; keys and plans share most of their functions' text."""
    return compile(text, "<headrace>", "exec")


def _walk(roots: Sequence[Node], known: Mapping[Node, str]) -> list[Node]:
    """Return the nodes under ROOTS that are not KNOWN, arguments first."""
    done: dict[Node, None] = {}
    stack = [(r, iter(r.args)) for r in reversed(roots) if r not in known]
    while stack:
        node, rest = stack[-1]
        for arg in rest:
            if arg not in done and arg not in known:
                stack.append((arg, iter(arg.args)))
                break
        else:
            done[node] = None
            stack.pop()
    return list(done)


def tuple_of(texts: Sequence[str]) -> str:
    """Return the text of a tuple."""
    return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"
