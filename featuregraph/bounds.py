"""The limits of what a graph may hold, and the checks of numbers and names that all nodes share."""

from __future__ import annotations

from featuregraph.convert import converter
from featuregraph.errors import CompileError
from featuregraph.ir import Node
from featuregraph.types import STRING

MAX_DEPTH = 256  # of an expression: every later walk may recurse safely
MAX_LIST = 100_000  # n of a sequence, k of topk and top, values of is_in, edges of bucketize
MAX_BUCKETS = 2**63
MAX_LAST = 2**31  # rows of last(n)


def whole(value: object, what: str, least: int, most: int) -> int:
    """Return VALUE if it is a whole number from LEAST to MOST, else raise CompileError."""
    if type(value) is not int or not least <= value <= most:
        raise CompileError(
            f"{what}: expected a whole number from {least} to {most}, found {value!r}; correct it"
        )
    return value


def named(value: object, expected: str) -> str:
    """Return VALUE if it is a text of valid UTF-8; else raise CompileError, which begins with EXPECTED."""
    if isinstance(value, str) and value and converter(STRING)(value) == value:
        return value
    raise CompileError(f"{expected}, found {value!r:.60}; give it a text")


def bounded(node: Node) -> Node:
    """Return NODE if it is not too deep, else raise CompileError."""
    if node.depth > MAX_DEPTH:
        raise CompileError(
            f"expected expressions at most {MAX_DEPTH} operators deep, found {node.depth}; "
            "split the expression"
        )
    return node
