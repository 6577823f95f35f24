"""What looks like a feature or a field and is none is refused, not left out in silence."""

from __future__ import annotations

import types
from typing import Any, ClassVar

import pytest

import featuregraph as fg
from featuregraph import CompileError


class View(fg.Event, name="view"):
    """An event, with what else a class may hold."""

    item = fg.category()
    n: fg.Field = fg.int64()
    _note = "no field"
    table: ClassVar[str]

    @classmethod
    def make(cls) -> str:
        """Return nothing of interest."""
        return "made"


def test_a_class_may_hold_methods_and_private_names() -> None:
    """Only what could be meant as a field is refused."""
    assert View.schema is not None
    assert [name for name, _ in View.schema.fields] == ["item", "n"]
    assert View.make() == "made"


def test_an_annotation_alone_is_no_field() -> None:
    """The word for its type is named."""
    with pytest.raises(
        CompileError, match=r"'price' with the annotation float alone; write price = fg.float64"
    ):
        types.new_class("Buy", (fg.Event,), exec_body=lambda ns: ns.update(__annotations__={"price": float}))


@pytest.mark.parametrize("declared", [fg.Event, fg.Request, fg.Candidate])
def test_a_plain_value_is_no_field(declared: Any) -> None:
    """Neither in events nor in what comes with a query."""
    with pytest.raises(CompileError, match=r"expected a field, found 'rate' = 3; declare it, as in fg.int64"):
        types.new_class("Odd", (declared,), exec_body=lambda ns: ns.update(rate=3))


def test_rows_are_no_feature() -> None:
    """A stream that was not aggregated, at any stage."""
    rows = fg.rows(View)
    for stream in (rows, rows.over("1d"), rows.last(3), rows.group_by(View.item)):
        with pytest.raises(CompileError, match=r"feature 'views': expected one value per query, found rows"):
            fg.Graph("g", {"views": stream, "n": rows.count()})


def test_plain_values_are_no_features() -> None:
    """Neither in a class nor in a mapping; a constant is written as one."""
    n = fg.rows(View).count()
    for features in ({"n": n, "rate": 3}, type("G", (), {"n": n, "rate": 3})):
        with pytest.raises(
            CompileError, match=r"feature 'rate': expected an expression, found 3; write fg.lit"
        ):
            fg.Graph("g", features)


def test_a_class_and_a_module_may_hold_other_things() -> None:
    """Functions, classes and graphs in a class; anything in a module."""
    n = fg.rows(View).count()
    graph = fg.Graph("g", {"n": n})
    held = {"n": n, "View": View, "help": lambda: 1, "g": graph, "_rate": 3, "p": property(lambda _: 1)}
    assert fg.Graph("g", type("G", (), held)) == graph
    module = types.ModuleType("m")
    vars(module).update(held, rate=3, views=fg.rows(View))
    assert fg.Graph("g", module) == graph


def test_a_second_window_or_offset_is_refused() -> None:
    """The first would be lost: both are named."""
    rows = fg.rows(View)
    with pytest.raises(CompileError, match=r"over: expected one window, found '7d' after '1h'"):
        rows.over("1h").over("7d")
    with pytest.raises(CompileError, match=r"over: expected one window, found \['7d'\] after '1h'"):
        rows.over("1h").over(["7d"])
    with pytest.raises(CompileError, match=r"offset: expected one offset, found '2d' after '1d'"):
        rows.offset("1d").over("1h").offset("2d")
    assert rows.over(None).over("7d").count().node is rows.over("7d").count().node
