"""Features of recorded queries over known events, block by block: the columnar executor itself.

events, queries
-> the events that a feature reads, of keys that are asked for, sorted
-> blocks of whole keys, small enough that what is computed of one stays in the processor's cache
-> tracks, edges and cells of a block; the features of its queries
-> the values of all blocks, in the order of the queries

Blocks share what was read of events and tables, and no more: several threads compute them beside each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from featuregraph import Plan
from featuregraph.arrays.column import Array, Column
from featuregraph.ir import Node, Op, toposort
from featuregraph.layout import Layout, lay_out
from stream.backfill.columnar.asked import Asked
from stream.backfill.columnar.block import Block
from stream.backfill.columnar.events import Events
from stream.backfill.columnar.features import Features, Shared
from stream.backfill.columnar.fields import Fields
from stream.backfill.columnar.nested import Places, Values, compact, offsets_of, placed
from stream.backfill.columnar.order import counted_by, picked, sorted_order
from stream.backfill.columnar.tracks import Tracks
from stream.backfill.threads import each, in_order

BLOCK_ROWS = 1 << 18  # events of a block; a key with more is a block of its own
BLOCK_QUERIES = 1 << 16

Found = dict[str, Values]  # by feature


def asks_for_seq(plans: Sequence[Plan]) -> bool:
    """Tell whether a feature of PLANS reads the seq of events."""
    return any(node.op is Op.FIELD and node["name"] == "seq" for node in _nodes(plans))


def _nodes(plans: Sequence[Plan]) -> list[Node]:
    return toposort(node for plan in plans for node in plan.features.values())


def answered(
    plans: Sequence[Plan],
    events: Events,
    asked: Sequence[Asked],
    fields: Fields,
    done: Callable[[int], object] = lambda queries: None,
    *,
    threads: int = 1,
) -> list[Found]:
    """Return the features of each of PLANS at its queries, which differ in what they bring only."""
    layout = lay_out(demand for plan in plans for demand in plan.demands)

    def answer(given: tuple[Keyed, Array]) -> tuple[list[Found], Array]:
        block, queries = given
        shared = Shared(layout, block.block, block.tracks, _within(asked[0].take(queries), block.first_key))
        found = []
        for plan, whole in zip(plans, asked, strict=True):
            mine = shared.asked if whole is asked[0] else _within(whole.take(queries), block.first_key)
            values = Features(plan, shared, mine).values()
            found.append({name: compact(one) for name, one in values.items()})
        return found, queries

    pieces, places = [], []
    parted = _parted(plans, layout, events, fields, asked[0], threads)
    for found, queries in in_order(answer, _blocks(parted, events, fields, asked[0]), threads):
        pieces.append(found)
        places.append(queries)
        done(len(queries))
    fields.forget()
    whole = Places(places)
    return [_together([piece[number] for piece in pieces], whole, threads) for number in range(len(plans))]


def _together(pieces: Sequence[Found], places: Places, threads: int) -> Found:
    """Return PIECES, whose rows belong to PLACES, by feature; they are given up on the way."""
    names = list(pieces[0])
    # Lists take longest: the first ones, so that no thread is left alone with one.
    order = sorted(names, key=lambda name: isinstance(pieces[0][name], Column))
    made = each(lambda name: placed([piece.pop(name) for piece in pieces], places), order, threads)
    found = dict(zip(order, made, strict=True))
    return {name: found[name] for name in names}


def _within(asked: Asked, first_key: int) -> Asked:
    key = np.where(asked.key < 0, -1, asked.key - first_key)
    return Asked(key, asked.t, asked.as_known, asked.history, asked.requests, asked.candidates)


@dataclass(frozen=True, slots=True)
class Keyed:
    """A block, its tracks, and the number of its first key."""

    block: Block
    tracks: Tracks
    first_key: int


@dataclass(frozen=True, slots=True)
class Parted:
    """The numbers of the events that somebody asks for, key after key in order, and where each key begins."""

    rows: Array
    begins: Array


def _parted(
    plans: Sequence[Plan], layout: Layout, events: Events, fields: Fields, asked: Asked, threads: int
) -> Parted:
    """Return the events by key, and have all fields read: beside each other, by so many THREADS."""
    wanted = np.zeros(len(events.keys) + 1, np.bool_)
    wanted[asked.key] = True  # -1 stands for no key: the last place
    named = np.array([name in layout.scans for name in events.names] or [False])
    rows = events.of(wanted[:-1], named)
    keys = events.key if len(rows) == len(events.key) else events.key[rows]
    begins = offsets_of(counted_by(keys, len(events.keys)))
    fields.wanted = len(rows)
    jobs: list[Callable[[], Any]] = [partial(events.sorted, rows)]
    jobs += [
        partial(fields.read, node["name"], node.scalar)
        for node in _nodes(plans)
        if node.op is Op.FIELD and node["name"] != "seq"
    ]
    ordered, *_ = each(lambda job: job(), jobs, threads)
    return Parted(ordered, begins)


def _blocks(parted: Parted, events: Events, fields: Fields, asked: Asked) -> Iterator[tuple[Keyed, Array]]:
    """Give the blocks, each with the numbers of its queries by key and time; one at least.

    A block comes again for further queries, where there are many: answers wait in little memory.
    """
    rows, begins = parted.rows, parted.begins
    queries = sorted_order([asked.key, asked.t], len(asked))
    asks = np.searchsorted(asked.key[queries], np.arange(len(events.keys) + 1))
    start, first_query = 0, 0
    while True:
        end = _end(begins, asks, start)
        mine = rows[begins[start] : begins[end]].astype(np.int64)
        block = Block(
            picked(events.ts, mine),
            begins[start : end + 1] - begins[start],
            partial(picked, events.name, mine),
            {name: number for number, name in enumerate(events.names)},
            None if events.known is None else picked(events.known, mine),
            fields.of(mine),
            events.about,
        )
        keyed = Keyed(block, Tracks(block), start)
        yield keyed, queries[first_query : min(first_query + BLOCK_QUERIES, asks[end])]
        for further in range(first_query + BLOCK_QUERIES, int(asks[end]), BLOCK_QUERIES):
            yield keyed, queries[further : min(further + BLOCK_QUERIES, asks[end])]
        start, first_query = end, int(asks[end])
        if start >= len(events.keys):
            return


def _end(begins: Array, asks: Array, start: int) -> int:
    """Return the key before which a block ends that begins at START."""
    last = len(begins) - 1
    if start >= last:
        return last
    by_rows = int(np.searchsorted(begins, begins[start] + BLOCK_ROWS, side="right")) - 1
    by_queries = int(np.searchsorted(asks, asks[start] + BLOCK_QUERIES, side="right")) - 1
    return min(max(start + 1, min(by_rows, by_queries)), last)
