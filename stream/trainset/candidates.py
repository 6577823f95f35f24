"""The candidates of each query: the items of its rows, items drawn beside them, and what is said of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from featuregraph.arrays.column import Array, Column, Words, both
from featuregraph.types import Type
from stream.backfill.bucket import hash_keys
from stream.backfill.columnar.arrow import arrays_of
from stream.backfill.columnar.nested import Nested, offsets_of
from stream.backfill.columnar.order import group_starts, sorted_order
from stream.backfill.known import History
from stream.errors import BackfillError
from stream.trainset.catalogue import Catalogue, Listed, catalogue, listed
from stream.trainset.moments import Moments
from stream.trainset.negatives import Pool, drawn, mixed, seeded
from stream.trainset.recipe import CATALOGUE, Recipe

_LIMIT, _ORDER = np.uint64(1), np.uint64(2)  # what a random order is for


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of queries, in an order that the seed makes.

    Args:
        columns: a list per query, by name.
        own: whether each is an item of the query's rows: lists of booleans.
        counts: how many each query has: int64, shape (queries,).
        notes: what is to be said of them, in numbers.
    """

    columns: Mapping[str, pa.ChunkedArray]
    own: pa.ChunkedArray
    counts: Array
    notes: Mapping[str, int]


def candidates(
    recipe: Recipe, events: History, asked: Moments, types: Mapping[str, Type], until: Array
) -> Candidates:
    """Return the candidates of the queries ASKED.

    Args:
        recipe: which, and how many.
        events: where the items come from.
        asked: the queries.
        types: of all candidate values of the graphs.
        until: before when (ms) each query sees what there is: int64, shape (queries,).

    Raises:
        BackfillError: a candidate's value comes from nowhere.
    """
    assert recipe.item is not None
    item = recipe.item
    given = None if recipe.catalogue is None else listed(recipe.catalogue, item, types)
    _check_sources(recipe, types, given)
    found = events.values(item, types[item])
    values, codes = _coded([found] if given is None else [found, given.item])
    hashes = hash_keys([_texts(types[item], values)])
    known = (
        None if given is None else catalogue(given, codes[1], lambda code: _text(types[item], values, code))
    )
    begin = seeded(asked.identity, recipe.seed)  # of all draws of each query
    mine, rows, offsets, cut = _own(recipe, asked, codes[0], hashes, begin)
    others, ends = np.zeros(0, np.int64), np.zeros(len(asked) + 1, np.int64)
    if recipe.negatives:
        pool = _pool(recipe, events, codes[0], known, hashes)
        others, ends = drawn(
            pool, *pool.ranges(until, recipe.window_ms), begin, (mine, offsets), recipe.negatives
        )
    query = np.concatenate([np.repeat(np.arange(len(asked)), np.diff(each)) for each in (offsets, ends)])
    code = np.concatenate([mine, others])
    order = _shuffled(
        query, hashes[code] ^ mixed(begin ^ _ORDER)[query]
    )  # its place tells nothing of an item
    query, code = query[order], code[order]
    own, row = (order < len(mine)), np.concatenate([rows, np.full(len(others), -1)])[order]
    counts = np.bincount(query, minlength=len(asked))
    place = None if known is None else known.rows(code, until[query])
    columns = {item: values.take(code)}
    for name, type in types.items():
        if known is not None and place is not None and name in known.fields:
            columns[name] = _taken(known.fields[name], place)
        elif name != item:
            columns[name] = events.values(name, type).take(row)
    ends = offsets_of(counts)
    short = counts - np.diff(offsets) < recipe.negatives
    notes = {
        "queries with fewer negatives than asked for": int(short.sum()),
        "items of rows over most": cut,
        "rows of the catalogue without an item or a needed time": 0 if given is None else given.dropped,
        "candidates that the catalogue did not have then": 0 if place is None else int((place < 0).sum()),
    }
    return Candidates(
        {
            name: arrays_of(types[name], Nested(ends, {"item": column}), per_candidate=True)
            for name, column in columns.items()
        },
        pa.chunked_array([pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(own))]),
        counts,
        {what: n for what, n in notes.items() if n},
    )


