"""What a declared class may hold beside its fields, and what is a slip."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import pytest

import featuregraph as fg


def test_what_python_users_write_in_a_class_is_legal() -> None:
    """Methods, properties, classes, class variables, hidden names and annotated fields."""

    class Buy(fg.Event, name="buy"):
        """An event."""

        price: fg.Field = fg.decimal(2)
        topic: ClassVar[str] = "shop"
        _version = 3
        _later: int
        math = math

        class Meta:
            """A class in the class."""

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

    assert str(fg.rows(Buy).last(Buy.price).dtype) == "decimal(2)"
    with pytest.raises(fg.CompileError, match=r"found 'topic'; did you mean 'price'\?"):
        Buy["topic"]


def test_a_field_of_another_event_is_declared_by_its_own_name() -> None:
    """`item_id = Buy.item_id` is the same field in both."""

    class Buy(fg.Event, name="buy"):
        item_id = fg.identifier()

    class Look(fg.Event, name="look"):
        item_id = Buy.item_id

    assert fg.rows(Buy, Look).distinct(Look.item_id).node["events"] == ("buy", "look")


def event(**body: Any) -> object:
    """Return an event class with BODY."""
    return types.new_class("Buy", (fg.Event,), {}, lambda names: names.update(body))


def annotated(annotation: object) -> object:
    """Return an event class with an annotation alone."""
    return event(__annotations__={"price": annotation})


HIDE = "or begin its name with an underscore"
ANY = "declare it by the word for its type, such as fg.int64() or fg.decimal(2)"
SHARED = fg.int64()
SLIPS: list[tuple[Callable[[], object], str]] = [
    (lambda: annotated(float), "the annotation float alone; declare it, as price = fg.float64()"),
    (lambda: annotated("float"), "the annotation float alone; declare it, as price = fg.float64()"),
    (lambda: annotated("int | None"), "the annotation int alone; declare it, as price = fg.int64()"),
    (lambda: annotated(bool), "the annotation bool alone; declare it, as price = fg.boolean()"),
    (lambda: annotated(str), "the annotation str alone; declare it, as price = fg.string()"),
    (lambda: annotated(Decimal), "the annotation Decimal alone; declare it, as price = fg.decimal(2)"),
    (
        lambda: annotated("datetime.datetime"),
        "the annotation datetime alone; declare it, as price = fg.timestamp()",
    ),
    (lambda: annotated("fg.category"), "the annotation category alone; declare it, as price = fg.category()"),
    (lambda: annotated("catgory"), "the annotation catgory alone; declare it, as price = fg.category()"),
    (lambda: annotated("Money"), f"the annotation Money alone; {ANY}"),
    (lambda: event(price=fg.int64), "the word fg.int64 itself; declare it, as price = fg.int64()"),
    (lambda: event(price=fg.decimal), "the word fg.decimal itself; declare it, as price = fg.decimal(2)"),
    (lambda: event(price=float), "the type float; declare it, as price = fg.float64()"),
    (lambda: event(price=1.5), f"1.5; declare it, as price = fg.float64(), {HIDE}"),
    (lambda: event(price="decimal(3)"), f"'decimal(3)'; declare it, as price = fg.decimal(3), {HIDE}"),
    (lambda: event(price="cheap"), f"'cheap'; declare it, as price = fg.string(), {HIDE}"),
    (lambda: event(price=[1]), f"[1]; {ANY}, {HIDE}"),
    (lambda: event(a=SHARED, price=SHARED), "that of 'a'; declare it, as price = fg.int64()"),
]


@pytest.mark.parametrize(("words", "message"), SLIPS, ids=[message for _, message in SLIPS])
def test_what_is_no_field_is_refused(words: Callable[[], object], message: str) -> None:
    """The class and the name, what stands there, and the word to write."""
    with pytest.raises(fg.CompileError) as caught:
        words()
    assert str(caught.value).partition(": ")[2] == f"Buy.price: expected a field, found {message}"


class Priced:
    """A plain class whose fields others mix in."""

    price = fg.decimal(2)
    tax: float


def buy() -> None:
    """Declare an event."""

    class Buy(Priced, fg.Event):
        pass


def context() -> None:
    """Declare request values."""

    class Context(fg.Request):
        h: int


def item() -> None:
    """Declare candidate values."""

    class Item(fg.Candidate):
        rank = 1


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (
            buy,
            "Buy.tax: expected a field, found the annotation float alone; declare it, as tax = fg.float64()",
        ),
        (
            context,
            "Context.h: expected a field, found the annotation int alone; declare it, as h = fg.int64()",
        ),
        (item, f"Item.rank: expected a field, found 1; declare it, as rank = fg.int64(), {HIDE}"),
    ],
)
def test_every_class_that_declares_is_held_to_it(declare: Callable[[], None], message: str) -> None:
    """Requests, candidates and what is mixed in; the place is the line of the class that declares."""
    with pytest.raises(fg.CompileError) as caught:
        declare()
    line = declare.__code__.co_firstlineno + 3
    assert str(caught.value) == f"{__file__}:{line}: {message}"
