"""What people meet of the measurements: one command, its options, and how a report reaches them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from headrace import console
from headrace.bench import plots, told
from headrace.bench.page import markdown
from headrace.bench.report import Report
from headrace.bench.run import run, steps
from headrace.bench.section import Section
from headrace.bench.sections import SECTIONS
from headrace.bench.setting import DECLARED, QUICK, Setting
from headrace.errors import CHECK_FAILED, UsageError

PAGE = "RESULTS.md"


def device(
    only: Annotated[str, typer.Option(help="Measure these sections, with commas between.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="A small run that is not judged.")] = False,
    requests: Annotated[
        int | None, typer.Option(min=1, help="Requests of ours a run; slow systems answer fewer.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds of the workloads, with commas between.")] = "",
    out: Annotated[Path | None, typer.Option(help=f"Write {PAGE} and pictures into this folder.")] = None,
    json: console.JsonOption = False,
) -> None:
    """Time the device engine against what one would write in its place.

    The five services of AutoFeature's paper and a mixed workload, every mode and baseline, in one process. A
    figure that is missed is told as missed; a run of another size than figures are declared for is not
    judged. Cells that are not equal make the command fail. All of it takes some ten minutes.
    """
    setting = _setting(quick, requests, seeds)
    sections = _sections(only)
    if out is not None:
        if not out.is_dir():
            raise UsageError(f"expected a folder that exists, found {out}; correct --out")
        plots.check()
    with console.progress("measuring", steps(setting, sections.values())) as done:
        report = run(setting, sections, done)
    if out is not None:
        drawn = plots.draw(report, out)
        (out / PAGE).write_text(
            markdown(report, SECTIONS, _call(only, quick, setting), drawn), encoding="utf-8"
        )
        console.note(f"written to {out / PAGE}")
    if json:
        console.emit_json(report.as_json())
    else:
        _print(report)
    if not report.equality.holds:
        raise typer.Exit(CHECK_FAILED)


def _setting(quick: bool, requests: int | None, seeds: str) -> Setting:
    base = QUICK if quick else DECLARED
    return replace(
        base,
        requests=base.requests if requests is None else requests,
        seeds=_seeds(seeds) if seeds else base.seeds,
    )


def _seeds(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and part.isascii() and len(part) < 10 for part in parts):
        raise UsageError(f"expected seeds such as 1,2,3, found {text!r:.60}; correct --seeds")
    return tuple(dict.fromkeys(map(int, parts)))


def _sections(only: str) -> Mapping[str, Section]:
    if not only:
        return SECTIONS
    names = [name.strip() for name in only.split(",")]
    if unknown := [name for name in names if name not in SECTIONS]:
        raise UsageError(
            f"expected sections of {', '.join(SECTIONS)}, found {unknown[0]!r:.60}; correct --only"
        )
    return {name: section for name, section in SECTIONS.items() if name in names}


def _call(only: str, quick: bool, setting: Setting) -> str:
    options = [f" --only {only}"] if only else []
    options += [" --quick"] if quick else []
    options += [f" --requests {setting.requests} --seeds {','.join(map(str, setting.seeds))}"]
    return "headrace bench device" + "".join(options)


def _print(report: Report) -> None:
    for line in told.facts(report):
        console.say(line)
    console.say("")
    for _, tables in told.sections(report, SECTIONS):
        for table in tables:
            console.print_table(table.title, table.columns, table.rows, prose=table.prose)
    for table in (told.equality(report.equality), *told.figures(report)):
        console.print_table(table.title, table.columns, table.rows, prose=table.prose)
    for difference in report.equality.differences:
        console.say(f"unequal: {difference}")
    for line in told.PAPER:
        console.say(line)
