"""`headrace simulate loopback`: real agents and a real service on this machine, measured."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace import console

if TYPE_CHECKING:
    from deploy.simulate.loopback import Found


def loopback(
    devices: Annotated[int, typer.Option(min=1, max=2_000, help="Agents, each in a thread.")] = 300,
    poll: Annotated[int, typer.Option(min=1, max=900, help="Seconds between two checks of one.")] = 2,
    steady: Annotated[float, typer.Option(min=0.5, help="Seconds in which devices only ask.")] = 20.0,
    sqlite: Annotated[bool, typer.Option("--sqlite", help="Even where there is PostgreSQL.")] = False,
    json: console.JsonOption = False,
) -> None:
    """Measure real agents against the real service.

    The service runs in a process of its own, with a PostgreSQL that begins and ends with this. Agents are
    real but for the engine: they ask, believe, download, install and report over HTTP, and run no model.
    """
    from deploy.simulate.loopback import Ways, run
    from headrace.retail.fleet import versions

    with tempfile.TemporaryDirectory(prefix="headrace-bundles-") as scratch:
        first, second = versions.first(Path(scratch) / "first"), versions.worse(Path(scratch) / "second")
        ways = Ways(devices, poll, steady_s=steady, idle_s=min(5.0, steady), sqlite=sqlite)
        found = run(first, second, ways, console.note)
    if json:
        console.emit_json(found)
    else:
        _print(found)


def _print(found: Found) -> None:
    rows: list[tuple[str, object]] = [
        ("50 %, 90 %, 99 % of devices, s", f"{found.t50_s:.1f}, {found.t90_s:.1f}, {found.t99_s:.1f}"),
        ("checks a second, at most", found.peak_checks_per_s),
        ("bytes a device: first release", round(found.first_bytes_per_device)),
        ("the same, the next one", round(found.origin_bytes_per_device)),
        (f"of {found.full_bytes:,} bytes, %", 100 * found.origin_bytes_per_device / found.full_bytes),
        ("checks a second while devices only ask", found.steady_checks_per_s),
        ("service's CPU s per million checks", found.cpu_s_per_million_checks),
        ("checks per core-second", found.checks_per_core_s),
        ("service's CPU without devices, % of a core", 100 * found.idle_cpu),
    ]
    title = f"{found.devices} real agents that ask every {found.poll_s} s, {found.database}"
    console.print_table(title, ("what", "value"), rows)
