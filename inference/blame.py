"""Find the one value that kept a vector from becoming tensors; walked only when something failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from inference.contract import FLOATS, Source, TensorSpec
from inference.errors import BindingError, IdRangeError, NullFeatureError, one_line


def blame(specs: Iterable[TensorSpec], values: Mapping[str, Any], cause: BaseException | None) -> NoReturn:
    """Raise the error of the first value in VALUES that does not fit SPECS."""
    for spec in specs:
        for source in spec.sources:
            if spec.part == "value" and (error := _problem(spec, source, values)) is not None:
                raise error from cause
    detail = one_line(cause) if cause is not None else "a value that its tensor cannot hold"
    raise BindingError(
        f"expected values of the graph's types, found {detail}; give the vector that the graph's engine made"
    ) from cause


def _problem(spec: TensorSpec, source: Source, values: Mapping[str, Any]) -> BindingError | None:
    where = f"feature {str(source)!r} for input {spec.name!r}"
    if source.feature not in values:
        return BindingError(f"{where}: expected a value, found none; give the vector of the contract's graph")
    value = values[source.feature]
    if source.item is not None:
        if not isinstance(value, Mapping) or source.item not in value:
            return BindingError(
                f"{where}: expected a record with that item, found {value!r:.60}; give the graph's vector"
            )
        value = value[source.item]
    listed = spec.role in ("sequence", "candidate")
    if listed and not isinstance(value, (Sequence, np.ndarray)):
        return BindingError(f"{where}: expected a list, found {value!r:.60}; give the graph's vector")
    first = max(0, len(value) - spec.max_len) if spec.max_len is not None and listed else 0
    for at, one in enumerate(value[first:] if listed else [value], first):
        place = where + (
            f" at {'candidate' if spec.role == 'candidate' else 'position'} {at}" if listed else ""
        )
        if (error := _misfit(spec, source, one, place)) is not None:
            return error
    return None


def _misfit(spec: TensorSpec, source: Source, value: Any, where: str) -> BindingError | None:
    """Return what is wrong with one value, None if nothing is."""
    if value is None:
        if spec.role == "sequence" or source.width is not None:
            return None
        return NullFeatureError(
            f"{where}: expected a number, found null; give the feature fill(...) in the graph"
        )
    if source.width is not None and len(value) != source.width:
        return BindingError(
            f"{where}: expected {source.width} numbers, found {len(value)}; give the vector that was declared"
        )
    if spec.vocab is not None and not 0 <= value < spec.vocab:
        return IdRangeError(
            f"{where}: expected 0 <= id < {spec.vocab}, found {value}; hash into {spec.vocab} buckets "
            "or enlarge the model's table"
        )
    for number in _numbers(value, source):
        try:
            with np.errstate(over="ignore"):
                fits = spec.datatype not in FLOATS or bool(np.isfinite(np.array(number, spec.dtype)))
                np.array(number, spec.dtype)
        except (TypeError, ValueError, OverflowError):
            fits = False
        if not fits:
            return BindingError(
                f"{where}: expected a number within {spec.datatype}, found {number!r:.60}; clip or cast "
                "the feature"
            )
    return None


def _numbers(value: Any, source: Source) -> Iterator[Any]:
    if source.width is None:
        yield value
    else:
        yield from value
