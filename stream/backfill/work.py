"""The parts of a bucketed run, computed one by one: by the process itself, or by workers beside it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featuregraph import Plan
from stream.backfill.part import Executor, Given, Part
from stream.backfill.pieces import write_piece
from stream.backfill.spill import Spilled

Done = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Work:
    """What holds for every part of a run; plans are bytes, since it may cross to another process."""

    name: str
    plans: tuple[bytes, ...]
    by: Executor
    spilled: Spilled
    pieces: int
    given: Given


@dataclass(frozen=True, slots=True)
class Unit:
    """One part: its buckets, the places of its queries, ascending, and where its answers go."""

    buckets: range
    places: npt.NDArray[np.int64]
    queries: pa.Table
    path: Path


def compute(work: Work, unit: Unit, done: Done) -> None:
    """Write the answers to the queries of UNIT; DONE is told how many are answered."""
    plans = [Plan.from_bytes(data) for data in work.plans]
    part = Part(work.name, work.spilled.read(unit.buckets), unit.queries, unit.places, work.given)
    write_piece(unit.path, unit.places, work.by.answer(plans, part, done), work.pieces)
    del part
    gc.collect()  # what is left of a part, in cycles, is as large as the next one
    pa.default_memory_pool().release_unused()


def compute_all(work: Work, units: Sequence[Unit], workers: int, done: Done) -> None:
    """Compute UNITS with so many WORKERS.

    Raises:
        FeatureGraphError, StreamError: what ended one of them; the others are ended too.
    """
    if workers > 1 and len(units) > 1:
        from stream.backfill.pool import run

        run(work, units, min(workers, len(units)), done)
        return
    for unit in units:
        compute(work, unit, done)
