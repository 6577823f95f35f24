"""What a namespace of features may hold beside them, and what is a slip."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from decimal import Decimal
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import pytest

import featuregraph as fg


class Buy(fg.Event, name="buy"):
    """An event."""

    item_id = fg.identifier()
    quantity = fg.int64()


class Look(fg.Event, name="look"):
    """Another event."""

    item_id = fg.identifier()


BUYS = fg.rows(Buy)
Refused = Callable[[Callable[[], object]], str]


class Base:
    """What a class may hold besides."""

    old = BUYS.count()


class Rich(Base):
    """Everything that Python users expect to be able to write in a class."""

    _rate = 3
    _stream = BUYS.over("7d")
    __slots__ = ()
    old = None  # type: ignore[assignment]  # takes the inherited one away
    count = _stream.count()
    later: fg.Expr
    _counts: ClassVar[dict[str, int]] = {}

    class Meta:
        """A class in the class."""

    math = math

    def method(self) -> None:
        """Do nothing."""

    @staticmethod
    def static() -> None:
        """Do nothing."""

    @classmethod
    def cls_method(cls) -> None:
        """Do nothing."""

    @property
    def prop(self) -> int:
        """Return nothing of interest."""
        return 1

    @functools.cached_property
    def cached(self) -> int:
        """Return nothing of interest."""
        return 1


def test_what_python_users_write_in_a_class_is_legal() -> None:
    """Methods, properties, classes, annotations, imports and hidden names; None takes a feature away."""
    assert list(fg.Graph("g", Rich).features) == ["count"]


def test_a_module_holds_what_it_likes() -> None:
    """Constants, lists and imported words stand beside the features of a module, or of its globals()."""
    module = ModuleType("shop")
    vars(module).update(DAY=86_400_000, names=["a"], where=fg.where, Buy=Buy, n=BUYS.count())
    assert list(fg.Graph("g", module).features) == ["n"]
    assert list(fg.Graph("g", vars(module) | {"__builtins__": {}}).features) == ["n"]


def of_module(**attributes: object) -> fg.Graph:
    """Return the graph of a module with ATTRIBUTES and one feature."""
    module = ModuleType("shop")
    vars(module).update(n=BUYS.count(), **attributes)
    return fg.Graph("g", module)


HIDE = "or begin its name with an underscore"
STREAM = f"aggregate it, as with .count(), {HIDE}"
SLIPS: list[tuple[dict[str, object], str]] = [
    ({"rate": 3}, f"found 3; write fg.lit(3) for a value of every query, {HIDE}"),
    ({"rate": 0.5}, f"found 0.5; write fg.lit(0.5) for a value of every query, {HIDE}"),
    ({"rate": "7d"}, f"found '7d'; write fg.lit('7d') for a value of every query, {HIDE}"),
    ({"rate": True}, f"found True; write fg.lit(True) for a value of every query, {HIDE}"),
    (
        {"rate": Decimal("1.5")},
        f"found Decimal('1.5'); write fg.lit(Decimal('1.5')) for a value of every query, {HIDE}",
    ),
    ({"rate": [1, 2]}, f"found [1, 2]; write it as expressions, each under a name of its own, {HIDE}"),
    ({"rate": fg.now}, f"found the word 'now' itself; call it, as fg.now(...), {HIDE}"),
]
UNFINISHED: list[tuple[dict[str, object], str]] = [
    ({"rate": BUYS}, f"found a stream of buy; {STREAM}"),
    ({"rate": fg.rows(Look, Buy).over(["1h", "7d"])}, f"found a stream of buy and look; {STREAM}"),
    ({"rate": BUYS.last(5)}, f"found a stream of buy; {STREAM}"),
    ({"rate": BUYS.group_by(Buy.item_id)}, f"found a stream of buy; {STREAM}"),
    ({"rate": BUYS.count}, f"found the word 'count' itself; call it, as count(...), {HIDE}"),
    ({"rate": BUYS.count().log1p}, f"found the word 'log1p' itself; call it, as log1p(...), {HIDE}"),
]


@pytest.mark.parametrize(
    ("attributes", "message"), SLIPS + UNFINISHED, ids=[m for _, m in SLIPS + UNFINISHED]
)
def test_what_is_no_feature_is_refused(attributes: dict[str, object], message: str) -> None:
    """In a class, a mapping and any other object: the attribute's name, what it is, and what to write."""
    for namespace in (
        type("Shop", (), attributes),
        {"n": BUYS.count()} | attributes,
        SimpleNamespace(**attributes),
    ):
        with pytest.raises(fg.CompileError) as caught:
            fg.Graph("g", namespace)
        assert str(caught.value).partition(": ")[2] == f"feature 'rate': expected a feature, {message}"


@pytest.mark.parametrize(("attributes", "message"), UNFINISHED, ids=[m for _, m in UNFINISHED])
def test_an_unfinished_feature_is_refused_in_a_module_too(
    attributes: dict[str, object], message: str
) -> None:
    """Whatever else a module may hold, a public stream was meant to be aggregated."""
    with pytest.raises(fg.CompileError) as caught:
        of_module(**attributes)
    assert str(caught.value).partition(": ")[2] == f"feature 'rate': expected a feature, {message}"


def test_the_place_is_where_the_graph_is_made(refused: Refused) -> None:
    """The line of fg.Graph, as for every slip in a graph."""
    assert refused(lambda: fg.Graph("g", {"n": BUYS.count(), "rate": 3})).startswith("feature 'rate': ")
