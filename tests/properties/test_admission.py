"""What is admitted to memory keeps the budget, and is worth half of the best choice (stream.admission)."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.admission import Item, admit, readmit
from stream.cost import overlap, rows_gain, state_gain

pytestmark = pytest.mark.device

GAINS = st.one_of(st.integers(0, 20), st.floats(0, 1e6))


@st.composite
def menus(draw: Any, *, linked: bool) -> list[Item[int]]:
    """Draw items; LINKED: some need others."""
    found: list[Item[int]] = []
    for name in range(draw(st.integers(0, 7))):
        needs = draw(st.sets(st.integers(0, name - 1), max_size=2)) if linked and name else set()
        found.append(Item(name, draw(GAINS), draw(st.integers(0, 12)), frozenset(needs)))
    return found


def best(items: list[Item[int]], budget: int) -> float:
    """Return what the best choice is worth, found by trying all."""
    choices = chain.from_iterable(combinations(items, n) for n in range(len(items) + 1))
    return max(sum(i.gain for i in some) for some in choices if sum(i.bytes for i in some) <= budget)


def worth(items: list[Item[int]], names: frozenset[int]) -> float:
    """Return what NAMES are worth."""
    return sum(item.gain for item in items if item.name in names)


def weight(items: list[Item[int]], names: frozenset[int]) -> int:
    """Return what NAMES take."""
    return sum(item.bytes for item in items if item.name in names)


@given(menus(linked=False), st.integers(0, 40))
def test_half_of_the_best(items: list[Item[int]], budget: int) -> None:
    """Of independent items, what is admitted fits and is worth at least half of the optimum."""
    found = admit(items, budget)
    assert weight(items, found) <= budget
    assert 2 * worth(items, found) >= best(items, budget) * (1 - 1e-12)


@given(menus(linked=True), st.integers(0, 40), st.sets(st.integers(0, 9)))
def test_the_budget_is_never_exceeded(items: list[Item[int]], budget: int, held: set[int]) -> None:
    """Whatever needs whatever, and whatever was held, what is kept fits and has all that it needs."""
    for found in (admit(items, budget), readmit(items, budget, frozenset(held))):
        assert weight(items, found) <= budget
        assert all(item.needs <= found for item in items if item.name in found)


@given(menus(linked=True), st.integers(0, 40))
def test_what_is_held_stays_where_nothing_better_is_near(items: list[Item[int]], budget: int) -> None:
    """A choice is a fixed point: asked again with nothing changed, it stays; a better one replaces it."""
    found = admit(items, budget)
    assert readmit(items, budget, found) == found
    assert worth(items, readmit(items, budget, frozenset())) >= worth(items, found)


@given(menus(linked=True))
def test_everything_of_use_fits_a_large_budget(items: list[Item[int]]) -> None:
    """With room for all, nothing is left out, whatever it saves; nor is it later."""
    everything = {item.name for item in items}
    assert admit(items, 1_000) == everything
    assert readmit(items, 1_000, admit(items, 5)) == everything


def test_one_large_thing_beats_a_small_bargain() -> None:
    """By density alone, the small one would keep the large one out."""
    items = [Item("small", 2.0, 1), Item("large", 100.0, 100)]
    assert admit(items, 100) == {"large"}
    assert admit(items, 101) == {"small", "large"}
    assert admit(items, 99) == {"small"}


def test_what_does_not_fit_is_passed_by() -> None:
    """After one that is too large, smaller ones still come in."""
    items = [Item("a", 10.0, 5), Item("b", 9.0, 6), Item("c", 1.0, 2)]
    assert admit(items, 7) == {"a", "c"}
    assert admit(items, 4) == {"c"}


def test_a_need_is_paid_for() -> None:
    """A state counts together with the rows that it needs, and is nearly free once they are kept."""
    rows, other = Item("rows", 10.0, 10), Item("other", 13.0, 10)
    state = Item("state", 10.0, 1, frozenset({"rows"}))
    assert admit([rows, other, state], 11) == {"rows", "state"}
    assert admit([rows, other, state], 10) == {"other"}


@pytest.mark.parametrize(
    ("reach", "interval", "expected"),
    [
        (300_000, 60_000, 0.8),
        (3_600_000, 60_000, 59 / 60),
        (60_000, 60_000, 0.0),
        (1, 60_000, 0.0),
        (None, 9e9, 1.0),
    ],
)
def test_the_overlap_of_two_queries(reach: int | None, interval: float, expected: float) -> None:
    """A window of five minutes asked each minute reads four of five rows again; a shorter one none."""
    assert overlap(reach, interval) == pytest.approx(expected)


def test_what_is_saved() -> None:
    """Rows save their decoding; states save the fold, unless most rows leave between two queries."""
    assert rows_gain(100, 300_000, 60_000, 2_000.0) == pytest.approx(160_000)
    assert state_gain(100, 3, None, 1.0) == pytest.approx(100 * 3 * 60)
    assert state_gain(100, 3, 1_000, 900.0) == 0
    assert state_gain(0, 3, 1_000, 1.0) == 0