def _check_sources(recipe: Recipe, types: Mapping[str, Type], given: Listed | None) -> None:
    have = {recipe.item} if given is None else {recipe.item, *given.fields}
    if recipe.negatives and (missing := sorted(types.keys() - have)):
        raise BackfillError(
            f"expected the candidates' {', '.join(missing)} in a catalogue, since an item that is drawn has"
            f" no row of its own, found {'none' if given is None else 'no such column'}; give them there"
        )


def _coded(columns: Sequence[Column]) -> tuple[Column, list[Array]]:
    """Return the different values of COLUMNS of one type, and the codes of each in it: int64, -1 for null."""
    if columns[0].words is not None:
        place: dict[str, int] = {}
        maps = [
            np.array([place.setdefault(word, len(place)) for word in column.words or ()], np.int64)
            for column in columns
        ]
        codes = [
            map[column.values] if len(map) else np.full(len(column), -1)
            for map, column in zip(maps, columns, strict=True)
        ]
        values = Column(np.arange(len(place), dtype=np.int32), None, Words(place))
    else:
        each, inverse = np.unique(np.concatenate([column.values for column in columns]), return_inverse=True)
        codes = np.split(inverse.astype(np.int64), np.cumsum([len(column) for column in columns])[:-1])
        values = Column(each)
    known = [column.known for column in columns]
    return values, [
        code if is_ is None else np.where(is_, code, -1) for code, is_ in zip(codes, known, strict=True)
    ]


def _texts(type: Type, values: Column) -> pa.Array:
    if values.words is not None:
        return pa.array(values.words, pa.string())
    return arrays_of(type, values).combine_chunks().cast(pa.string())


def _text(type: Type, values: Column, code: int) -> str:
    return str(arrays_of(type, values.take(np.array([code])))[0].as_py())


def _own(
    recipe: Recipe, asked: Moments, item: Array, hashes: Array, begin: Array
) -> tuple[Array, Array, Array, int]:
    """Return the different items of each query, the first row of each, offsets, and how many were cut."""
    query = np.repeat(np.arange(len(asked)), np.diff(asked.offsets))
    code = item[asked.rows]
    has = np.flatnonzero(code >= 0)
    query, code, rows = query[has], code[has], asked.rows[has]
    order = sorted_order([query, code], len(code))
    if len(order):
        order = order[group_starts([query[order], code[order]])]
    query, code, rows = query[order], code[order], rows[order]
    cut = 0
    if recipe.most is not None:
        chosen = _shuffled(query, hashes[code] ^ mixed(begin ^ _LIMIT)[query])
        place = np.arange(len(query)) - np.searchsorted(query, query)
        kept = np.sort(chosen[place < recipe.most])
        cut = len(query) - len(kept)
        query, code, rows = query[kept], code[kept], rows[kept]
    return code, rows, offsets_of(np.bincount(query, minlength=len(asked))), cut


def _shuffled(query: Array, numbers: Array) -> Array:
    """Return the order of rows by QUERY, those of a query by what their NUMBERS make."""
    return np.lexsort((mixed(numbers), query))


def _pool(recipe: Recipe, events: History, item: Array, known: Catalogue | None, hashes: Array) -> Pool:
    """Return what can be drawn."""
    if recipe.sample == CATALOGUE:
        assert known is not None
        return Pool(*known.first(), hashes)
    rows = events.of(recipe.popular or recipe.at)
    rows = rows[item[rows] >= 0]
    if known is not None:
        rows = rows[np.isin(item[rows], known.item)]
    return Pool(events.ts[rows], item[rows], hashes)


def _taken(column: Column, rows: Array) -> Column:
    """Return COLUMN at ROWS, null where they are below 0."""
    if not len(column):
        return Column(np.zeros(len(rows), column.values.dtype), np.zeros(len(rows), np.bool_), column.words)
    found = column.take(np.maximum(rows, 0))
    return Column(found.values, both(found.known, rows >= 0), found.words)
