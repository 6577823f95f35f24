"""Which of many things to keep under a budget of bytes: utility over cost, greedy, and never a byte too many.

1. What is admitted takes no more than the budget.
2. What an admitted item needs is admitted too.
3. Where no item needs another or stands for another, what is admitted is worth at least half of the best
   choice: by density alone a small bargain could keep out the one large thing that matters, so the best
   single item is compared.
4. Of items that stand for one thing the best counts; what only the others need is not admitted with it.

Pure: it knows neither rows nor states.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
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
    saves: Name | None = None  # the one thing that it saves, where others may save it too


Known = Mapping[Name, Item[Name]]


def admit(items: Iterable[Item[Name]], budget: int) -> frozenset[Name]:
    """Return the names of those ITEMS to keep in BUDGET bytes."""
    known = {item.name: item for item in items}
    whole = _used(known, frozenset(known))
    if _bytes(known, whole) <= budget:
        return whole
    greedy = _greedy(known, budget)
    first = _greedy({name: known[name] for name in whole}, budget)  # with no second choice
    single = max(
        (whole for name in known if _bytes(known, whole := _closure(known, name)) <= budget),
        key=lambda whole: _gain(known, whole),
        default=frozenset[Name](),
    )
    return max(greedy, first, single, key=lambda names: _gain(known, names))


def worth(items: Iterable[Item[Name]]) -> float:
    """Return what ITEMS save per query (ns): of those that save one thing, the best."""
    alone = 0.0
    best: dict[Name, float] = {}
    for item in items:
        if item.saves is None:
            alone += item.gain
        else:
            best[item.saves] = max(best.get(item.saves, 0.0), item.gain)
    return alone + sum(best.values())


def readmit(items: Iterable[Item[Name]], budget: int, held: frozenset[Name]) -> frozenset[Name]:
    """Return what to keep now: HELD, unless it is too large, more fits beside it, or others save more."""
    known = {item.name: item for item in items}
    found = admit(known.values(), budget)
    still = held & known.keys()
    fits = _bytes(known, still) <= budget and all(known[name].needs <= still for name in still)
    worth = found > still or _gain(known, found) >= _WORTH_A_CHANGE * _gain(known, still)
    return found if worth or not fits else still


def _greedy(known: Known[Name], budget: int) -> frozenset[Name]:
    """Return what fits, the densest first; one that does not fit is passed by, and others follow."""
    taken: frozenset[Name] = frozenset()
    wholes = {name: _closure(known, name) for name in known}
    while True:
        room, saved = budget - _bytes(known, taken), _saved(known, taken)
        added = [whole - taken for name, whole in wholes.items() if name not in taken]
        sized = [(some, _bytes(known, some)) for some in added]
        useful = [
            (gain / max(1, size), some)
            for some, size in sized
            if size <= room and (gain := _adds(known, saved, some)) > 0
        ]
        if not useful:
            return taken
        taken = _used(known, taken | max(useful, key=itemgetter(0))[1])  # of equal ones, the first


def _saved(known: Known[Name], names: Iterable[Name]) -> dict[Name, float]:
    """Return by thing what NAMES save of it."""
    found: dict[Name, float] = {}
    for item in (known[name] for name in names):
        if item.saves is not None:
            found[item.saves] = max(found.get(item.saves, 0.0), item.gain)
    return found


def _adds(known: Known[Name], saved: Mapping[Name, float], names: frozenset[Name]) -> float:
    """Return what NAMES save beside what is SAVED."""
    alone = sum(known[name].gain for name in names if known[name].saves is None)
    both = _saved(known, names)
    return alone + sum(max(0.0, gain - saved.get(thing, 0.0)) for thing, gain in both.items())


def _used(known: Known[Name], names: frozenset[Name]) -> frozenset[Name]:
    """Return NAMES without those that save what others save better, and what only they need."""
    best: dict[Name, Name] = {}
    for name in known:  # in order: of equal ones, the first
        thing = known[name].saves
        if name in names and thing is not None:
            held = best.get(thing)
            if held is None or known[name].gain > known[held].gain:
                best[thing] = name
    beaten = {n for n in names if (thing := known[n].saves) is not None and best[thing] != n}
    if not beaten:
        return names
    left = names - beaten
    needed = frozenset().union(*(known[name].needs for name in left))
    only = frozenset().union(*(known[name].needs for name in beaten)) - needed
    return left - {name for name in only if known[name].gain <= 0}


def _closure(known: Known[Name], name: Name) -> frozenset[Name]:
    """Return NAME with all that it needs, and they need."""
    found: set[Name] = set()
    left = [name]
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left.extend(known[one].needs)
    return frozenset(found)


def _gain(known: Known[Name], names: Iterable[Name]) -> float:
    return worth(known[name] for name in names)


def _bytes(known: Known[Name], names: Iterable[Name]) -> int:
    return sum(known[name].bytes for name in names)
