"""`training_set`, which a program calls; who has no pyarrow can import it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featuregraph import Plan
from stream.backfill.executors import executor
from stream.backfill.job import Options
from stream.trainset.recipe import Recipe

if TYPE_CHECKING:
    from stream.trainset.card import Card


def training_set(  # noqa: PLR0913 - a recipe, and the options of replay
    plan_or_plans: Plan | Sequence[Plan],
    events: Any,
    out: str | Path,
    recipe: Recipe,
    *,
    tables: Mapping[str, Any] | None = None,
    as_known: bool = False,
    end: int | None = None,
    workers: int = 1,
    memory: str | int | None = None,
    resume: bool = False,
    engine: str = "local",
    mode: str = "auto",
) -> Card:
    """Write the training set of RECIPE to the folder OUT, whole or not at all; return its card.

    OUT has a Parquet file for each part in the order of time, and card.json. A row is a query: the key,
    ts_ms, requests, a fixed-size array per list, and NAME.mask and NAME.length for the lists of NAME. Every
    number is the one that replay gives at that query. The same input and seed give the same bytes.

    Args:
        plan_or_plans: with labels, if there are to be any; names of several are GRAPH.FEATURE.
        events: a file (Parquet, Arrow, CSV, JSON lines, a device log), an Arrow table or rows.
        out: the folder to make.
        recipe: which queries, which candidates, which parts.
        tables, as_known, end, workers, memory, resume, engine, mode: as in `stream.replay`.

    Raises:
        BackfillError: the recipe does not fit, no row asks, or OUT is there already.
        FeatureGraphError, StreamError: an event, table or file is refused, or a value overflows.
    """
    from stream.trainset.make import make

    plans = [plan_or_plans] if isinstance(plan_or_plans, Plan) else list(plan_or_plans)
    options = Options.of(tables, as_known=as_known, end=end, workers=workers, memory=memory, resume=resume)
    return make(plans, events, Path(out), recipe, executor(engine, mode), options)
