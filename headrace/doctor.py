"""What is wrong here and how to mend it: facts are gathered in `examine`, judged in `headrace.health`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace import console, health
from headrace.errors import CHECK_FAILED
from headrace.health import Check, Verdict

_STYLE = {Verdict.OK: "green", Verdict.ABSENT: "dim", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


def command(
    folder: Annotated[Path, typer.Argument(help="Where logs would be written.")] = Path(),
    json: console.JsonOption = False,
) -> None:
    """Say what is wrong here and how to mend it."""
    checks = health.examine(folder)
    if json:
        console.emit_json({"ok": not health.failed(checks), "checks": checks})
    else:
        _print(checks)
    if health.failed(checks):
        raise typer.Exit(CHECK_FAILED)


def _print(checks: list[Check]) -> None:
    from rich.text import Text

    rows = [(Text(c.verdict, style=_STYLE[c.verdict]), c.name, c.found) for c in checks]
    console.print_table("", ("verdict", "what", "found"), rows, prose=("found",))
    for check in checks:
        if check.mend:
            console.say(f"{check.verdict}: {check.name}: {check.mend}")
    if not health.failed(checks):
        console.say("nothing is wrong here that headrace can see")
