"""The algebra of aggregates: states that take rows in, give them back, join and encode (SEMANTICS 4)."""

from featuregraph.aggregates.algebra import Aggregate, State, Takes
from featuregraph.aggregates.catalogue import CATALOGUE, aggregate, aggregate_for
from featuregraph.aggregates.grouped import Grouped, Groups
from featuregraph.aggregates.sequence import NO_KEY

__all__ = [
    "CATALOGUE",
    "NO_KEY",
    "Aggregate",
    "Grouped",
    "Groups",
    "State",
    "Takes",
    "aggregate",
    "aggregate_for",
]
