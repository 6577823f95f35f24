"""Values that are not of their declared type (SEMANTICS 2.2), counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from featuregraph import Plan
from featuregraph.arrays.column import Column, Mask
from featuregraph.types import Type
from stream.backfill.columnar.source import Flat


def unparsable(
    plans: Sequence[Plan], source: Flat, event: Column, bad_of: Callable[[str, Type], Mask | None]
) -> Counter[str]:
    """Return how many values of SOURCE are not of the type that PLANS declare, by EVENT.FIELD.

    event: the name of each event. bad_of: tells where a field is not of a type, None if it is everywhere.
    """
    counts: Counter[str] = Counter()
    words = event.words or ()
    for plan in plans:
        for name, declared in plan.graph.events.items():
            if name not in words:
                continue
            for field, type in declared.items():
                if source.is_sound(field, type):
                    continue
                bad = bad_of(field, type)
                if bad is not None and (n := int(np.sum(bad & (event.values == words.index(name))))):
                    counts[f"{name}.{field}"] += n
    return counts
