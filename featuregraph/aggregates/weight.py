"""How many bytes of memory values hold; of many, the mean of a few."""

from __future__ import annotations

import sys
from collections.abc import Collection
from itertools import islice
from typing import Any

_FEW = 8


def weigh(values: Collection[Any]) -> int:
    """Return about how many bytes VALUES hold, without what holds them."""
    if not values:
        return 0
    few = list(islice(values, _FEW))
    return sum(map(_weight, few)) * len(values) // len(few)


def _weight(value: Any) -> int:
    inner = sum(map(_weight, value)) if value.__class__ is tuple else 0
    return sys.getsizeof(value) + inner
