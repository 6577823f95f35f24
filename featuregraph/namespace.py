"""The features that a namespace holds: its public expressions, and nothing that is meant as one by mistake.

A class or a mapping is written for the graph, so that a plain value in it is a slip. A module holds what it
likes beside its features. In all of them a stream without an aggregate, or a word without its parentheses,
is a feature that was not finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import FunctionType, MethodType, ModuleType

from featuregraph.errors import CompileError
from featuregraph.expr import Expr, Windows, Words, lift
from featuregraph.rows import Aggregates
from featuregraph.shown import shown

_PACKAGE = __name__.partition(".")[0]
_HIDE = "or begin its name with an underscore"


def features_of(namespace: object) -> dict[str, Expr]:
    """Return the features in NAMESPACE by name, one per window where an attribute has several.

    Raises:
        CompileError: two features have one name, or a public attribute is no feature but looks like one.
    """
    found: dict[str, Expr] = {}
    module = _is_module(namespace)
    for name, value in attributes(namespace).items():
        if name.startswith("_"):
            continue
        made = _features(name, value)
        if not made and (slip := _unfinished(value) or (not module and _misplaced(name, value))):
            raise CompileError(f"feature {name!r}: expected a feature, found {slip}, {_HIDE}")
        if twice := sorted(set(made) & set(found)):
            raise CompileError(
                f"feature {twice[0]!r}: expected one feature of this name, found two; "
                "a list of windows makes NAME_WINDOW of each, rename one"
            )
        found |= made
    return found


def attributes(namespace: object) -> dict[str, object]:
    """Return what NAMESPACE holds: items, attributes with inherited ones, or a module's names."""
    if isinstance(namespace, Mapping):
        return {str(name): value for name, value in namespace.items()}
    merged: dict[str, object] = {}
    for base in reversed(getattr(namespace, "__mro__", ())):
        merged.update(vars(base))
    return merged or dict(getattr(namespace, "__dict__", {}))


def _is_module(namespace: object) -> bool:
    """Tell whether NAMESPACE is a module, or one's globals()."""
    return isinstance(namespace, ModuleType) or (
        isinstance(namespace, Mapping) and "__builtins__" in namespace
    )


def _features(name: str, value: object) -> dict[str, Expr]:
    if isinstance(value, Windows):
        return {f"{name}_{window}": expr for window, expr in value.items()}
    return {name: lift(value)} if isinstance(value, Expr) else {}


def _unfinished(value: object) -> str:
    """Return what is found, and the next step, if VALUE is a feature that was not finished; else nothing."""
    if isinstance(value, Aggregates):
        return f"a stream of {' and '.join(value.events)}; aggregate it, as with .count()"
    if isinstance(value, MethodType) and isinstance(value.__self__, Aggregates | Words):
        return f"the word {value.__name__!r} itself; call it, as {value.__name__}(...)"
    return ""


def _misplaced(name: str, value: object) -> str:
    """Return what is found, and the next step, if VALUE has no place among features; else nothing."""
    if value is None:  # takes an inherited feature away
        return ""
    if isinstance(value, FunctionType) and value.__module__.partition(".")[0] == _PACKAGE:
        return f"the word {value.__name__!r} itself; call it, as fg.{value.__name__}(...)"
    if isinstance(value, ModuleType) or callable(value) or hasattr(type(value), "__get__"):
        return ""  # imports, classes, methods, properties
    if isinstance(value, bool | int | float | str | Decimal):
        return f"{shown(value)}; write fg.lit({shown(value)}) for a value of every query"
    return f"{shown(value)}; write it as expressions, each under a name of its own"
