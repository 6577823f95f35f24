"""From a feature vector to tensors (SEMANTICS 7): choices are made once, in closures; a request only copies.

1. `query(values)` fills the query's tensors: scalars cast once, lists cut to the newest `max_len` and padded.
2. `rows(values, start, stop)` fills the candidate tensors' first stop - start rows.
3. Both check ids and nulls once per batch; what fails is then looked for, value by value, and named.

A null element inside a list becomes the pad value and still counts as a position: its mask is set (only the
end of a list is padding). A null vector is zeros. Text and maps never come here: the contract refuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np

from inference.backend import Array
from inference.blame import blame
from inference.buffers import arenas, rows_sound
from inference.contract import TensorSpec
from inference.errors import BindingError

Values = Mapping[str, Any]
Fill = Callable[[Values], None]
FillRows = Callable[[Values, int, int], None]


class Binder:
    """One thread's input buffers and the closures that fill them."""

    def __init__(self, inputs: Sequence[TensorSpec], capacity: int) -> None:
        """Make buffers for INPUTS, with room for CAPACITY candidates in one run."""
        self._specs = tuple(inputs)
        self._once = [s for s in inputs if s.role != "candidate"]
        self._each = [s for s in inputs if s.role == "candidate"]
        self._arenas = arenas(self._once)
        self.capacity = capacity
        self.inputs: dict[str, Array] = {
            name: view for arena in self._arenas for name, view in arena.views.items()
        }
        for s in self._each:
            self.inputs[s.name] = np.zeros([capacity, *(int(dim) for dim in s.shape[1:])], s.dtype)
        self._fills = [_fill(s, self.inputs[s.name].reshape(-1)) for s in self._once]
        self._fill_rows = [_fill_rows(s, self.inputs[s.name]) for s in self._each]
        self._counted = tuple(dict.fromkeys(source.feature for s in self._each for source in s.sources))

    def candidates(self, values: Values) -> int:
        """Return the number of candidates in VALUES; raise BindingError if features disagree."""
        try:
            counts = {len(values[name]) for name in self._counted}
        except (KeyError, TypeError) as error:
            blame(self._each, values, error)
        if len(counts) > 1:
            sizes = ", ".join(f"{name} {len(values[name])}" for name in self._counted)
            raise BindingError(
                f"expected one value per candidate in every feature, found {sizes}; give lists of one length"
            )
        return counts.pop() if counts else 0

    def query(self, values: Values) -> None:
        """Fill the query's tensors; raise BindingError naming the feature that does not fit."""
        try:
            with np.errstate(over="ignore"):  # a cast that overflows is found below
                for fill in self._fills:
                    fill(values)
        except (KeyError, TypeError, ValueError, OverflowError, IndexError) as error:
            blame(self._once, values, error)
        for arena in self._arenas:
            if not arena.sound():
                blame(self._once, values, None)

    def rows(self, values: Values, start: int, stop: int) -> None:
        """Fill the candidate tensors' first rows with the candidates START to STOP."""
        try:
            with np.errstate(over="ignore"):
                for fill in self._fill_rows:
                    fill(values, start, stop)
        except (KeyError, TypeError, ValueError, OverflowError, IndexError) as error:
            blame(self._each, values, error)
        for s in self._each:
            if not rows_sound(s, self.inputs[s.name][: stop - start]):
                blame(self._each, values, None)

    def clear_rows(self, start: int) -> None:
        """Put padding into the candidate rows from START on: for models of a fixed chunk."""
        for s in self._each:
            self.inputs[s.name][start:] = s.pad


def feeds(inputs: Sequence[TensorSpec], values: Values) -> dict[str, Array]:
    """Return owned tensors for one feature vector's VALUES: for training, with all candidates in one batch.

    >>> feeds(specs, vector.values)["history_item"].shape
    (1, 50)
    """
    count = Binder(inputs, 0).candidates(values)
    binder = Binder(inputs, count)
    binder.query(values)
    if count:
        binder.rows(values, 0, count)
    return {name: array.copy() for name, array in binder.inputs.items()}


