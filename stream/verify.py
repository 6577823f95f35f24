"""Is every value the same? Executors compared with the reference, cell by cell; pure counting.

A cell is one feature at one query: its public value, and whether it is partial. Where the reference gives an
overflow instead of values, all cells of the query are that overflow. Equal means the same bits; a decayed_sum
may be off by its published tolerance (SEMANTICS 4.2), and the cells that use it are counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featuregraph import FeatureOverflowError, Plan
from featuregraph.answer import Outcome
from featuregraph.values import same

Cell = tuple[object, bool, bool]  # the value or the error's text, which of them, whether partial
_EMPTY: tuple[object, ...] = (None, 0, 0.0, False, "", [], {})


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell that is not what the reference says."""

    executor: str
    query: int  # from 1
    key: object
    t: int
    expected: str
    found: str


@dataclass(slots=True)
class FeatureTally:
    """The cells of one feature, over all executors."""

    feature: str
    type: str
    expected: int = 0  # cells of the reference
    telling: int = 0  # of them not empty or default: other than without any event
    cells: int = 0
    equal: int = 0
    within: int = 0  # of the equal ones, within the tolerance of decayed_sum and not the same bits
    without_candidates: int = 0  # of the expected: empty lists, since the query names no candidate
    first: Difference | None = None  # that differs


@dataclass(slots=True)
class ExecutorTally:
    """The cells of one executor, over all features."""

    executor: str
    cells: int = 0
    equal: int = 0
    within: int = 0
    seconds: float = 0.0


class Verification:
    """What a comparison has found so far.

    plan: whose features; queries: in the order of their places, as GRAPH_JSON writes them.
    """

    def __init__(self, plan: Plan, queries: Sequence[Mapping[str, Any]]) -> None:
        self.plan = plan
        self.queries = list(queries)
        self.features = {
            name: FeatureTally(name, str(node.type)) for name, node in plan.graph.features.items()
        }
        self.executors: dict[str, ExecutorTally] = {}

    @property
    def cells(self) -> int:
        """Return how many cells were compared."""
        return sum(tally.cells for tally in self.features.values())

    @property
    def equal(self) -> int:
        """Return how many of them are equal to the reference's."""
        return sum(tally.equal for tally in self.features.values())

    @property
    def ok(self) -> bool:
        """Tell whether every cell is equal, and there is one."""
        return 0 < self.cells == self.equal

    @property
    def within(self) -> int:
        """Return how many of the equal ones are so within the tolerance of decayed_sum only."""
        return sum(tally.within for tally in self.features.values())

    @property
    def expected(self) -> int:
        """Return how many cells the reference gave: those that each executor is compared with."""
        return sum(tally.expected for tally in self.features.values())

    @property
    def telling(self) -> int:
        """Return how many of these are not empty or default."""
        return sum(tally.telling for tally in self.features.values())

    @property
    def uncompared(self) -> list[str]:
        """Return the features per candidate that no query gave any: their equal cells tell nothing."""
        return [t.feature for t in self.features.values() if 0 < t.expected == t.without_candidates]

    def expect(self, expected: Outcome, without_events: Outcome, *, apart: Collection[str] = ()) -> None:
        """Count what the reference says at one query, and how much of it comes from events.

        apart: features that the query is not asked for.
        """
        for feature, tally in self.features.items():
            if feature in apart:
                continue
            cell = _cell(expected, feature)
            tally.expected += 1
            per_candidate = self.plan.graph.features[feature].per_candidate
            tally.without_candidates += per_candidate and cell[0] == []
            if feature in self.plan.windowless:
                tally.telling += not any(same(cell[0], empty) for empty in _EMPTY)
            else:
                tally.telling += not same(cell[0], _cell(without_events, feature)[0])

    def compare(
        self,
        executor: str,
        place: int,
        expected: Outcome,
        found: Outcome,
        slack: Mapping[str, Any],
        *,
        apart: Collection[str] = (),
    ) -> dict[str, Difference]:
        """Count the cells of the query at PLACE: what the reference says, and what EXECUTOR says.

        Args:
            slack: by feature, how far off its value may be; it has the value's shape.
            apart: features that the query is not asked for.

        Returns:
            The differences, by feature.
        """
        whole = self.tally(executor)
        differences = {}
        for feature, tally in self.features.items():
            if feature in apart:
                continue
            want, have = _cell(expected, feature), _cell(found, feature)
            equal = exact = same(want, have)
            if not exact and feature in slack and want[1:] == have[1:] and not want[1]:
                equal = _near(want[0], have[0], slack[feature])
            for one in (whole, tally):
                one.cells += 1
                one.equal += equal
                one.within += equal and not exact
            if not equal:
                differences[feature] = self._difference(executor, place, want, have)
                tally.first = tally.first or differences[feature]
        return differences

    def tally(self, executor: str) -> ExecutorTally:
        """Return the counts of EXECUTOR."""
        return self.executors.setdefault(executor, ExecutorTally(executor))

    def _difference(self, executor: str, place: int, want: Cell, have: Cell) -> Difference:
        query = self.queries[place]
        return Difference(executor, place + 1, query["key"], query["t"], _said(want), _said(have))


def _near(want: object, have: object, slack: Any) -> bool:
    """Tell whether two values differ in floats only, and by no more than SLACK."""
    if isinstance(want, float) and isinstance(have, float):
        return isinstance(slack, float) and abs(want - have) <= slack
    if isinstance(want, list) and isinstance(have, list):
        return len(want) == len(have) and all(map(_near, want, have, slack))
    if isinstance(want, dict) and isinstance(have, dict):
        return list(want) == list(have) and all(_near(want[k], have[k], slack[k]) for k in want)
    return same(want, have)


def _cell(outcome: Outcome, feature: str) -> Cell:
    if isinstance(outcome, FeatureOverflowError):
        return f"overflow in {outcome.feature}", True, False
    return outcome.values[feature], False, feature in outcome.partial


def _said(cell: Cell) -> str:
    value, is_error, is_partial = cell
    text = str(value) if is_error else repr(value)
    return f"{text}{', partial' if is_partial else ''}"
