"""The types of SEMANTICS section 2, and the shapes that aggregates give."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from featuregraph.errors import CompileError

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
MAX_SCALE = 18
MAX_VECTOR = 65_536

_PLAIN = ("int64", "float64", "boolean", "string", "category", "identifier", "timestamp")
_PARAM = re.compile(r"(decimal|vector)\((\d{1,6})\)", re.ASCII)
_TEXT = frozenset({"string", "category", "identifier"})
_NUMBER = frozenset({"int64", "float64", "decimal", "timestamp"})


@dataclass(frozen=True, slots=True)
class Type:
    """One scalar type: a kind, and for decimal its scale, for vector its length."""

    kind: str
    param: int | None = None

    def __str__(self) -> str:
        return self.kind if self.param is None else f"{self.kind}({self.param})"

    def __reduce__(self) -> tuple[object, ...]:
        # Types are compared by identity: a copy, also in another process, is the type itself.
        return Type.parse, (str(self),)

    @property
    def is_text(self) -> bool:
        """Tell whether values are text."""
        return self.kind in _TEXT

    @property
    def is_number(self) -> bool:
        """Tell whether values are numbers."""
        return self.kind in _NUMBER

    @property
    def is_integral(self) -> bool:
        """Tell whether values are int64 (a timestamp acts as one)."""
        return self.kind in ("int64", "timestamp")

    @property
    def scale(self) -> int:
        """Return the decimal digits after the point; 0 for every other type."""
        return (self.param or 0) if self.kind == "decimal" else 0

    @staticmethod
    def parse(text: object) -> Type:
        """Return the type that TEXT names; raise CompileError if there is none."""
        if isinstance(text, str):
            if text in _PLAIN:
                return _plain(text)
            if match := _PARAM.fullmatch(text):
                return (decimal if match[1] == "decimal" else vector)(int(match[2]))
        raise CompileError(
            f"expected a type ({', '.join(_PLAIN)}, decimal(0..18), vector(n)), "
            f"found {text!r:.60}; correct its spelling"
        )


@dataclass(frozen=True, slots=True)
class ListType:
    """A list of scalars: the value of topk and top."""

    item: Type

    def __str__(self) -> str:
        return f"list<{self.item}>"


@dataclass(frozen=True, slots=True)
class MapType:
    """A map from group to value: a grouped aggregate."""

    key: Type
    value: Type

    def __str__(self) -> str:
        return f"map<{self.key}, {self.value}>"


@dataclass(frozen=True, slots=True)
class RecordType:
    """Aligned lists by name: the value of a sequence."""

    items: tuple[tuple[str, Type], ...]

    def __str__(self) -> str:
        return f"record<{', '.join(f'{name}: list<{item}>' for name, item in self.items)}>"


AnyType = Type | ListType | MapType | RecordType


@cache
def _plain(kind: str) -> Type:
    return Type(kind)


INT64, FLOAT64, BOOLEAN, STRING, CATEGORY, IDENTIFIER, TIMESTAMP = map(_plain, _PLAIN)


@cache
def decimal(scale: int) -> Type:
    """Return the type of an exact decimal: an int64 that holds value x 10**SCALE, SCALE 0 to 18."""
    if type(scale) is not int or not 0 <= scale <= MAX_SCALE:
        raise CompileError(f"expected a decimal scale of 0 to {MAX_SCALE}, found {scale!r}; use fewer digits")
    return Type("decimal", scale)


@lru_cache(maxsize=256)
def vector(length: int) -> Type:
    """Return the type of exactly LENGTH float32 numbers."""
    if type(length) is not int or not 1 <= length <= MAX_VECTOR:
        raise CompileError(
            f"expected a vector length of 1 to {MAX_VECTOR}, found {length!r}; give its real length"
        )
    return Type("vector", length)