def _fill(spec: TensorSpec, flat: Array) -> Fill:
    if spec.role == "sequence":
        return _sequence(spec, flat)
    names = [source.feature for source in spec.sources]
    if any(source.width for source in spec.sources):
        return _segments(spec, flat)
    if spec.datatype == "BOOL":
        return _flags(names, flat)
    if len(names) == 1:
        name = names[0]

        def one(values: Values) -> None:
            flat[0] = values[name]

        return one
    get = itemgetter(*names)

    def stack(values: Values) -> None:
        flat[:] = get(values)

    return stack


def _flags(names: Iterable[str], flat: Array) -> Fill:
    names = tuple(names)

    def fill(values: Values) -> None:
        flags = [values[name] for name in names]
        if None in flags:  # numpy would make it False
            raise ValueError("null")
        flat[:] = flags

    return fill


def _columns(spec: TensorSpec) -> list[tuple[str, int, int]]:
    """Return each source's feature with the first column it fills and the one after its last."""
    ends = np.cumsum([0, *(source.width or 1 for source in spec.sources)]).tolist()
    return [(s.feature, start, stop) for s, (start, stop) in zip(spec.sources, pairwise(ends), strict=True)]


def _segments(spec: TensorSpec, flat: Array) -> Fill:
    vectors = [c for c, s in zip(_columns(spec), spec.sources, strict=True) if s.width is not None]
    scalars = [c for c, s in zip(_columns(spec), spec.sources, strict=True) if s.width is None]

    def fill(values: Values) -> None:
        for name, start, _ in scalars:
            flat[start] = values[name]
        for name, start, stop in vectors:
            value = values[name]
            if value is not None and len(value) != stop - start:  # numpy would repeat a single number
                raise ValueError("width")
            flat[start:stop] = 0 if value is None else value

    return fill


def _sequence(spec: TensorSpec, flat: Array) -> Fill:
    """Return what fills a padded list, its mask or its length."""
    (source,) = spec.sources
    feature, item, pad, size = source.feature, source.item, spec.pad, spec.max_len or 1
    left = spec.side == "left"

    def listed(values: Values) -> Any:
        value = values[feature]
        return value if item is None else value[item]

    if spec.part == "length":

        def length(values: Values) -> None:
            flat[0] = min(len(listed(values)), size)

        return length

    if spec.part == "mask":

        def mask(values: Values) -> None:
            count = min(len(listed(values)), size)
            flat[:] = 0
            flat[slice(size - count, None) if left else slice(count)] = 1

        return mask

    def fill(values: Values) -> None:
        rows = listed(values)
        count = len(rows)
        if count > size:
            rows, count = rows[count - size :], size  # the newest stand last
        if None in rows:
            rows = [pad if row is None else row for row in rows]
        if count < size:
            flat[:] = pad
        if count:
            flat[slice(size - count, None) if left else slice(count)] = rows

    return fill


def _fill_rows(spec: TensorSpec, buffer: Array) -> FillRows:
    pairs = zip(_columns(spec), spec.sources, strict=True)
    parts = [
        (name, _target(buffer, start, stop, source.width), source.width)
        for (name, start, stop), source in pairs
    ]
    flags = spec.datatype == "BOOL"

    def fill(values: Values, start: int, stop: int) -> None:
        count = stop - start
        for name, target, width in parts:
            rows = values[name][start:stop]
            if width is not None and not isinstance(rows, np.ndarray) and None in rows:
                rows = [(0.0,) * width if row is None else row for row in rows]
            if width is not None and len(rows[0]) != width:  # as above; rows of several widths numpy refuses
                raise ValueError("width")
            if flags and None in rows:
                raise ValueError("null")
            target[:count] = rows

    return fill


def _target(buffer: Array, start: int, stop: int, width: int | None) -> Array:
    if buffer.ndim == 1:
        return buffer
    return buffer[:, start] if width is None else buffer[:, start:stop]
