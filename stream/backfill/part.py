"""A part of a run: the events and the queries of some keys, and what an executor makes of them.

Keys never mix (SEMANTICS 1.1), so that parts are computed apart, in any order, in any process; the values are
those of the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, Self

from stream.backfill.history import Rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from featuregraph import Plan
    from stream.backfill.columnar.tables import Tables


@dataclass(frozen=True)
class Given:
    """What holds for a whole run beside its events and queries.

    Args:
        as_known: what holds where a query does not say (SEMANTICS 3.5).
        tables: the rows of the graphs' tables, by name (10).
        end: the last ms that counts as known, None if there is no event at all (9.3).
    """

    as_known: bool = False
    tables: Rows = field(default_factory=dict)
    end: int | None = None

    @cached_property
    def columns(self) -> Tables:
        """Return the tables as columns, made once for all parts that one process computes."""
        from stream.backfill.columnar.tables import Tables

        return Tables(self.tables)


@dataclass(frozen=True, slots=True)
class Part:
    """What one call of an executor computes.

    Args:
        name: as messages call the events.
        events: flat (stream.backfill.intake), in the order of arrival; each table of types of its own.
        queries: as they were given.
        places: which of all queries these are, from 0: int64, shape (queries,).
        given: what else the run was given.
    """

    name: str
    events: Sequence[pa.Table]
    queries: pa.Table
    places: npt.NDArray[np.int64]
    given: Given


@dataclass(slots=True)
class Counts:
    """What became of events; None: this executor does not tell."""

    duplicate: int | None = 0
    quarantined: int | None = 0
    unparsable: Counter[str] = field(default_factory=Counter)  # by EVENT.FIELD

    def to_json(self) -> list[Any]:
        """Return what `from_json` takes."""
        return [self.duplicate, self.quarantined, dict(self.unparsable)]

    @classmethod
    def from_json(cls, form: Sequence[Any]) -> Self:
        """Return what `to_json` gave."""
        duplicate, quarantined, unparsable = form
        return cls(duplicate, quarantined, Counter(unparsable))

    def add(self, other: Counts) -> None:
        """Count what OTHER counts too."""
        self.duplicate = _sum(self.duplicate, other.duplicate)
        self.quarantined = _sum(self.quarantined, other.quarantined)
        self.unparsable.update(other.unparsable)


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


@dataclass(frozen=True, slots=True)
class Answers:
    """The features of a part's queries, in their order: a table per plan, and what became of the events."""

    features: Sequence[pa.Table]
    counts: Counts


class Executor(Protocol):
    """Computes parts."""

    @property
    def name(self) -> str:
        """Return what the executor is called."""
        ...

    @property
    def swell(self) -> int:
        """Return how many bytes of memory it takes for each byte of a part's flat events, about."""
        ...

    @property
    def has_threads(self) -> bool:
        """Tell whether several threads compute a part sooner than one."""
        ...

    def check(self, plan: Plan) -> None:
        """Raise CompileError if it does not compute PLAN, before any work."""
        ...

    def answer(
        self, plans: Sequence[Plan], part: Part, done: Callable[[int], object], *, threads: int = 1
    ) -> Answers:
        """Return the features of PLANS at the queries of PART; DONE is told how many queries are answered.

        Raises:
            FeatureGraphError, StreamError: an event or a query is refused, or a value overflows.
        """
        ...
