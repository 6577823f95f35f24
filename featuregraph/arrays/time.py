"""Hour and weekday of instants by column: the offset of a zone is asked once for each day that occurs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from featuregraph.arrays.column import Array
from featuregraph.arrays.distinct import numbers
from featuregraph.ir import Node, Op
from featuregraph.scalar.time import day_of_week, hour_of_day, offset

_DAY: Final = 86_400
_HOUR: Final = 3_600
_SCALAR: Final[Mapping[Op, Callable[[str], Callable[[int], int]]]] = {
    Op.HOUR_OF_DAY: hour_of_day,
    Op.DAY_OF_WEEK: day_of_week,
}


def calendar(node: Node, now: Array) -> Array:
    """Return hour_of_day or day_of_week of instants, int64 ms UTC.

    No zone changes its offset twice in a day (a test asks all of tzdata), so a day whose first and last
    second have one offset has it all day long. The instants of other days are asked one by one.
    """
    seconds = now // 1000
    days, places = numbers(seconds // _DAY)
    shift = offset(node["tz"])
    # Python's integers: the first and the last day of int64 ms reach beyond it.
    ends = [(shift(day * _DAY), shift(day * _DAY + _DAY - 1)) for day in days.tolist()]
    first = np.array([a for a, _ in ends], np.int64)
    local = seconds + first[places]
    result = local // _HOUR % 24 if node.op is Op.HOUR_OF_DAY else (local // _DAY + 3) % 7
    turning = np.array([a != b for a, b in ends], np.bool_)[places]
    instants, back = numbers(now[turning])
    one = _SCALAR[node.op](node["tz"])
    result[turning] = np.array([one(t) for t in instants.tolist()], np.int64)[back]
    return result
