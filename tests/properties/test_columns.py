"""Columns give back what they were given, bit for bit, whatever happens to them (stream.columns)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featuregraph.scalar import OVERFLOW
from featuregraph.types import BOOLEAN, FLOAT64, INT64, STRING, Type
from stream.columns import Column, Dictionary, Listed, Misfit, column_of

pytestmark = pytest.mark.device

EDGES = [side * (1 << bits) + step for bits in (0, 7, 15, 31, 62) for side in (1, -1) for step in (-1, 0, 1)]
INTEGERS = st.one_of(
    st.none(), st.sampled_from(EDGES), st.integers(-300, 300), st.integers(-(2**63), 2**63 - 1)
)
FLOATS = st.one_of(st.none(), st.just(OVERFLOW), st.floats(allow_nan=False, allow_infinity=False))
TEXTS = st.one_of(st.none(), st.just(OVERFLOW), st.text(max_size=3), st.sampled_from("abc"))
BOOLEANS = st.sampled_from((None, True, False))
KINDS: dict[Type, Any] = {
    INT64: st.one_of(INTEGERS, st.just(OVERFLOW)),
    FLOAT64: FLOATS,
    STRING: TEXTS,
    BOOLEAN: BOOLEANS,
}


class Exchanged:
    """A column that is exchanged for a list where a value does not fit, as rows do it."""

    def __init__(self, type: Type, dictionary: Dictionary) -> None:
        self.column: Column = column_of(type, dictionary)
        self.values: list[Any] = []

    def do(self, what: str, *args: Any) -> None:
        """Do WHAT to the column, and to the list that it must equal."""
        try:
            getattr(self.column, what)(*args)
        except Misfit:
            assert list(self.column.take(0, len(self.values))) == self.values, "a refusal changes nothing"
            self.column = Listed(self.values)
            getattr(self.column, what)(*args)
        match what:
            case "drop":
                del self.values[: args[0]]
            case _:
                getattr(self.values, what)(*args)

    def check(self) -> None:
        """Require that all values, and those of any range, are as they were given."""
        n = len(self.values)
        for start, end in ((0, n), (n // 3, n // 2), (n // 2, n)):
            found = self.column.take(start, end)
            assert [(type(x), repr(x)) for x in found] == [(type(x), repr(x)) for x in self.values[start:end]]
        assert self.column.bytes > 0


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(data=st.data())
def test_a_column_gives_back_what_it_was_given(kind: Type, data: st.DataObject) -> None:
    """After any appends, inserts, drops and sweeps a column equals a list."""
    dictionary = Dictionary()
    columns = [Exchanged(kind, dictionary) for _ in range(2)]
    for _ in range(data.draw(st.integers(1, 8))):
        one = data.draw(st.sampled_from(columns))
        n = len(one.values)
        match data.draw(st.sampled_from(("extend", "extend", "insert", "drop", "sweep"))):
            case "extend":
                one.do("extend", data.draw(st.lists(KINDS[kind], max_size=20)))
            case "insert":
                one.do("insert", data.draw(st.integers(0, n)), data.draw(KINDS[kind]))
            case "drop":
                one.do("drop", data.draw(st.integers(0, n)))
            case _:
                dictionary.sweep(column.column for column in columns)
        for column in columns:
            column.check()


def test_a_dictionary_forgets_what_no_row_holds() -> None:
    """A stream of texts that never come again is held for as long as rows hold it, and little longer."""
    dictionary = Dictionary()
    column = column_of(STRING, dictionary)
    held = []
    for number in range(200):
        column.extend([f"text {number} {i}" for i in range(50)])
        if number >= 10:
            column.drop(50)
        if dictionary.is_due:
            dictionary.sweep([column])
        held.append(len(dictionary.values))
    assert max(held) <= 2 * 500 + 1000
    assert held[-1] >= 500
    assert list(column.take(0, 1)) == ["text 190 0"]


def test_a_dictionary_shares_equal_values() -> None:
    """Columns of one key hold a text once, and a sweep costs no row its value."""
    dictionary = Dictionary()
    columns = [column_of(STRING, dictionary) for _ in range(3)]
    for column in columns:
        column.extend([f"k{i % 7}" for i in range(1000)])
    assert len(dictionary.values) == 7
    assert all(column.bytes < 1200 for column in columns)
    dictionary.sweep(columns)
    assert [column.take(5, 8) for column in columns] == [["k5", "k6", "k0"]] * 3


def test_integers_take_no_more_room_than_they_need() -> None:
    """A column of small integers is small; one of large ones grows with the first of them."""
    column = column_of(INT64, Dictionary())
    column.extend([1, None, 100] * 1000)
    small = column.bytes
    column.extend([1 << 40])
    assert small < 3400
    assert 24_000 < column.bytes < 27_000
    assert column.take(0, 3) == [1, None, 100]
    assert column.take(3000, 3001) == [1 << 40]


@pytest.mark.parametrize("bits", [7, 15, 31])
def test_integers_at_the_end_of_a_width_are_not_null(bits: int) -> None:
    """The least of a width stands for null there, so that it asks for the next one."""
    least = -(1 << bits)
    column = column_of(INT64, Dictionary())
    column.extend([least + 1])  # it has this width from now on
    column.extend([least])
    column.extend([None])
    assert list(column.take(0, 3)) == [least + 1, least, None]


@pytest.mark.parametrize("one_by_one", [False, True])
def test_as_many_texts_as_a_width_has_codes(one_by_one: bool) -> None:
    """One more asks for the next width, all at once and one by one."""
    column = column_of(STRING, Dictionary())
    texts = [f"text {number}" for number in range(257)]
    if one_by_one:
        for at, text in enumerate(texts):
            column.insert(at, text)
    else:
        column.extend(texts[:256])
        column.extend(texts[256:])
    assert list(column.take(0, 257)) == texts
