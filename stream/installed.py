"""The plans that an engine runs: each with its own bindings, and all of them together.

What is derived from plans is made when it is first asked for: N plans that are installed one after the other
cost one shared layout, not N.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from featuregraph import Plan
from featuregraph.compiler import reader
from featuregraph.ir import Op, toposort
from featuregraph.layout import lay_out
from featuregraph.steps import Demand
from stream.answers import Asked
from stream.asof import NO_TABLES, Tables
from stream.binding import Binding
from stream.choice import STATES, Choice
from stream.declared import Declared
from stream.decode import Unparsable
from stream.pace import Pace

_NOBODY: Mapping[str, Asked] = MappingProxyType({})
_MOST_SERVINGS: Final = 8  # choices whose functions are held


class Installed:
    """One plan with the bindings that scans use."""

    def __init__(self, plan: Plan, unparsable: Unparsable, tables: Tables = NO_TABLES) -> None:
        self.plan = plan
        self._tables = tables
        self._unparsable = unparsable

    @cached_property
    def alone(self) -> Binding:
        """Return the plan's own binding, for scans."""
        return Binding(
            lay_out(self.plan.demands), self.plan.graph.key_columns[0], self._unparsable, tables=self._tables
        )

    @cached_property
    def features(self) -> list[tuple[list[Binding], Any]]:
        """Return, per feature, a binding for each of its aggregates and its own reader (naive mode)."""
        include_now = self.plan.graph.include_now
        found = []
        for name, node in self.plan.features.items():
            aggregates = [n for n in toposort([node]) if n.op is Op.AGG]
            bindings = [self._bound([(agg, include_now)]) for agg in aggregates]
            found.append((bindings, reader({name: node}, aggregates)))
        return found

    def _bound(self, demands: Iterable[Demand]) -> Binding:
        (key,) = self.plan.graph.key_columns
        return Binding(lay_out(demands), key, self._unparsable, tables=self._tables)


class Serving(NamedTuple):
    """Plans as they are served in the ways of one choice."""

    binding: Binding  # of what is kept of a key
    asked: Mapping[str, Asked]  # by plan


class Together:
    """All installed plans of one moment; a plan that comes or goes makes another, which follows it."""

    def __init__(
        self,
        plans: Iterable[Plan],
        key: str,
        unparsable: Unparsable,
        pace: Pace,
        before: Binding | None = None,
        asked: Mapping[str, Asked] = _NOBODY,
        tables: Tables = NO_TABLES,
    ) -> None:
        self._tables = tables
        self._plans = tuple(plans)
        self._key = key
        self._unparsable = unparsable
        self._pace = pace
        self._before = before
        self._asked_before = asked
        self._servings: dict[Choice, Serving] = {}

    def followed_by(self, plans: Iterable[Plan]) -> Together:
        """Return PLANS together, bound so that what means the same now and then stays where it is."""
        made: Mapping[str, Any] = vars(self)  # what nobody asked for is not made for this either
        binding, asked = made.get("binding", self._before), made.get("asked", self._asked_before)
        # A plan that is not here may come back, and its numbers are others' by then.
        asked = {plan.id: asked[plan.id] for plan in self._plans if plan.id in asked}
        return Together(plans, self._key, self._unparsable, self._pace, binding, asked, self._tables)

    @cached_property
    def binding(self) -> Binding:
        """Return the layout that all plans share, with its functions."""
        before, self._before = self._before, None
        layout = lay_out(
            (demand for plan in self._plans for demand in plan.demands),
            None if before is None else before.layout,
        )
        return Binding(layout, self._key, self._unparsable, self._pace, before, self._tables)

    @cached_property
    def asked(self) -> Mapping[str, Asked]:
        """Return each plan on the shared layout, by graph id; numbers of a plan that stays stay too."""
        old, self._asked_before = self._asked_before, _NOBODY
        layout = self.binding.layout
        return {plan.id: old.get(plan.id) or Asked(plan, layout) for plan in self._plans}

    @cached_property
    def _all(self) -> Serving:
        return Serving(self.binding, self.asked)

    def serving(self, choice: Choice) -> Serving:
        """Return the plans served in the ways of CHOICE."""
        if choice is STATES or choice == STATES:
            return self._all
        choice = choice.ways
        found = self._servings.get(choice)
        if found is None:
            while len(self._servings) >= _MOST_SERVINGS:
                del self._servings[next(iter(self._servings))]
            found = self._servings[choice] = self._serve(choice)
        return found

    def _serve(self, choice: Choice) -> Serving:
        demands = [demand for plan in self._plans for demand in plan.demands]
        layout = lay_out((d for d in demands if d not in choice.logged), self.binding.layout)
        cells = {
            number: replace(layout.cells[number], scanned=True)
            for demand, number in layout.index.items()
            if demand in choice.folded
        }
        layout = replace(layout, cells=dict(layout.cells) | cells)
        logged = lay_out((d for d in demands if d in choice.logged), self.binding.layout)
        log = None
        if logged.cells:
            log = Binding(logged, self._key, self._unparsable, before=self.binding, tables=self._tables)
        binding = Binding(layout, self._key, self._unparsable, self._pace, self.binding, self._tables, log)
        return Serving(binding, {plan.id: Asked(plan, layout, logged) for plan in self._plans})

    @cached_property
    def declared(self) -> Declared:
        """Return what the plans declare of events."""
        return Declared((plan.graph for plan in self._plans), self._key)
