"""`headrace demo`: a shop's held-out days on this machine, ranked by exact features, and what that cost."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.console import JsonOption, emit_json, note, print_table, progress, say, show_bytes
from headrace.errors import CHECK_FAILED

if TYPE_CHECKING:
    from headrace.retail.fleet.story import Told
    from headrace.retail.report import Equal, Extraction, Report, Spread


def command(
    out: Annotated[
        Path | None,
        typer.Option(help="Write graph.json, events.parquet, queries.parquet and features.parquet there."),
    ] = None,
    fleet: Annotated[
        bool, typer.Option("--fleet", help="Release to a fleet: a good version, then one that is halted.")
    ] = False,
    devices: Annotated[int, typer.Option(min=20, max=200, help="Of the fleet.")] = 50,
    stay: Annotated[
        bool, typer.Option("--stay", help="Keep the fleet's service, and its console, until Ctrl-C.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Rank real baskets by exact features and say the cost.

    A year of a gift shop's invoices is in the package. The history goes into a device log; the last two weeks
    arrive event by event, and before each invoice an embedded model ranks the whole catalogue. With --fleet
    fifty tills share the shop, a service releases the model to them, and then a worse one.
    """
    if fleet:
        _fleet(devices, stay=stay, json=json)
        return
    from headrace.retail.report import run

    report = run(progress, out)
    if json:
        emit_json(report)
    else:
        draw(report)
    if any(found.equal < found.cells for found in (report.reference_equal, report.naive_equal)):
        raise typer.Exit(CHECK_FAILED)


def _fleet(devices: int, *, stay: bool, json: bool) -> None:
    """Tell the story of a fleet; its progress goes to standard error."""
    from headrace.retail.fleet.story import tell

    def then(told: Told) -> None:
        if json:
            emit_json(told)
        else:
            draw_fleet(told)
        if stay:
            note("the service stays; stop it with Ctrl-C")
            with suppress(KeyboardInterrupt):
                Event().wait()

    began = time.monotonic()
    told = tell(lambda text: note(f"{time.monotonic() - began:5.1f} s  {text}"), devices, then)
    if not told.is_good:
        raise typer.Exit(CHECK_FAILED)


def draw_fleet(told: Told) -> None:
    """Print what the story of a fleet came to."""
    print_table(
        f"{told.tills} tills, a good version and a worse one",
        ["what", "found"],
        [
            ["version 1 runs on", f"{told.covered} of {told.tills} tills"],
            ["50 %, 90 %, all of them, s", f"{told.t50_s:.1f}, {told.t90_s:.1f}, {told.t100_s:.1f}"],
            ["bytes of version 1; of the model's difference", f"{told.bytes_first:,}; {told.bytes_worse:,}"],
            ["rankings that show what is bought, version 1 before", f"{told.before:.0%}"],
            *([f"the same, {a.name}, {a.tills} tills", f"{a.rate:.0%} of {a.shown:,}"] for a in told.arms),
            ["tills exposed to version 2 before the halt", f"{told.exposed} of {told.tills}"],
            ["until the gate halted it, s", f"{told.halt_s:.0f}"],
            ["from there until no till ran it, s", f"{told.back_s:.1f}"],
            ["values equal, before and after, bit for bit", _of(told.remembered)],
            ["values equal, these engines and new ones", _of(told.anew)],
        ],
    )
    say(f"the gate: {told.why}\ndone in {told.seconds:.0f} s")


def _of(cells: tuple[int, int]) -> str:
    return f"{cells[0]:,} of {cells[1]:,}"


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
        f"Cost on this machine, ms of process CPU; an extraction is for {report.items:,} candidates",
        ["step", "times", "median", "p99"],
        [
            ["append an event", report.streamed_events, *_spread(report.append)],
            ["extract, a customer's first", report.first.requests, *_spread(report.first.all)],
            ["extract, later", report.later.requests, *_spread(report.later.all)],
            ["bind, run the model, choose", report.requests, *_spread(report.ranking)],
        ],
    )
    print_table(
        "Some of these requests, ours and right after it the naive mode: medians, ms of process CPU",
        ["step", "requests", "ours", "naive", "naive / ours"],
        [
            ["extract, a customer's first", *_compared(report.first)],
            ["extract, later", *_compared(report.later)],
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

        say(
            f"served: {', '.join(FILES)} in {report.out}\ncompute them again"
            f" (own_pull decays: it may differ in its last bits):\n  {again(report.out)}"
        )


def _spread(spread: Spread) -> list[object]:
    return [spread.p50_ms, spread.p99_ms]


def _compared(found: Extraction) -> list[object]:
    return [found.compared, found.ours.p50_ms, found.naive.p50_ms, found.naive_ratio]


def _cells(found: Equal) -> str:
    return f"{found.equal:,} of {found.cells:,} cells, bit for bit, in {found.requests} requests"
