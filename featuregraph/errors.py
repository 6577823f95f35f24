"""What can go wrong between a graph and its values.

FeatureGraphError
├── CompileError        (ValueError)       the graph breaks a rule of the contract
│   ├── UnknownFieldError (AttributeError) a declared class has no such field; names the nearest
│   └── UnknownWordError  (AttributeError) a value or a stream has no such word; names the nearest
├── EventError          (ValueError)       an event is refused
├── RequestError        (ValueError)       a query's key, request or candidates have another form
├── FeatureOverflowError(ArithmeticError)  a value does not fit its type; names the feature
├── TableError          (ValueError)       a table is missing or one of its rows is refused
└── UnknownFeatureError (KeyError)         a vector has no such feature; names the nearest

Every message is one line: what was expected, what was found, where, and the next step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from featuregraph.shown import bounded

if TYPE_CHECKING:
    from featuregraph.place import Place


class FeatureGraphError(Exception):
    """Root of the errors that this package raises on purpose."""

    kind: ClassVar[str] = "error"

    def __init__(self, message: str = "") -> None:
        super().__init__(bounded(message))


class CompileError(FeatureGraphError, ValueError):
    """Say that a graph does not compile, and where."""

    kind = "compile"
    place: Place | None = None  # in the user's file, once it is known


class UnknownFieldError(CompileError, AttributeError):
    """Say that a declared class has no such field, and which are like it."""


class UnknownWordError(CompileError, AttributeError):
    """Say that a value or a stream has no such word, and where it stands or which are like it."""


class EventError(FeatureGraphError, ValueError):
    """Say that an event is refused."""

    kind = "event"


class RequestError(FeatureGraphError, ValueError):
    """Say that a query has another form than the graph asks for."""

    kind = "request"


class FeatureOverflowError(FeatureGraphError, ArithmeticError):
    """Say that a feature's value lies outside its type."""

    kind = "overflow"

    def __init__(self, feature: str, detail: str = "") -> None:
        self.feature = feature
        self._detail = detail
        super().__init__(
            f"feature {feature!r}: expected a value inside its type, found an overflow"
            f"{f' in {detail}' if detail else ''}; widen the type, shorten the window or scale the input down"
        )

    def __reduce__(self) -> tuple[object, ...]:
        # A worker's error crosses processes with its feature, not with its message for one.
        return type(self), (self.feature, self._detail)


class TableError(FeatureGraphError, ValueError):
    """Say that a table is missing or refused."""

    kind = "table"


class UnknownFeatureError(FeatureGraphError, KeyError):
    """Say that a vector has no such feature, and which are like it."""

    kind = "feature"
    __str__ = Exception.__str__  # a KeyError's own writes the message in quotes
