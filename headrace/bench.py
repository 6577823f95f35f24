"""What people meet of the measurements: the commands, and one report drawn as tables, Markdown or JSON."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from headrace import console
from headrace.ablation import SHARES, Cost, Figure, Report, Setting, run
from headrace.errors import CHECK_FAILED, UsageError
from headrace.machine import Machine


class Table(NamedTuple):
    """Cells under columns, in whatever form they are shown."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]
    prose: tuple[str, ...] = ()  # columns whose cells may be folded


def device(
    requests: Annotated[
        int, typer.Option(min=1, help="Requests, one every 5 s; slow modes answer fewer.")
    ] = 200,
    events: Annotated[int, typer.Option(min=1, help="Events before the first request.")] = 20_000,
    features: Annotated[int, typer.Option(min=1, help="Features of the graph.")] = 100,
    days: Annotated[int, typer.Option(min=2, help="Days that the events are spread over.")] = 7,
    seeds: Annotated[str, typer.Option(help="Seeds of the workloads, with commas between.")] = "1,2,3",
    out: Annotated[Path | None, typer.Option(help="Write the report as Markdown to this file.")] = None,
    json: console.JsonOption = False,
) -> None:
    """Time extraction in every engine mode, in one run.

    A figure that is missed is told as missed; a run of another size than figures are declared for is not
    judged. Cells that are not equal in all modes make the command fail.
    """
    setting = Setting(requests, events, features, days, _seeds(seeds))
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UsageError(f"expected a file in a folder that exists, found {out}; correct --out")
    with console.progress("measuring", setting.steps) as done:
        report = run(setting, done)
    if out is not None:
        out.write_text(markdown(report), encoding="utf-8")
        console.note(f"written to {out}")
    if json:
        console.emit_json(report.as_json())
    else:
        _print(report)
    if not report.equality.holds:
        raise typer.Exit(CHECK_FAILED)


def _seeds(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and part.isascii() and len(part) < 10 for part in parts):
        raise UsageError(f"expected seeds such as 1,2,3, found {text!r:.60}; correct --seeds")
    return tuple(dict.fromkeys(map(int, parts)))


# ---------------------------------------------------------------- what is told


def facts(report: Report) -> list[str]:
    """Return where, with what and on what the figures were taken, a line each."""
    setting = report.setting
    asked = ", ".join(f"{setting.requests_of(mode)} {mode}" for mode in SHARES)
    return [
        *_about(report.machine),
        f"history: {setting.events:,} events of {setting.days} days; {setting.features} features",
        f"seeds: {', '.join(map(str, setting.seeds))}",
        f"requests: one every 5 s with the 5 events between, per seed: {asked}; auto is incremental here",
    ]


def _about(machine: Machine) -> Iterator[str]:
    memory = "" if machine.memory_bytes is None else f", {console.show_bytes(machine.memory_bytes)} memory"
    yield f"machine: {machine.cpu}, {machine.cores} cores{memory}, {machine.system}"
    yield f"versions: {', '.join(f'{name} {version}' for name, version in machine.versions.items())}"
    if machine.load is not None:
        yield f"load average before: {' '.join(f'{load:.2f}' for load in machine.load)}"


def tables(report: Report) -> list[Table]:
    """Return the report as tables: times and sizes by mode, equality, figures."""
    return [_costs(report), _sizes(report), _equality(report), _figures(report)]


_COSTS: dict[str, Callable[[Cost], float]] = {
    "CPU ms": lambda cost: cost.cpu_ms,
    "p95 ms": lambda cost: cost.cpu_p95_ms,
    "wall ms": lambda cost: cost.wall_ms,
    "append us": lambda cost: cost.append_us,
    "cold ms": lambda cost: cost.cold_ms,
}


def _costs(report: Report) -> Table:
    rows: list[tuple[object, ...]] = []
    for mode in SHARES:
        costs = report.of(mode)
        times = [statistics.median(map(take, costs)) for take in _COSTS.values()]
        rows.append((mode, *times, _spread(report.ratios(mode), "x")))
    title = "Per request: median over the requests, then over the seeds; append takes a request's 5 events"
    return Table(title, ("mode", *_COSTS, "times faster than naive"), rows)


def _sizes(report: Report) -> Table:
    rows: list[tuple[object, ...]] = []
    for mode in SHARES:
        costs = report.of(mode)
        sizes = ([c.state_bytes for c in costs], [c.log_bytes for c in costs])
        rows.append((mode, *(console.show_bytes(int(statistics.median(found))) for found in sizes)))
    return Table("Sizes after the last request: median over the seeds", ("mode", "state", "log"), rows)


def _equality(report: Report) -> Table:
    found = report.equality
    rows: list[tuple[object, ...]] = [
        (name, f"{cells - found.unequal[name]:,} of {cells:,}", found.unequal[name] == 0)
        for name, cells in found.cells.items()
    ]
    title = f"Cells equal to those of incremental, of which {found.filled:,} are not null, zero or empty"
    return Table(title, ("compared with", "equal cells", "all"), rows)


def _figures(report: Report) -> Table:
    declared = f"{_size(Setting())} and a request every 5 s"
    if not report.setting.is_declared:
        told: list[tuple[object, ...]] = [(f.name, _spread(f.values, f.unit)) for f in report.figures]
        title = f"Figures, not judged: they are declared for {declared}; this run has {_size(report.setting)}"
        return Table(title, ("figure", "found"), told, ("figure",))
    rows: list[tuple[object, ...]] = [
        (figure.name, _must(figure), _spread(figure.values, figure.unit), figure.reached)
        for figure in report.figures
    ]
    return Table(
        f"Figures to reach, with {declared}", ("figure", "must", "found", "reached"), rows, ("figure",)
    )


def _size(setting: Setting) -> str:
    return f"{setting.features:,} features, {setting.events:,} events of {setting.days} days"


def _must(figure: Figure) -> str:
    return f"{'>=' if figure.at_least else '<='} {figure.must:g}{_unit(figure.unit)}"


def _spread(values: Sequence[float], unit: str) -> str:
    """Write the median of VALUES, and their range where there are several."""
    median = f"{console.show(float(statistics.median(values)))}{_unit(unit)}"
    if min(values) == max(values):
        return median
    return f"{median} ({console.show(float(min(values)))} to {console.show(float(max(values)))})"


def _unit(unit: str) -> str:
    return unit if unit in ("", "x") else f" {unit}"


# ---------------------------------------------------------------- how it is told


def _print(report: Report) -> None:
    for line in facts(report):
        console.say(line)
    console.say("")
    for table in tables(report):
        console.print_table(table.title, table.columns, table.rows, prose=table.prose)
    for difference in report.equality.differences:
        console.say(f"unequal: {difference}")


def markdown(report: Report) -> str:
    """Return the report as a Markdown page."""
    setting = report.setting
    call = (
        f"headrace bench device --requests {setting.requests} --events {setting.events}"
        f" --features {setting.features} --days {setting.days} --seeds {','.join(map(str, setting.seeds))}"
    )
    parts = [
        "# Results",
        f"Printed by `{call}`, in one run.",
        "\n".join(f"- {line}" for line in facts(report)),
    ]
    for table in tables(report):
        parts += [f"{table.title}:", _markdown_table(table)]
    if report.equality.differences:
        parts.append("\n".join(f"- unequal: {line}" for line in report.equality.differences))
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    lines = [table.columns, ("---",) * len(table.columns), *table.rows]
    return "\n".join(
        "| " + " | ".join(console.show(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )
