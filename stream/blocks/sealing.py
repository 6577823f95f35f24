"""What to seal and what to join: decisions on numbers alone.

1. The tail is sealed when it holds more than `most_tail` events, down to `least_tail`: the longest runs
   first, so that blocks are of one key and event name where those come often. What comes seldom waits.
2. A run of `own` events or more has blocks of its own; shorter ones share blocks, in order.
3. Blocks of one key and name that are half empty are joined once `join` of them make half a block at least;
   shared blocks likewise, which then sort anew: what grew long enough leaves them. Joined twice, they stay as
   they are, and so does a block of one key and name that is half full of bytes: joined it would come apart
   again. So an event is written about twice more than once in its life.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

RunName = tuple[int, int]  # key and event name, by their numbers


class Sealing(NamedTuple):
    """When rows become blocks: numbers that change what a log costs, never what it answers."""

    most_tail: int = 512
    least_tail: int = 128
    own: int = 64
    most_events: int = 1_024  # of one block
    most_bytes: int = 1 << 20  # of the fields in one block; a single event may have more
    join: int = 4


SEALING: Final = Sealing()
MOST_JOINED: Final = 2  # times that a shared block is sorted anew
STAYS: Final = 1 << 16  # `joined` of a block of one key and name that is full of bytes


class Held(NamedTuple):
    """A block as the choice of what to join sees it."""

    id: int
    owner: RunName | None  # None: it is shared
    joined: int  # how often its events were joined, or STAYS
    events: int


def to_seal(tail: Mapping[RunName, int], sealing: Sealing) -> list[RunName]:
    """Return the runs of the TAIL, of so many events each, that are sealed now."""
    left = sum(tail.values())
    if left <= sealing.most_tail:
        return []
    chosen = []
    for run, count in sorted(tail.items(), key=lambda item: (-item[1], item[0])):
        if left <= sealing.least_tail:
            break
        chosen.append(run)
        left -= count
    return chosen


def shared_out(
    runs: Iterable[tuple[int, int, int, int]], sizes: Sequence[int], sealing: Sealing
) -> list[tuple[int, int]]:
    """Return the blocks, as (first, last) of the sorted events, of RUNS; SIZES: bytes of each event.

    RUNS: (key, name, first, last), which follow each other.
    """
    blocks: list[tuple[int, int]] = []
    start = 0  # of short runs that wait for a block
    for _, _, first, last in runs:
        if last - first < sealing.own:
            continue
        blocks += _filled(start, first, sizes, sealing)
        blocks += _filled(first, last, sizes, sealing)
        start = last
    return blocks + _filled(start, len(sizes), sizes, sealing)


def _filled(first: int, last: int, sizes: Sequence[int], sealing: Sealing) -> list[tuple[int, int]]:
    blocks = []
    held = 0
    start = first
    for place in range(first, last):
        held += sizes[place]
        if place > start and (held > sealing.most_bytes or place - start >= sealing.most_events):
            blocks.append((start, place))
            start, held = place, sizes[place]
    return [*blocks, (start, last)] if last > start else blocks


def as_joined(joined: int, size: int, sealing: Sealing) -> int:
    """Return `joined` of a block of one key and name whose fields have SIZE bytes."""
    return STAYS if 2 * size > sealing.most_bytes else joined


def to_join(blocks: Iterable[Held], sealing: Sealing) -> list[Held]:
    """Return the blocks that are joined now, none or at least two."""
    small: dict[tuple[RunName | None, int], list[Held]] = {}
    for block in blocks:
        if block.owner is None and block.joined < MOST_JOINED:
            small.setdefault((None, block.joined), []).append(block)
        elif block.owner is not None and block.joined < STAYS and 2 * block.events <= sealing.most_events:
            small.setdefault((block.owner, 0), []).append(block)
    for (_, joined), found in small.items():
        events = 0
        for place, block in enumerate(found, 1):
            events += block.events
            if place >= sealing.join and events >= sealing.most_events << 2 * joined >> 1:
                return found[:place]
    return []
