"""The inputs of a model as columns of a training set: each row is what the model is given at that query.

columns of replay -> numbers; nulls refused, in lists padded -> cast once to the input's datatype
-> one column an input: a number, or a fixed-size array of several numbers, positions or candidates

What is cut, padded, masked and refused is as `inference.Binder` has it (SEMANTICS 7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featuregraph import Plan
from featuregraph.arrays.column import Array, Mask
from stream.backfill.output import column_of
from stream.errors import BackfillError
from stream.trainset.forms import Form, whole
from stream.trainset.inputs import QUERY, SEQUENCE, Input, Inputs
from stream.trainset.padding import as_doubles, counts_of, mask_of


class Filler:
    """Fills the columns of INPUTS from replay's tables, whose columns are those of FORMS.

    Raises:
        BackfillError: no plan has the graph, a source is no feature of it, or two columns share a name.
    """

    def __init__(self, inputs: Inputs, forms: Sequence[Form], plans: Sequence[Plan]) -> None:
        found = [plan.graph for plan in plans if plan.graph.id == inputs.graph_id]
        if not found:
            ids = ", ".join(f"{plan.graph.name} {plan.graph.id[:12]}" for plan in plans)
            raise BackfillError(
                f"expected a contract of one of the graphs {ids}, found one of graph {inputs.graph_id[:12]};"
                " give that graph, or train on what this one gives and package the model anew"
            )
        made = {form.name: form for form in forms if form.role == "feature"}
        self._inputs = inputs.inputs
        self._forms: dict[str, Form] = {}
        for source in dict.fromkeys(name for one in inputs.inputs for name, _ in one.sources):
            column = column_of(found[0], source, among=len(plans))
            if column not in made:
                raise BackfillError(
                    f"expected a feature of the graph, found {source!r:.60}; mend the contract"
                )
            self._forms[source] = made[column]
        self.kept = [form for form in forms if form.role in ("key", "time", "chosen", "label")]
        names = [*(form.name for form in self.kept), *(one.name for one in inputs.inputs)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise BackfillError(
                f"expected columns of different names, found {twice[0]!r:.60} as an input too; rename one"
            )

    @property
    def described(self) -> list[Form]:
        """Return the inputs as forms, for those who describe columns."""
        return [Form(one.name, "input") for one in self._inputs]

    def filled(self, table: pa.Table, rest: pa.Table) -> pa.Table:
        """Return the key and the time of REST, the inputs from TABLE, and what else REST has."""
        columns = {source: as_doubles(whole(table.column(f.place))) for source, f in self._forms.items()}
        first = [form.name for form in self.kept if form.role in ("key", "time")]
        made = {name: rest.column(name) for name in first}
        made |= {one.name: self._of(one, columns) for one in self._inputs}
        return pa.table(made | {name: rest.column(name) for name in rest.column_names if name not in first})

    def _of(self, one: Input, columns: Mapping[str, pa.Array]) -> pa.Array:
        if one.kind == QUERY:
            return _stacked(one, [columns[name] for name, _ in one.sources])
        if one.kind == SEQUENCE:
            return _sequence(one, columns[one.sources[0][0]])
        lists = [columns[name] for name, _ in one.sources]
        length = self._forms[one.sources[0][0]].length or 0
        counts = counts_of(lists[0])
        numbers = _stacked(one, [found.flatten() for found in lists])
        return pa.FixedSizeListArray.from_arrays(_padded(one, numbers, counts, length), length)


def _stacked(one: Input, sources: Sequence[pa.Array]) -> pa.Array:
    """Return scalars and vectors side by side, as one number or array each row."""
    parts = [
        _scalars(one, found)[:, None] if width is None else _vectors(found, width)
        for found, (_, width) in zip(sources, one.sources, strict=True)
    ]
    numbers = _cast(one, np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0])
    if numbers.shape[1] == 1 and one.sources[0][1] is None:
        return pa.array(numbers[:, 0])
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), numbers.shape[1])


def _scalars(one: Input, found: pa.Array) -> Array:
    if found.null_count:
        raise BackfillError(
            f"input {one.name!r}: expected a value at each query, found {found.null_count} nulls; give the"
            " feature a fill"
        )
    numbers: Array = found.to_numpy(zero_copy_only=False)
    return numbers


def _vectors(found: pa.Array, width: int) -> Array:
    """Return vectors as rows of numbers; a null one is zeros."""
    valid = found.is_valid().to_numpy(zero_copy_only=False)
    rows = np.zeros((len(found), width), np.float32)
    rows[valid] = found.drop_null().flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    return rows


def _sequence(one: Input, lists: pa.Array) -> pa.Array:
    counts = np.minimum(counts_of(lists), one.length)
    real = mask_of(counts, one.length, one.side)
    if one.part == "length":
        return pa.array(counts.astype(one.dtype))
    if one.part == "mask":
        return _fixed(real.astype(one.dtype), one.length)
    ends = lists.offsets.to_numpy()[1:].astype(np.int64)
    first = ends - (counts if one.side == "right" else one.length)
    places = (first[:, None] + np.arange(one.length))[real]
    values = lists.values.take(pa.array(places))
    pad = np.array(one.pad).astype(one.dtype)
    found = np.full(real.shape, pad)
    known = values.is_valid().to_numpy(zero_copy_only=False)
    numbers = _cast(one, pc.fill_null(values, _zero(values.type)).to_numpy(zero_copy_only=False))
    found[real] = np.where(known, numbers, pad)
    return _fixed(found, one.length)


def _padded(one: Input, numbers: pa.Array, counts: Array, length: int) -> pa.Array:
    """Return NUMBERS of all candidates with padding behind those of each query, LENGTH together."""
    real: Mask = mask_of(counts, length, "right").reshape(-1)
    places = np.cumsum(real) - 1
    found = numbers.take(pa.array(places, mask=~real))
    if not pa.types.is_fixed_size_list(found.type):
        return pc.fill_null(found, pa.scalar(np.array(one.pad).astype(one.dtype).item(), found.type))
    width = found.type.list_size
    flat = np.full((len(real), width), np.array(one.pad).astype(one.dtype))
    flat[real] = numbers.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    return _fixed(flat, width)


def _fixed(numbers: Array, length: int) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), length)


def _zero(type: pa.DataType) -> pa.Scalar:
    return pa.scalar(False) if pa.types.is_boolean(type) else pa.scalar(0).cast(type)


def _cast(one: Input, values: Array) -> Array:
    """Return VALUES in the datatype of ONE; raise BackfillError where one has no place in it."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = values.astype(one.dtype)
    if found.dtype.kind == "f":
        bad = ~np.isfinite(found)
    else:
        bad = found != values
        if one.vocab is not None:
            bad |= (found < 0) | (found >= one.vocab)
    if bad.any():
        expected = one.dtype if one.vocab is None else f"0 <= id < {one.vocab}"
        value = values[bad].reshape(-1)[0]
        raise BackfillError(
            f"input {one.name!r}: expected {expected}, found {value}; the model would refuse it on a device"
        )
    return found
