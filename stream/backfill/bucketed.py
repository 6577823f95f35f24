"""A run that does not fit the memory, or that several processes share: bucket by bucket.

events  -> held, while they fit and one process does it
        -> else settled, where buckets of the key do not hold what decides it (stream.backfill.settling)
        -> and spilled to a file per bucket (stream.backfill.spill)
buckets -> neighbours joined to parts that fit -> answers of each part, in any order, by any process
answers -> merged in the order of the queries
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featuregraph import Plan
from stream.backfill.asked import Asked
from stream.backfill.bucket import buckets_of, hash_keys
from stream.backfill.budget import Budget
from stream.backfill.needs import USER
from stream.backfill.part import Counts, Executor, Given
from stream.backfill.pieces import counts_in
from stream.backfill.settling import Settling
from stream.backfill.spill import Spill, Spilled, by_key
from stream.backfill.work import Unit, Work, compute_all

Done = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Buckets:
    """The spilled events of a run, in parts.

    Args:
        spilled: where they are.
        parts: neighbouring buckets that are computed together.
    """

    spilled: Spilled
    parts: Sequence[range]

    def to_json(self) -> dict[str, Any]:
        """Return what a manifest keeps of it."""
        return {
            "files": self.spilled.files,
            "sizes": self.spilled.sizes,
            "parts": [[part.start, part.stop] for part in self.parts],
        }

    @classmethod
    def from_json(cls, folder: Path, form: dict[str, Any]) -> Buckets:
        """Return what `to_json` gave, in FOLDER."""
        parts = [range(start, stop) for start, stop in form["parts"]]
        return cls(Spilled(folder, form["files"], form["sizes"]), parts)


def spill(
    first: list[pa.RecordBatch],
    rest: Iterator[pa.RecordBatch],
    folder: Path,
    plans: Sequence[Plan],
    budget: Budget,
    share: Callable[[], float | None],
) -> tuple[Buckets, Counts]:
    """Bring events to FOLDER; return where they are, and what became of those that were left out.

    Args:
        first: those that are held already; it is emptied.
        rest: those to come.
        folder: where their files go.
        plans: who read them; all of one key.
        budget: what may be held.
        share: tells which share of all events has been read, None where nothing tells.
    """
    if not first:
        first.extend(islice(rest, 1))
    part = share()
    size = sum(batch.nbytes for batch in first)
    count = budget.buckets(size / part if part else None)
    key, settling = plans[0].graph.key_columns, Settling(folder, plans, count, budget)
    batches = chain(_drained(first), rest)
    given = batches if key == (USER,) else settling.settled(batches)
    spilled = Spill(folder, by_key(key), count, budget.chunk).take(given)
    return Buckets(spilled, budget.parts(spilled.sizes)), settling.counts


def _drained(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give BATCHES, each of which is let go of as the next one is asked for."""
    batches.reverse()
    while batches:
        yield batches.pop()


@dataclass(frozen=True, slots=True)
class Job:
    """What is computed of every part."""

    name: str
    plans: Sequence[Plan]
    by: Executor
    given: Given


def answer(
    job: Job, asked: Asked, key: Sequence[str], buckets: Buckets, workers: int, done: Done
) -> tuple[list[Path], Counts]:
    """Compute the parts that have no answers yet; return the pieces in order, and what became of events."""
    units = _units(asked, key, buckets)
    plans = tuple(plan.to_bytes() for plan in job.plans)
    work = Work(job.name, plans, job.by, buckets.spilled, len(units), job.given)
    there = [unit for unit in units if unit.path.exists()]
    done(sum(len(unit.places) for unit in there) * len(plans))
    # The largest first, so that all workers end at about one time.
    sizes = buckets.spilled.sizes
    missing = [unit for unit in units if not unit.path.exists()]
    compute_all(work, sorted(missing, key=lambda unit: -sum(sizes[b] for b in unit.buckets)), workers, done)
    counts = Counts()
    for unit in units:
        counts.add(counts_in(unit.path))
    return [unit.path for unit in units], counts


def _units(asked: Asked, key: Sequence[str], buckets: Buckets) -> list[Unit]:
    found = buckets_of(hash_keys([asked.keys(name) for name in key]), len(buckets.spilled.sizes))
    folder = buckets.spilled.folder
    return [
        Unit(part, mine, asked.table.take(pa.array(mine)), folder / f"answers-{part.start:05}.arrow")
        for part, mine in zip(buckets.parts, _places(found, buckets.parts), strict=True)
    ]


def _places(bucket: npt.NDArray[np.uint16], parts: Sequence[range]) -> list[npt.NDArray[np.int64]]:
    """Return the places of the queries of each of PARTS, ascending; BUCKET is each query's."""
    part = np.searchsorted([part.start for part in parts], bucket, side="right") - 1
    order = np.argsort(part, kind="stable")
    ends = np.searchsorted(part[order], np.arange(len(parts) + 1))
    return [order[ends[i] : ends[i + 1]] for i in range(len(parts))]
