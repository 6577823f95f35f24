"""The queries of a training set: when, for whom, with which candidates, and in which part each is.

events -> rows of the event that pass -> moments -> those whose labels are known -> those of a part
       -> requests of their first row, candidates -> a table as replay takes it, in the order of time
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from featuregraph import Graph
from featuregraph.arrays.column import Array
from featuregraph.shown import nearest
from featuregraph.types import Type
from stream.backfill.budget import room_of
from stream.backfill.columnar.arrow import arrays_of
from stream.backfill.known import History, history
from stream.errors import BackfillError
from stream.event import COLUMNS
from stream.trainset.candidates import candidates
from stream.trainset.moments import Moments, fields_of, moments
from stream.trainset.recipe import ROW, TIME, Recipe, looks
from stream.trainset.split import GAP, cuts_of, parts_of, shifted

_SWELL = 6  # bytes taken for each byte of the events that ask
_QUERY, _CANDIDATE = 200, 150  # bytes that each takes while it is made, about


@dataclass(frozen=True, slots=True)
class Queries:
    """What is asked.

    Args:
        table: the queries in the order of time: the key, ts_ms, requests, candidates, the label of the rows.
        bounds: where each part begins in it, then the number of queries.
        cuts: from when on (ms) each part but the first is.
        widest: how many candidates a query has at most; 0: there are none.
        last_ms: the greatest ts_ms of all events.
        left_out: what asks nothing, by reason.
        notes: what else is to be said, in numbers.
    """

    table: pa.Table
    bounds: Sequence[int]
    cuts: Sequence[int]
    widest: int
    last_ms: int | None
    left_out: Mapping[str, int]
    notes: Mapping[str, int]


def queries(
    recipe: Recipe,
    graphs: Sequence[Graph],
    events: Any,
    end: int | None,
    progress: Callable[[int, int | None], object] = lambda n, total: None,
    memory: int | None = None,
) -> Queries:
    """Return the queries that RECIPE, which was checked, takes from EVENTS.

    memory: bytes that the process may take; None: any.

    Raises:
        EventError, StreamError: an event is refused, a file cannot be read, there is no query, or what asks
            does not fit.
    """
    room = None if memory is None else room_of(memory)
    key = tuple(dict.fromkeys(column for graph in graphs for column in graph.key_columns))
    names = {recipe.at, recipe.popular or recipe.at}
    types = {name: type for graph in graphs for name, type in graph.candidates.items()}
    requests = {name: type for graph in graphs for name, type in graph.requests.items()}
    fields = {*types, *requests, *fields_of(recipe.where)} | {recipe.each} - {ROW, TIME}
    known = history(events, names, key, fields, progress, None if room is None else room // _SWELL)
    now = any(graph.include_now for graph in graphs)
    asked, left_out = moments(recipe, known, key, include_now=now)
    if not len(asked):
        raise _nothing(recipe, graphs, known, left_out)
    look = looks(graphs)
    asked, until, unknown = _knowable(recipe, asked, look, known.read.last_ms if end is None else end)
    cuts = list(recipe.cuts) or cuts_of(asked.t, recipe.split)
    part = parts_of(asked.t, until, cuts, recipe.gap_ms)
    chosen = np.flatnonzero(part != GAP)
    left_out |= {
        f"rows without {' or '.join(key)}": known.read.keyless,
        "events that came again": known.duplicate,
        "queries whose labels look past the end": unknown,
        "queries in the gap between two parts": len(part) - len(chosen),
    }
    asked = asked.take(chosen)
    _check_room(recipe, asked, len(types), room)
    columns = {**asked.keys, "ts_ms": pa.array(asked.t)}
    first = asked.rows[asked.offsets[:-1]]
    for name, type in requests.items():
        columns.setdefault(name, arrays_of(type, known.values(name, type).take(first)))
    table, widest, notes = _with_candidates(recipe, known, asked, types, columns, shifted(asked.t, now))
    bounds = np.searchsorted(part[chosen], np.arange(len(cuts) + 2)).tolist()
    said = {reason: n for reason, n in left_out.items() if n}
    return Queries(table, bounds, cuts, widest, known.read.last_ms, said, notes)


def _check_room(recipe: Recipe, asked: Moments, lists: int, room: int | None) -> None:
    """Raise BackfillError where the queries ASKED, with so many LISTS each, take more than ROOM."""
    candidates = (len(asked.rows) + len(asked) * recipe.negatives) * lists
    size = _QUERY * len(asked) + _CANDIDATE * candidates
    if room is not None and size > room:
        raise BackfillError(
            f"expected {len(asked):,} queries with {candidates:,} values of candidates in {room >> 20} MiB,"
            f" found that they take about {size >> 20} MiB; give more memory, or fewer negatives or queries"
        )


def _with_candidates(
    recipe: Recipe,
    events: History,
    asked: Moments,
    types: Mapping[str, Type],
    columns: dict[str, Any],
    until: Array,
) -> tuple[pa.Table, int, Mapping[str, int]]:
    if not types:
        return pa.table(columns), 0, {}
    found = candidates(recipe, events, asked, types, until)
    taken = {*columns, *found.columns}
    if recipe.label in taken:
        raise BackfillError(
            f"label: expected a name that no column has, found {recipe.label!r:.60}; choose another"
        )
    table = pa.table({**columns, **found.columns, recipe.label: found.own})
    return table, int(found.counts.max(initial=0)), found.notes


def _knowable(
    recipe: Recipe, asked: Moments, look: int | None, end: int | None
) -> tuple[Moments, Array, int]:
    """Return the queries whose labels are known, before when they read, and how many others there are."""
    own = shifted(asked.last, 1) if recipe.item else asked.t
    if look is None:
        return asked, np.maximum(own, asked.t), 0
    until = shifted(asked.t, look + 1)
    past = shifted(asked.t, look) > end if end is not None else np.ones(len(asked), np.bool_)
    kept = np.flatnonzero(~past) if not recipe.keep_unknown else np.arange(len(asked))
    return asked.take(kept), np.maximum(until, own)[kept], len(asked) - len(kept)


def _nothing(
    recipe: Recipe, graphs: Sequence[Graph], known: History, left_out: Mapping[str, int]
) -> BackfillError:
    rows = len(known.of(recipe.at))
    if not rows:
        declared = sorted({event for graph in graphs for event in graph.events})
        step = "give another recording" if recipe.at in declared else nearest(recipe.at, declared)
        return BackfillError(
            f"at: expected an event of the recording, found no {recipe.at!r:.60} with a key; {step}"
        )
    why = ", ".join(f"{n:,} {reason}" for reason, n in left_out.items())
    return BackfillError(f"expected rows of {recipe.at!r:.60} that ask, found none: {why}; ask otherwise")


def check_fields(recipe: Recipe, graphs: Sequence[Graph]) -> None:
    """Raise BackfillError where a query would be grouped by a field that nobody declares."""
    declared = {name for graph in graphs for name in graph.events.get(recipe.at, {})} | COLUMNS
    if recipe.each not in (ROW, TIME) and recipe.each not in declared:
        raise BackfillError(
            f"each: expected {ROW}, {TIME} or a field of {recipe.at}, found {recipe.each!r:.60};"
            f" {nearest(recipe.each, sorted(declared))}"
        )
