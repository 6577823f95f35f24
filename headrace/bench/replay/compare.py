"""Answers against ours, whole columns at once: equal bit for bit, but for sums that others round."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from headrace.bench.equality import Tally

CLOSE = (
    1e-9  # of the larger of 1 and the value: what adding doubles one by one, and taking them away, may lose
)


class Equality(Tally):
    """Answers compared as tables, a row a query."""

    __slots__ = ()

    def compare(self, name: str, where: str, found: Any, ours: Any, features: Sequence[str]) -> None:
        """Compare the table FOUND, whose column n says which query it answers, with OURS, by feature."""
        rows = found.column("n")
        for feature in features:
            expected = ours.column("items.item" if feature == "items" else feature).take(rows)
            given = found.column(feature)
            how = _lists if feature == "items" else _numbers if _is_number(given) else _values
            unequal, close = how(given, expected)
            if not feature.startswith("sum_"):
                unequal, close = unequal | close, np.zeros_like(close)
            self.count(name, len(unequal), int(unequal.sum()), int(close.sum()))
            if unequal.any():
                at = int(np.flatnonzero(unequal)[0])
                values = found.column(feature)[at].as_py(), expected[at].as_py()
                self.tell(f"{where}, query {rows[at].as_py()}, {feature}", name, *values)

    def same(self, name: str, where: str, found: Any, ours: Any, features: Sequence[str]) -> None:
        """Compare FOUND, whose rows are those of OURS, in each bit."""
        for feature in features:
            mine, theirs = ours.column(feature).to_pylist(), found.column(feature).to_pylist()
            wrong = [place for place, pair in enumerate(zip(mine, theirs, strict=True)) if pair[0] != pair[1]]
            self.count(name, len(mine), len(wrong), 0)
            if wrong:
                self.tell(f"{where}, query {wrong[0]}, {feature}", name, theirs[wrong[0]], mine[wrong[0]])

    def fill(self, ours: Any) -> None:
        """Count the cells of OURS that say something."""
        import pyarrow.compute as pc

        for name in ours.column_names[2:]:  # behind the query's columns
            values = ours.column(name)
            counts = pc.list_value_length(values) if name == "items.item" else values
            if _is_number(counts) or name.startswith("last_"):
                self.filled += int((_plain(counts)[0] != 0).sum())
            else:
                self.filled += sum(map(bool, values.to_pylist()))


def _plain(column: Any) -> tuple[Any, Any]:
    """Return a column as doubles or int64, null as 0, and which are null; NaN of pandas is null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):
        column = column.cast(pa.int64())
    null = column.is_null(nan_is_null=pa.types.is_floating(column.type)).to_numpy()
    filled = pc.if_else(pa.array(null), pa.scalar(0, column.type), column)
    return filled.to_numpy(), null


def _numbers(found: Any, expected: Any) -> tuple[Any, Any]:
    mine, known = _plain(found), _plain(expected)
    differs = (mine[0] != known[0]) | (mine[1] != known[1])
    near = np.abs(mine[0] - known[0]) <= CLOSE * np.maximum(1, np.abs(known[0]))
    close = differs & near & (mine[1] == known[1])
    return differs & ~close, close


def _is_number(column: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(column.type) or pa.types.is_floating(column.type))


def _values(found: Any, expected: Any) -> tuple[Any, Any]:
    """Compare value by value: texts, lists and maps."""
    pairs = zip(found.to_pylist(), expected.to_pylist(), strict=True)
    unequal = np.array([mine != known for mine, known in pairs], np.bool_)
    return unequal, np.zeros_like(unequal)


def _lists(found: Any, expected: Any) -> tuple[Any, Any]:
    """Compare lists of items, which ours gives hashed."""
    mine, known = found.combine_chunks(), expected.combine_chunks()
    lengths = (mine.value_lengths().to_numpy(), known.value_lengths().to_numpy())
    unequal = lengths[0] != lengths[1]
    if not unequal.any():
        wrong = _hashed(mine.flatten().to_numpy()) != known.flatten().to_numpy()
        unequal[np.repeat(np.arange(len(unequal)), lengths[0])[wrong]] = True
    return unequal, np.zeros_like(unequal)


def _hashed(items: Any) -> Any:
    """Return the bucket of each item, as SEMANTICS 5.4 says."""
    from stream.bench.replay.task import BUCKETS

    table = np.zeros(int(items.max(initial=0)) + 1, np.int64)
    for item in np.unique(items).tolist():
        digest = blake2b(str(item).encode(), digest_size=8, key=bytes(8)).digest()
        table[item] = int.from_bytes(digest, "little") % (BUCKETS - 1) + 1
    return table[items]
