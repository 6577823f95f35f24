"""Which of many things to keep under a budget of bytes: utility over cost, greedy, and never a byte too many.

1. What is admitted takes no more than the budget.
2. What an admitted item needs is admitted too.
3. Where no item needs another, what is admitted is worth at least half of the best choice: by density alone a
   small bargain could keep out the one large thing that matters, so the best single item is compared.

Pure: it knows neither rows nor states.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)

_WORTH_A_CHANGE: Final = 1.1  # what a change must bring, since a change costs reads


@dataclass(frozen=True, slots=True)
class Item(Generic[Name]):
    """Something to keep: what it saves per query (ns), what it takes, what it is good for nothing without."""

    name: Name
    gain: float
    bytes: int
    needs: frozenset[Name] = frozenset()


def admit(items: Iterable[Item[Name]], budget: int) -> frozenset[Name]:
    """Return the names of those ITEMS to keep in BUDGET bytes."""
    known = {item.name: item for item in items}
    if _bytes(known, known) <= budget:
        return frozenset(known)
    greedy = _greedy(known, budget)
    single = max(
        (whole for name in known if _bytes(known, whole := _closure(known, name)) <= budget),
        key=lambda whole: _gain(known, whole),
        default=frozenset[Name](),
    )
    return max(greedy, single, key=lambda names: _gain(known, names))


def readmit(items: Iterable[Item[Name]], budget: int, held: frozenset[Name]) -> frozenset[Name]:
    """Return what to keep now: HELD, unless it is too large, more fits beside it, or others save more."""
    known = {item.name: item for item in items}
    found = admit(known.values(), budget)
    still = held & known.keys()
    fits = _bytes(known, still) <= budget and all(known[name].needs <= still for name in still)
    worth = found > still or _gain(known, found) >= _WORTH_A_CHANGE * _gain(known, still)
    return found if worth or not fits else still


def _greedy(known: Mapping[Name, Item[Name]], budget: int) -> frozenset[Name]:
    """Return what fits, the densest first; one that does not fit is passed by, and others follow."""
    taken: frozenset[Name] = frozenset()
    wholes = {name: _closure(known, name) for name in known}
    room = budget
    while True:
        added = [whole - taken for name, whole in wholes.items() if name not in taken]
        useful = [some for some in added if _bytes(known, some) <= room and _gain(known, some) > 0]
        if not useful:
            return taken
        best = max(useful, key=lambda some: _density(known, some))  # of equal ones, the first
        room -= _bytes(known, best)
        taken |= best


def _closure(known: Mapping[Name, Item[Name]], name: Name) -> frozenset[Name]:
    """Return NAME with all that it needs, and they need."""
    found: set[Name] = set()
    left = [name]
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left.extend(known[one].needs)
    return frozenset(found)


def _density(known: Mapping[Name, Item[Name]], names: frozenset[Name]) -> float:
    return _gain(known, names) / max(1, _bytes(known, names))


def _gain(known: Mapping[Name, Item[Name]], names: Iterable[Name]) -> float:
    return sum(known[name].gain for name in names)


def _bytes(known: Mapping[Name, Item[Name]], names: Iterable[Name]) -> int:
    return sum(known[name].bytes for name in names)
