"""`headrace demo`: a shop's held-out days on this machine, ranked by exact features, and what that cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.console import JsonOption, emit_json, print_table, progress, say, show_bytes
from headrace.errors import CHECK_FAILED

if TYPE_CHECKING:
    from headrace.retail.report import Equal, Extraction, Report, Spread


def command(
    out: Annotated[
        Path | None,
        typer.Option(help="Write graph.json, events.parquet, queries.parquet and features.parquet there."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Rank real baskets by exact features and say the cost.

    A year of a gift shop's invoices is in the package. The history goes into a device log; the last two weeks
    arrive event by event, and before each invoice an embedded model ranks the whole catalogue.
    """
    from headrace.retail.report import run

    report = run(progress, out)
    if json:
        emit_json(report)
    else:
        draw(report)
    if any(found.equal < found.cells for found in (report.reference_equal, report.naive_equal)):
        raise typer.Exit(CHECK_FAILED)


def draw(report: Report) -> None:
    """Print REPORT for people."""
    say(
        f"{report.history_events:,} events of {report.customers:,} customers in the log, then "
        f"{report.streamed_events:,} more one by one; {report.requests:,} baskets, each ranks all "
        f"{report.items:,} items by {report.features} features ({report.features_per_candidate} per item)\n"
    )
    print_table(
        "Next items: mean over baskets, 95 % bootstrap interval",
        ["ranking", "NDCG@10", "hit rate@10"],
        [[found.ranking, str(found.ndcg), str(found.hit)] for found in report.quality],
    )
    say(f"The model leads {report.lead.over} by {report.lead.ndcg} NDCG@10, {report.lead.hit} hit rate.\n")
    print_table(
        f"Cost on this machine, ms of wall time; an extraction is for {report.items:,} candidates",
        ["step", "times", "median", "p99", "naive median", "of", "naive / ours"],
        [
            ["append an event", report.streamed_events, *_spread(report.append), None, None, None],
            ["extract, a customer's first", *_extraction(report.first)],
            ["extract, later", *_extraction(report.later)],
            ["bind and run the model", report.requests, *_spread(report.ranking), None, None, None],
        ],
    )
    naive, reference = report.naive_equal, report.reference_equal
    say(
        f"log {show_bytes(report.log_bytes)}, state {show_bytes(report.state_bytes)} "
        f"for {report.state_keys:,} customers\n"
        f"equal to the naive mode: {_cells(naive)}\n"
        f"equal to the reference: {_cells(reference)}\n"
        f"done in {report.seconds:.0f} s"
    )
    if report.out is not None:
        from headrace.retail.record import FILES, again

        say(f"served: {', '.join(FILES)} in {report.out}\ncompute them again:\n  {again(report.out)}")


def _spread(spread: Spread) -> list[object]:
    return [spread.p50_ms, spread.p99_ms]


def _extraction(found: Extraction) -> list[object]:
    return [found.requests, *_spread(found.all), found.naive.p50_ms, found.compared, found.naive_ratio]


def _cells(found: Equal) -> str:
    return f"{found.equal:,} of {found.cells:,} cells, bit for bit, in {found.requests} requests"
