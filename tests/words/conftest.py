"""What the tests of the user's words share: a shop's events, and how a refusal is read."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.place import Place


class Purchase(fg.Event, name="purchase"):
    """An event."""

    item_id = fg.identifier()
    quantity = fg.int64()
    unit_price = fg.decimal(3)
    gift = fg.boolean()


class View(fg.Event, name="view"):
    """An event that shares a field with the first."""

    item_id = fg.identifier()
    category = fg.category()


class Item(fg.Candidate):
    """What comes with each candidate."""

    category = fg.category()


class Context(fg.Request):
    """What comes with a query."""

    query = fg.string()
    embedding = fg.vector(4)


@pytest.fixture
def app() -> Any:
    """Return the declarations of one application."""
    return SimpleNamespace(Purchase=Purchase, View=View, Item=Item, Context=Context)


Words = Callable[[], object]


@pytest.fixture
def refused() -> Callable[[Words], str]:
    """Return the function that gives a refusal's message, after checking that it names the words' line."""

    def message(words: Words) -> str:
        with pytest.raises(fg.CompileError) as caught:
            words()
        place = Place(words.__code__.co_filename, words.__code__.co_firstlineno)
        assert caught.value.place == place
        text = str(caught.value)
        assert text.startswith(f"{place}: ")
        assert text == " ".join(text.splitlines())
        return text.removeprefix(f"{place}: ")

    return message
