"""A report as lines and tables, for a terminal and a page alike."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from headrace import console
from headrace.bench.equality import Tally
from headrace.bench.report import Figure, Report, Table
from headrace.bench.section import Section
from headrace.bench.setting import DECLARED, Setting
from headrace.bench.systems import KINDS
from headrace.machine import Machine

# What the paper reports of its own services (SenSys 2026, DOI 10.1145/3774906.3800493).
_FIGURES = """\
AutoFeature's own figures, end to end against features extracted one by one: CP 1.72 to 3.44x, KP 1.33
to 1.44x, SR 1.41 to 4.43x, PR 1.82 to 2.18x, VR 3.93 to 4.49x; extraction alone, a request each 10 s,
7.3x without redundancy to 336x with 90 % of it; its Decoded Log takes 2.61x and its Feature Store 2.80x
the bytes of its log."""
_WHY = """\
They cannot be compared with ours one to one: they were taken on phones, in C++, on live services' logs,
against an inference of 10 to 13 ms that is part of each ratio; ours on this machine, in Python, on made
events of the published numbers of features, types and shared event names, with windows, attributes and
rates as far as the paper's text tells them. Its log holds compressed JSON; the JSON rows here are not
compressed."""
_MEANS = "means of doubles that were summed one by one, equal to 1e-12"
PAPER = tuple(text.replace("\n", " ") for text in (_FIGURES, _WHY))


def facts(report: Report) -> list[str]:
    """Return where, with what and on what the figures were taken, a line each."""
    setting = report.setting
    services = (
        f"services: {', '.join(setting.services)}; a heavy user, 1,260 events a day in the day's rhythm; the"
        f" latest {setting.events:,} events before 21:00, then requests"
    )
    events = f"{setting.events:,} events of {setting.days} days, then one a second"
    mixed = f"mixed: {setting.features} features, {events}"
    requests = (
        f"requests: {setting.requests} of ours a run, fewer of slow systems ({_shares(setting)}) and in"
        " sections that take many runs"
    )
    times = (
        "times: process CPU unless wall is said; medians over requests, then over seeds; an extraction"
        " decodes, pushes and reads; appending is apart"
    )
    seeds = f"seeds: {', '.join(map(str, setting.seeds))}"
    return [*about(report.machine), services, mixed, seeds, requests, times, f"took: {report.seconds:,.0f} s"]


def _shares(setting: Setting) -> str:
    return ", ".join(f"{setting.share(k.share)} {name}" for name, k in KINDS.items() if k.share > 1)


def about(machine: Machine) -> Iterator[str]:
    """Yield where and with what something was measured, a line each."""
    memory = "" if machine.memory_bytes is None else f", {console.show_bytes(machine.memory_bytes)} memory"
    yield f"machine: {machine.cpu}, {machine.cores} cores{memory}, {machine.system}"
    yield f"versions: {', '.join(f'{name} {version}' for name, version in machine.versions.items())}"
    if machine.load is not None:
        yield f"load average before: {' '.join(f'{load:.2f}' for load in machine.load)}"


def sections(report: Report, of: Mapping[str, Section]) -> Iterator[tuple[str, list[Table]]]:
    """Yield each measured section with its tables."""
    for name, records in report.records.items():
        if records:
            yield name, of[name].tables(records, report.setting)


def systems() -> Table:
    """Return what is timed side by side."""
    rows: list[tuple[object, ...]] = [(name, kind.what) for name, kind in KINDS.items()]
    return Table("Systems", ("system", "what it is"), rows, ("what it is",))


def equality(found: Tally, close: str = _MEANS) -> Table:
    """Return how many cells were compared and equal; CLOSE says which were near enough."""
    rows: list[tuple[object, ...]] = [
        (
            name,
            f"{cells - found.unequal[name]:,} of {cells:,}",
            found.close[name] or None,
            found.unequal[name] == 0,
        )
        for name, cells in found.cells.items()
    ]
    title = f"Cells equal to ours, of which {found.filled:,} are not null, zero or empty; close: {close}"
    return Table(title, ("compared with", "equal cells", "of them close", "all"), rows)


def figures(report: Report) -> list[Table]:
    """Return the figures, judged if the run has the declared size."""
    sizes = f"they are declared for {_size(DECLARED)}; this run has {_size(report.setting)}"
    unjudged = None if report.setting.is_declared else sizes
    return judged(report.figures, unjudged, ", as medians over the seeds with their range")


def judged(found: Sequence[Figure], unjudged: str | None, how: str = "") -> list[Table]:
    """Return the figures FOUND with their verdicts, or, without one, why they are UNJUDGED."""
    if unjudged is not None:
        told: list[tuple[object, ...]] = [(f.name, _spread(f)) for f in found]
        return [Table(f"Figures, not judged: {unjudged}", ("figure", "found"), told, ("figure",))]
    return [
        Table(
            f"Figures to reach: {bound}{how}",
            ("figure", "must", "aim", "found", "reached"),
            [
                (f.name, _with_unit(f, f.must), _with_unit(f, f.aim), _spread(f), _reached(f))
                for f in found
                if f.at_least is at_least
            ],
            ("figure",),
        )
        for bound, at_least in (("at least", True), ("at most", False))
    ]


def _reached(figure: Figure) -> str:
    if figure.aim_reached:
        return "aim"
    return "must" if figure.reached else "missed"


def _size(setting: Setting) -> str:
    return f"{setting.features} features, {setting.events:,} events, {len(setting.services)} services"


def _spread(figure: Figure) -> str:
    """Write the median, and the range where there are several values."""
    low, high = min(figure.values), max(figure.values)
    middle = _with_unit(figure, float(statistics.median(figure.values)))
    return f"{middle}" if low == high else f"{middle} ({_short(low)} to {_short(high)})"


def _with_unit(figure: Figure, value: float | None) -> str | None:
    if value is None:
        return None
    return f"{_short(value)}{figure.unit if figure.unit in ('', 'x') else f' {figure.unit}'}"


def _short(value: float) -> str:
    """Write VALUE with three digits, or whole."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
