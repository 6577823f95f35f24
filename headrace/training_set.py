"""`headrace training-set`: from recorded events to a folder that trains a model.

It reads a model's contract too, so that it stands above both rooms, and lends the options of replay.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featuregraph import Graph
from featuregraph.sources import load_graph
from featuregraph.times import format_time, parse_time
from featuregraph.types import Type
from headrace import console
from headrace.contract import inputs_of
from stream.backfill import given, job
from stream.backfill.cli.options import (
    FORMATS,
    AsKnown,
    EndOption,
    Events,
    GraphsOption,
    Memory,
    Resume,
    TableOption,
    Workers,
    steps,
)
from stream.backfill.executors import executor
from stream.errors import BackfillError
from stream.trainset.condition import conditions
from stream.trainset.recipe import POPULARITY, ROW, Recipe

if TYPE_CHECKING:
    from stream.trainset.card import Card


def training_set(  # noqa: PLR0913 - the options of a command
    events: Events,
    *,
    graph: GraphsOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")],
    at: Annotated[str, typer.Option(metavar="EVENT", help="Its rows are where is asked, just before them.")],
    each: Annotated[
        str, typer.Option(metavar="row|time|FIELD", help="One query per row, key and time, or key and FIELD.")
    ] = ROW,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="'FIELD OP VALUE'", help="Only rows of which it is true; each that is given."),
    ] = None,
    before: Annotated[str | None, typer.Option(metavar="TIME", help="Ask so long before, as 5m.")] = None,
    item: Annotated[
        str | None, typer.Option(metavar="NAME", help="The candidate that is the item of a row.")
    ] = None,
    label: Annotated[str, typer.Option(metavar="NAME", help="Tells the items of the rows.")] = "chosen",
    most: Annotated[int | None, typer.Option(help="Take so many items of the rows at most.", min=1)] = None,
    negatives: Annotated[int, typer.Option(help="Other items to draw for each query.", min=0)] = 0,
    sample: Annotated[str, typer.Option(help="Draw them by popularity or from the catalogue.")] = POPULARITY,
    popular: Annotated[
        str | None, typer.Option(metavar="EVENT", help="Its rows tell popularity, instead of those asked at.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(metavar="TIME", help="How far back popularity looks, as 30d.")
    ] = None,
    catalogue: Annotated[
        Path | None,
        typer.Option(help=f"The items with their candidate values, as of ts_ms if it has one: {FORMATS}."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the negatives.")] = 0,
    split: Annotated[str, typer.Option(help="Shares of train, validation, test by time.")] = "80/10/10",
    cut: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TIME", help="When validation and test begin, instead of shares; once for each."
        ),
    ] = None,
    gap: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Between two parts, if more than the labels look ahead."),
    ] = None,
    length: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="Of a list's arrays; once for each list.")
    ] = None,
    side: Annotated[str, typer.Option(help="Where lists are padded: left or right.")] = "left",
    exact: Annotated[bool, typer.Option("--exact", help="Keep decimals; else the nearest doubles.")] = False,
    contract: Annotated[
        Path | None,
        typer.Option(help="A model's contract, or its package: its inputs are the columns, and no others."),
    ] = None,
    keep_unknown: Annotated[
        bool, typer.Option("--keep-unknown", help="Keep queries whose labels look past the end.")
    ] = False,
    engine: Annotated[str, typer.Option(help="local, device or reference.")] = "local",
    table: TableOption = None,
    as_known: AsKnown = False,
    end: EndOption = None,
    workers: Workers = 1,
    memory: Memory = None,
    resume: Resume = False,
    json: console.JsonOption = False,
) -> None:
    """Make train, validation and test data from events."""
    from stream.trainset.make import make

    began = time.monotonic()
    by, tables = executor(engine, "auto"), given.named(table)
    graphs = [load_graph(one) for one in graph]
    recipe = Recipe(
        at=at,
        each=each,
        where=conditions(where or (), at, _fields(graphs, at)),
        before=before,
        item=item,
        label=label,
        most=most,
        negatives=negatives,
        sample=sample,
        popular=popular,
        window=window,
        catalogue=catalogue,
        seed=seed,
        split=_shares(split),
        cuts=[parse_time(one) for one in cut or ()],
        gap=gap,
        lengths=_lengths(length or ()),
        side=side,
        exact=exact,
        keep_unknown=keep_unknown,
        inputs=None if contract is None else inputs_of(contract),
    )
    options = job.Options.of(
        tables, as_known=as_known, end=end, workers=workers, memory=memory, resume=resume
    )
    with steps() as progress:
        card = make(
            [one.compile() for one in graphs], events, out, recipe, by, options, progress, console.note
        )
    if json:
        console.emit_json({**card.to_json(), "out": str(out)})
        return
    _show(card, out)
    console.say(f"done in {time.monotonic() - began:,.1f} s")


def _show(card: Card, out: Path) -> None:
    """Tell what is in OUT, and the first rows of it."""
    from stream.trainset.preview import preview

    for line in _told(card, out):
        console.say(line)
    console.print_table("", ("", *card.parts), _parts(card))
    shown = preview(out / card.parts[next(iter(card.parts))].file, card)
    console.print_table(shown.title, shown.columns, shown.rows)


def _fields(graphs: Sequence[Graph], event: str) -> dict[str, Type]:
    return {name: type for graph in graphs for name, type in graph.events.get(event, {}).items()}


def _shares(text: str) -> list[float]:
    try:
        return [float(Decimal(share)) for share in text.split("/")]
    except InvalidOperation:
        raise BackfillError(
            f"--split: expected shares, found {text!r:.60}; write them like 80/10/10"
        ) from None


def _lengths(texts: Sequence[str]) -> dict[str, int]:
    found = {}
    for text in texts:
        name, equals, number = text.partition("=")
        if not (name and equals and number.isascii() and number.isdigit()):
            raise BackfillError(f"--length: expected NAME=N, found {text!r:.60}; write it like history=50")
        found[name] = int(number)
    return found


def _told(card: Card, out: Path) -> Iterator[str]:
    yield f"{out}: {card.rows:,} queries from {card.events['events']:,} events"
    for name, plan_id in card.plans.items():
        yield f"  graph {name}  {plan_id}"
    for what, n in (*card.left_out.items(), *card.notes.items()):
        yield f"  {what}  {n:,}"
    counts = [("quarantined events", card.events["quarantined"])]
    counts += [(f"unparsable {name}", n) for name, n in card.events["unparsable"].items()]
    counts += [
        (f"rows of table {name} without a key or a time", n) for name, n in card.events["dropped"].items()
    ]
    for what, n in counts:
        if n:
            yield f"  {what}  {n:,}"


def _parts(card: Card) -> Iterator[tuple[str, ...]]:
    parts = card.parts.values()
    yield "queries", *(console.show(part.rows) for part in parts)
    yield "from", *(_second(part.from_ms) for part in parts)
    yield "to", *(_second(part.to_ms) for part in parts)
    if any(part.candidates for part in parts):
        yield "candidates", *(console.show(part.candidates) for part in parts)
    for label in next(iter(parts)).labels:
        tallies = [part.labels[label] for part in parts]
        yield f"{label}, mean", *(console.show(tally.mean) for tally in tallies)
        for what in ("unknown", "empty"):
            counts = [getattr(tally, what) for tally in tallies]
            if any(counts):
                yield f"{label}, {what}", *map(console.show, counts)


def _second(ms: int | None) -> str:
    return "" if ms is None else f"{format_time(ms)[:19]}Z"
