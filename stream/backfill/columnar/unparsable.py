"""Values that are not of their declared type (SEMANTICS 2.2), counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from featuregraph import Plan
from featuregraph.arrays.column import Column
from featuregraph.types import Type
from stream.backfill.columnar.source import Flat, Read


def unparsable(
    plans: Sequence[Plan], source: Flat, event: Column, read: Callable[[str, Type], Read]
) -> Counter[str]:
    """Return how many values of SOURCE are not of the type that PLANS declare, by EVENT.FIELD.

    event: the name of each event. read: gives a field of all of them.
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
                bad = read(field, type).bad
                if bad is not None and (n := int(np.sum(bad & (event.values == words.index(name))))):
                    counts[f"{name}.{field}"] += n
    return counts
