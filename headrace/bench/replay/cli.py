"""What people meet of the measurements of replay: one command."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from headrace import console
from headrace.bench.replay import page, told
from headrace.bench.replay.logs import LOGS
from headrace.bench.replay.logs.log import has_internal
from headrace.bench.replay.run import Report, run, steps
from headrace.bench.replay.setting import DECLARED, Setting
from headrace.bench.replay.systems import EXTRA
from headrace.errors import CHECK_FAILED, UsageError

PAGE = "REPLAY.md"


def replay(
    events: Annotated[
        int, typer.Option(min=1_000, help="Events of a log; figures are judged at the default alone.")
    ] = DECLARED.events,
    logs: Annotated[str, typer.Option(help="Measure over these logs, with commas between.")] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of the fast systems.")] = DECLARED.rounds,
    out: Annotated[Path | None, typer.Option(help=f"Write {PAGE} and its picture into this folder.")] = None,
    json: console.JsonOption = False,
) -> None:
    """Time replay against polars, DuckDB, pandas and plain Python.

    A Parquet scan is the limit. Each system answers in a process of its own, with one thread, and every cell
    that it gives is compared with ours. Cells that are not equal make the command fail; a missed figure
    is told as missed. All of it takes some ten minutes and 8 GB of memory; --events 500000 is a look.
    """
    _check()
    if out is not None and not out.is_dir():
        raise UsageError(f"expected a folder that exists, found {out}; correct --out")
    setting = Setting(events=events, logs=_logs(logs), rounds=rounds)
    with console.progress("measuring", steps(setting)) as done:
        report = run(setting, done)
    if out is not None:
        page.draw(report, out)
        (out / PAGE).write_text(page.markdown(report, _call(setting)), encoding="utf-8")
        console.note(f"written to {out / PAGE}")
    if json:
        console.emit_json(report.as_json())
    else:
        _print(report)
    if not report.equality.holds:
        raise typer.Exit(CHECK_FAILED)


def _check() -> None:
    """Raise ModuleNotFoundError, which names the extra, if somebody who is timed is not installed."""
    for name in ("pyarrow", *EXTRA, "matplotlib"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _logs(text: str) -> tuple[str, ...]:
    if not text:
        internal = [name for name in DECLARED.logs if LOGS[name].is_internal and not has_internal()]
        for name in internal:
            console.note(f"without {name}, which is an internal log: HEADRACE_DATA does not name its folder")
        return tuple(name for name in DECLARED.logs if name not in internal)
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if unknown := [name for name in names if name not in LOGS]:
        raise UsageError(f"expected logs of {', '.join(LOGS)}, found {unknown[0]!r:.60}; correct --logs")
    if internal := [name for name in names if LOGS[name].is_internal and not has_internal()]:
        raise UsageError(f"expected HEADRACE_DATA, found none, which has {internal[0]}; leave it out")
    return names


def _call(setting: Setting) -> str:
    logs = "" if setting.logs == DECLARED.logs else f" --logs {','.join(setting.logs)}"
    return f"headrace bench replay --events {setting.events} --rounds {setting.rounds}{logs}"


def _print(report: Report) -> None:
    for line in told.facts(report):
        console.say(line)
    console.say("")
    for table in (*told.costs(report), told.equality(report), *told.figures(report)):
        console.print_table(table.title, table.columns, table.rows, prose=table.prose)
    for difference in report.equality.differences:
        console.say(f"unequal: {difference}")
