"""What one plan answered last of one key: where no row came or went, the answer stands.

1. A value is read again only if a row entered or left a window that it reads, or if it waits for the query.
2. What a caller does to the values it got changes no later answer.
3. What is read each time is not held in between: of a thousand candidates it would be most of a key.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from featuregraph import FeatureOverflowError, Plan
from featuregraph.aggregates.weight import weigh
from featuregraph.layout import Layout
from featuregraph.refresh import ANY, NEVER_READ, Copier, Place, Refresher, copier, is_settled, refresher
from stream.cells import Readable

_VALUE_BYTES = 24

Fold = Callable[[int, int, Mapping[str, Any]], Readable]


class Asked:
    """A plan on a layout: what its queries read.

    `numbers` are those of its aggregates' cells; that of one that is on the log is below zero, and ~number is
    its cell on the layout LOGGED, whose spans are numbered after those of LAYOUT.
    """

    def __init__(self, plan: Plan, layout: Layout, logged: Layout | None = None) -> None:
        self.plan = plan
        self._layout = layout
        self._on_log = logged
        self.numbers = [
            ~logged.index[demand] if logged is not None and demand in logged.index else layout.index[demand]
            for demand in plan.demands
        ]
        self.logged = [~number for number in self.numbers if number < 0]

    @cached_property
    def refresher(self) -> Refresher:
        """Return what reads those values again that may have changed."""
        places = [self._place(number) for number in self.numbers]
        return refresher(self.plan, dict(zip(self.plan.aggregates, places, strict=True)))

    def _place(self, number: int) -> Place:
        if number < 0:
            assert self._on_log is not None, "it has a number there"
            span = first_logged(self._layout) + self._on_log.cells[~number].span
            return Place(number, span, scanned=True)
        cell = self._layout.cells[number]
        return Place(number, cell.span, cell.scanned)

    @cached_property
    def passing(self) -> Mapping[str, None]:
        """Return nothing for each feature that every query reads again: its value is not held until then."""
        return dict.fromkeys(name for name, node in self.plan.features.items() if not is_settled(node))

    @cached_property
    def copier(self) -> Copier:
        """Return what copies the values, so that none that stands from query to query can be changed."""
        return copier({name: node for name, node in self.plan.features.items() if is_settled(node)})


def first_logged(layout: Layout) -> int:
    """Return the number among all spans of span 0 of what is on the log, beside the spans of LAYOUT."""
    return 1 + max(layout.spans, default=-1)


class Answers:
    """The values of one plan for one key, as they stand."""

    def __init__(self, asked: Asked) -> None:
        self._refresh, self._waits = asked.refresher
        self._gather, self._copied = asked.copier
        self._passing = asked.passing
        self._values: dict[str, Any] = dict.fromkeys(asked.plan.features)
        self._parts: tuple[Any, ...] = ()  # of the values: what is copied for each caller
        self._seen = NEVER_READ  # the key's age at the last refresh

    def at(
        self, age: int, moved: Sequence[int], states: Sequence[Any], fold: Fold, t: int, q: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the values, owned by the caller, of a key at AGE whose spans MOVED at these ages last.

        Raises:
            FeatureOverflowError: a value lies outside its type; it names the first such feature.
        """
        values = self._values
        if self._waits or moved[ANY] > self._seen:
            spoilt = self._refresh(values, states, fold, moved, self._seen, t, q)
            if spoilt:
                self._seen = NEVER_READ
                self._forget_passing()
                raise FeatureOverflowError(next(name for name in values if name in spoilt))
            self._seen = age
            self._parts = self._gather(values)
        found = self._copied(values, self._parts)
        if self._waits:
            self._forget_passing()
        return found

    def _forget_passing(self) -> None:
        """Hold nothing that the next query reads again."""
        self._values.update(self._passing)
        self._parts = ()

    @property
    def weight(self) -> int:
        """Return about how many bytes of memory are held."""
        values = self._values.values()
        inner = sum(
            sys.getsizeof(value) + weigh(value) for value in values if value.__class__ in (list, dict)
        )
        return sys.getsizeof(self._values) + sys.getsizeof(self._parts) + _VALUE_BYTES * len(values) + inner
