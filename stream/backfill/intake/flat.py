"""Flat events: one column per name that is read, whatever the form in which they came.

a batch of a file or table        rows of JSON or of a log
-> attrs taken apart              -> values by name, as columns (raw)
-> identity checked: event, ts_ms, seq; rows without a key dropped (SEMANTICS 1.1)
-> rows that nobody sees, and that change nothing, left out (needs)
-> event, ts_ms, seq, key..., event_id, fields: in the order of arrival

event and the columns of the key are coded text without nulls, ts_ms, seq and known_ms are int64; all others
are as they came, of any type. A column that is not there is null in every row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from featuregraph.convert import BAD, converter
from featuregraph.errors import EventError
from featuregraph.types import IDENTIFIER
from stream.backfill.intake.identity import integers, integers_or_null, names, texts
from stream.backfill.intake.raw import Columns, Label, attrs_of, values_of
from stream.backfill.needs import Needs, Seqs
from stream.event import COLUMNS
from stream.tables import json_object

# Of the events, from which on those that nobody sees stay: to leave them out is to copy the others. Without a
# seq they take no position from anybody (SEMANTICS 1.2).
_NEARLY_ALL = 0.9

_identifier = converter(IDENTIFIER)


@dataclass(frozen=True, slots=True)
class Flat:
    """Some events, flat, and what became of the others that came with them."""

    events: pa.RecordBatch | None  # None: nothing of them was read
    read: int
    keyless: int = 0
    last_ms: int | None = None  # the greatest ts_ms of all, without a key or unseen too


def of_rows(
    events: Sequence[Mapping[str, Any]],
    needs: Needs,
    label: Label,
    columns: Columns,
    *,
    seqs: Seqs = Seqs.MIXED,
) -> Flat:
    """Return EVENTS flat; COLUMNS knows the types of those before them."""
    attrs = attrs_of(events, label)
    given = {}
    for name in sorted(needs.columns):
        values = values_of(events, name, attrs)
        if name in needs.key or name == "event":
            ids = [_identifier(value) for value in values]
            given[name] = pa.array([None if one is BAD else one for one in ids], pa.string())
        else:
            given[name] = columns.column(name, values)
    return _flat(given, len(events), needs, label, seqs=seqs)


def of_batch(
    batch: pa.RecordBatch, needs: Needs, label: Label, columns: Columns, *, seqs: Seqs = Seqs.MIXED
) -> Flat:
    """Return the rows of BATCH, which has attrs or a column for each field, flat."""
    own = batch.schema.names
    for name in ("event", "ts_ms"):
        if name not in own:
            raise EventError(
                f"{label(0)}: expected the columns event and ts_ms, found no {name} in the events; add it"
            )
    given = {}
    for place, name in enumerate(own):
        if name in given:
            raise EventError(
                f"{label(0)}, column {name}: expected one column of a name, found two; take one out"
            )
        if name in needs.columns:
            given[name] = batch.column(place)
    missing = [name for name in sorted(needs.columns) if name not in own and name not in COLUMNS]
    if missing and "attrs" in own:
        given |= _from_attrs(batch.column("attrs"), missing, label, columns)
    return _flat(given, batch.num_rows, needs, label, seqs=seqs)


def _from_attrs(attrs: pa.Array, names: Sequence[str], label: Label, columns: Columns) -> dict[str, pa.Array]:
    """Return the columns NAMES of attrs: a map, a struct, or rows that were read as dicts."""
    if pa.types.is_map(attrs.type):
        return {name: _of_map(attrs, name) for name in names}
    if pa.types.is_struct(attrs.type):
        have = {field.name for field in attrs.type}
        return {name: pc.struct_field(attrs, name) for name in names if name in have}
    if pa.types.is_null(attrs.type):
        return {}
    if pa.types.is_string(attrs.type) or pa.types.is_large_string(attrs.type):
        rows = [
            {} if text is None else json_object(text, f"{label(place)}, column attrs")
            for place, text in enumerate(attrs.to_pylist())
        ]
        return {name: columns.column(name, [row.get(name) for row in rows]) for name in names}
    raise EventError(
        f"{label(0)}, column attrs: expected attrs as map<string, string>, found {attrs.type}; convert it"
    )


def _of_map(attrs: pa.MapArray, name: str) -> pa.Array:
    """Return the value of NAME in each row of ATTRS, the last one where a row has several."""
    offsets = attrs.offsets.to_numpy()
    (places,) = np.nonzero(pc.equal(attrs.keys, name).fill_null(False).to_numpy(zero_copy_only=False))
    rows = np.searchsorted(offsets, places, side="right") - 1
    inside = (rows >= 0) & (rows < len(attrs))
    found = np.full(len(attrs), -1, np.int64)
    found[rows[inside]] = places[inside]
    if attrs.null_count:
        found[~attrs.is_valid().to_numpy(zero_copy_only=False)] = -1
    return attrs.items.take(pa.array(found, mask=found < 0))


def _flat(given: dict[str, pa.Array], rows: int, needs: Needs, label: Label, *, seqs: Seqs) -> Flat:
    event = names(given["event"], "event", label)
    times = integers(given["ts_ms"], "ts_ms", label, "give every event its time", required=True)
    made = given | {"event": event, "ts_ms": times}
    if "seq" in given:
        made["seq"] = integers(given["seq"], "seq", label, "correct it or leave it out", required=False)
    if "known_ms" in given:
        made["known_ms"] = integers_or_null(given["known_ms"])
    owned = np.ones(rows, np.bool_)
    for name in needs.key:
        made[name] = texts(given.get(name, pa.nulls(rows)), name, label)
        owned &= _valid(made[name])
    kept = owned & _counts(made, needs, seqs=seqs)
    batch = pa.RecordBatch.from_arrays(list(made.values()), list(made))
    if not kept.all() and not (seqs is Seqs.NONE and owned.all() and kept.mean() > _NEARLY_ALL):
        batch = batch.filter(pa.array(kept))
    last = int(times.to_numpy().max()) if rows else None
    return Flat(batch, rows, rows - int(owned.sum()), last)


def _counts(made: Mapping[str, pa.Array], needs: Needs, *, seqs: Seqs) -> npt.NDArray[np.bool_]:
    """Return which rows some query may see, or whose id or seq counts for others."""
    if not needs.is_silent(seqs):
        return np.ones(len(made["event"]), np.bool_)
    seen = _seen(made["event"], made["ts_ms"], needs)
    return seen | _valid(made["event_id"]) if "event_id" in made else seen


def _seen(event: pa.DictionaryArray, times: pa.Array, needs: Needs) -> npt.NDArray[np.bool_]:
    spans = [needs.spans.get(name) for name in event.dictionary.to_pylist()]
    if not spans:
        return np.zeros(len(event), np.bool_)
    code, ts_ms = event.indices.to_numpy(), times.to_numpy()
    if spans[0] is not None and spans == spans[:1] * len(spans):
        every: npt.NDArray[np.bool_] = (spans[0].first <= ts_ms) & (ts_ms <= spans[0].last)
        return every
    # A name that nobody reads has a span that ends before it begins.
    first, last = (
        np.array([getattr(span, end) if span else other for span in spans], np.int64)[code]
        for end, other in (("first", 1), ("last", 0))
    )
    found: npt.NDArray[np.bool_] = (first <= ts_ms) & (ts_ms <= last)
    return found


def _valid(column: pa.Array) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    return found
