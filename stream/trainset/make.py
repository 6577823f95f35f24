"""From recorded events to a folder that trains a model: train, validation and test as Parquet, and a card.

events -> queries (stream.trainset.queries) -> replay to a file -> its rows as arrays, part by part -> OUT

OUT appears whole or not at all: all is made in a folder beside it, which then takes its name.
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from featuregraph import Plan
from featuregraph.jsonform import canonical
from stream.atomic import replacing
from stream.backfill import output
from stream.backfill.identity import versions
from stream.backfill.intake import lasting
from stream.backfill.job import Options, Progress, Report, check_plans, run
from stream.backfill.part import Executor
from stream.backfill.workplace import workplace
from stream.errors import BackfillError
from stream.trainset.card import FILE, Card, Part, Tally
from stream.trainset.filler import Filler
from stream.trainset.forms import Form, described, forms, shaped, whole
from stream.trainset.padding import as_doubles, counts_of
from stream.trainset.queries import Queries, check_fields, queries
from stream.trainset.recipe import Recipe, checked

TAKING, SHAPING = "taking queries from events", "writing the parts"
_ROWS = 8_192  # of a row group: a loader reads one at a time


def make(
    plans: Sequence[Plan],
    events: Any,
    out: Path,
    recipe: Recipe,
    by: Executor,
    options: Options,
    progress: Progress = lambda what, n, total: None,
    said: Callable[[str], object] = lambda line: None,
) -> Card:
    """Write the training set of RECIPE over EVENTS to OUT; BY computes, PROGRESS and SAID as in `job.run`."""
    check_plans(plans)
    for plan in plans:
        by.check(plan)
    graphs = [plan.graph for plan in plans]
    recipe = checked(recipe, graphs)
    check_fields(recipe, graphs)
    _check_free(out)
    events = lasting(events)  # read twice: for the queries, and for their features
    identity = {"recipe": canonical(recipe.to_json())} if options.resume else None
    with workplace(out, identity) as place:
        taking = partial(progress, TAKING)
        asked = queries(recipe, graphs, events, options.end, taking, options.memory)
        shapes = forms(recipe, plans, asked.widest)
        filler = None if recipe.inputs is None else Filler(recipe.inputs, shapes, plans)
        source = place.folder / "queries.parquet"
        _write_once(asked.table, source)
        asked = replace(asked, table=asked.table.schema.empty_table())  # replay reads it from there
        features = place.folder / "features.parquet"
        _, report = run(
            plans, events, source, by, out=features, options=options, progress=progress, said=said
        )
        made = place.folder / "set"
        made.mkdir(exist_ok=True)
        shape = partial(_shaped, shapes, filler, exact=recipe.exact)
        parts = _write(made, features, recipe, asked, shapes, shape, report.end, progress)
        told = shapes if filler is None else [*filler.kept, *filler.described]
        card = _card(recipe, asked, told, report, parts, pq.read_schema(made / _file(recipe.parts[0])))
        with replacing(made / FILE) as part:
            part.write_text(card.text(), encoding="utf-8")
        made.replace(out)
        _sync(out.parent)
    return card


def _check_free(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise BackfillError(
            f"{out}: expected a free name for a folder, found something; choose another or remove it"
        )
    if not out.parent.is_dir():
        raise BackfillError(
            f"{out}: expected a folder to make, found no folder {out.parent}; choose another path"
        )


def _write_once(table: pa.Table, path: Path) -> None:
    """Write TABLE to PATH; a file that says the same stays: what is resumed has read that very file."""
    new = path.with_name(f"new-{path.name}")
    output.write(table, new)
    if path.exists() and filecmp.cmp(path, new, shallow=False):
        new.unlink()
    else:
        new.replace(path)


def _write(
    folder: Path,
    features: Path,
    recipe: Recipe,
    asked: Queries,
    shapes: Sequence[Form],
    shape: Callable[[pa.Table], pa.Table],
    end: int | None,
    progress: Progress,
) -> dict[str, Part]:
    """Write the rows of FEATURES, each as SHAPE makes it, as the files of the parts in FOLDER; count them."""
    labels = [form for form in shapes if form.role in ("chosen", "label")]
    parts = {name: Part(_file(name), labels={form.name: Tally() for form in labels}) for name in recipe.parts}
    with pq.ParquetFile(features) as source, ExitStack() as stack:
        about = source.schema_arrow.metadata
        none = shape(source.schema_arrow.empty_table())
        schema = none.schema.with_metadata(about)
        puts = {
            name: stack.enter_context(output.writing(folder / _file(name), schema)) for name in recipe.parts
        }
        for name, table in _by_part(source, asked.bounds, recipe.parts):
            puts[name](shape(table).cast(schema))
            _count(parts[name], table, labels, end)
            progress(SHAPING, table.num_rows, source.metadata.num_rows)
    return parts


def _shaped(forms: Sequence[Form], filler: Filler | None, table: pa.Table, *, exact: bool) -> pa.Table:
    if filler is None:
        return shaped(forms, table, exact=exact)
    return filler.filled(table, shaped(filler.kept, table, exact=exact))


def _by_part(
    source: pq.ParquetFile, bounds: Sequence[int], names: Sequence[str]
) -> Iterator[tuple[str, pa.Table]]:
    """Give the rows of SOURCE in their order, in tables that lie in one part each, with its name."""
    start = 0
    for batch in source.iter_batches(_ROWS, use_threads=False):
        table = pa.Table.from_batches([batch])
        for name, (first, last) in zip(names, pairwise(bounds), strict=True):
            lo, hi = max(first - start, 0), min(last - start, table.num_rows)
            if lo < hi:
                yield name, table.slice(lo, hi - lo)
        start += table.num_rows


def _count(part: Part, table: pa.Table, labels: Sequence[Form], end: int | None) -> None:
    """Count the rows of TABLE, and their LABELS, to PART."""
    times = table.column("ts_ms").to_numpy()
    part.rows += len(times)
    part.from_ms = int(times[0]) if part.from_ms is None else part.from_ms
    part.to_ms = int(times[-1])
    for form in labels:
        column = as_doubles(whole(table.column(form.place)))
        sizes = counts_of(column) if pa.types.is_list(column.type) else np.ones(len(times), np.int64)
        if form.role == "chosen":
            part.candidates += int(sizes.sum())
        past = np.full(len(times), form.past is not None)
        if form.past is not None and end is not None:
            past = times + form.past > end
        part.labels[form.name].add(
            column.flatten() if pa.types.is_list(column.type) else column, int(sizes[past].sum())
        )


def _card(
    recipe: Recipe,
    asked: Queries,
    shapes: Sequence[Form],
    report: Report,
    parts: Mapping[str, Part],
    schema: pa.Schema,
) -> Card:
    kept = ("events", "unread", "duplicate", "quarantined", "keyless", "unparsable", "dropped", "absent")
    return Card(
        plans=report.plans,
        engine=report.engine,
        events={name: getattr(report, name) for name in kept},
        recipe=recipe.to_json(),
        parts=parts,
        cuts=asked.cuts,
        end=report.end,
        left_out=asked.left_out,
        notes=asked.notes,
        columns=described(shapes, schema),
        versions=versions(),
    )


def _file(part: str) -> str:
    return f"{part}.parquet"


def _sync(folder: Path) -> None:
    """Bring the name of what was made to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
