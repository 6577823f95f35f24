"""The charts of a release and of a task, from what was counted in the steps of a window. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from deploy.cloud.console import words
from deploy.cloud.console.chart.series import Chart, Line
from deploy.cloud.console.rows import Series, Window
from deploy.gate.totals import Totals
from deploy.wire.report import LATENCY_BINS

MAX_COUNTERS: Final = 6  # charts of business counters
MAX_APART: Final = 6  # releases that are drawn apart

Values = tuple[float | None, ...]


def release_charts(
    window: Window,
    now: int,
    treated: Series,
    control: Series | None,
    before: tuple[int, int] = (0, 0),
    marks: Sequence[tuple[int, str]] = (),
    limit_us: int | None = None,
    covered: Values | None = None,
) -> list[Chart]:
    """Return the charts of a release and its control arm.

    Args:
        window: whose steps the series have.
        now: the minute; steps after it are not drawn.
        treated: of the release.
        control: of its control arm, None if it has none.
        before: how many devices of each ran it before the window.
        marks: moments to be shown, with a word each.
        limit_us: from which latency on a run is slow.
        covered: which part of the devices that are meant run the release, by step, if that is known.
    """
    steps = steps_of(window, now)
    arms = [("release", "release", treated)] + (
        [("control arm", "control", control)] if control is not None else []
    )

    def lines(value: Callable[[Series], Values]) -> tuple[Line, ...]:
        return tuple(Line(name, kind, value(series)) for name, kind, series in arms)

    def chart(title: str, unit: str, made: tuple[Line, ...], **more: Any) -> Chart:
        return Chart(title, unit, window.begin_ms, window.step_ms, made, marks=tuple(marks), **more)

    exposed = tuple(
        Line(name, kind, _cumulated(series, "state:active", steps, start))
        for (name, kind, series), start in zip(arms, before, strict=False)
    )
    slow = lines(lambda series: _latency(series, steps, 990))
    middle = Line("release, median", "second", _latency(treated, steps, 500))
    coverage = [] if covered is None else [_coverage(chart, covered)]
    return [
        chart("Exposed", "how often devices began to run it", exposed),
        chart("Failing", "of 1,000 runs, crashes included", lines(lambda series: _failing(series, steps))),
        chart(
            "Latency",
            "that 99 of 100 runs stay within",
            (*slow, middle),
            show=words.micros,
            tick=words.micros,
            limit=limit_us,
            limit_word="slow",
        ),
        *coverage,
        *(
            chart(
                name.replace("_", " ").capitalize(),
                "counted per 1,000 runs",
                lines(lambda series, name=name: _rate(series, f"counter:{name}", steps)),  # type: ignore[misc]
            )
            for name in _counters(treated, control)
        ),
    ]


def _coverage(chart: Callable[..., Chart], covered: Values) -> Chart:
    line = Line("release", "release", covered)
    return chart(
        "Coverage", "of the devices that are meant to run it", (line,), show=_percent, tick=_percent, top=1
    )


def steps_of(window: Window, now: int) -> int:
    """Return how many steps of WINDOW have begun at the minute NOW."""
    return min(window.count, (now - window.begin) // window.width + 1)


def task_charts(window: Window, now: int, by_release: Mapping[str, Series]) -> list[Chart]:
    """Return which releases the runs of a task were of, and how each of these does; the first ones apart."""
    steps = steps_of(window, now)
    runs = {name: _steps(series, "runs", steps) for name, series in by_release.items()}
    shown = sorted((name for name in runs if any(runs[name])), key=lambda name: -sum(runs[name]))[:MAX_APART]
    sums = [sum(column) for column in zip(*runs.values(), strict=True)] or [0] * steps
    kinds = {name: f"s{place}" for place, name in enumerate(name for name in runs if name in shown)}
    parts = [Line(name, kind, _parts(runs[name], sums)) for name, kind in kinds.items()]
    if rest := [runs[name] for name in runs if name not in shown and any(runs[name])]:
        parts.append(
            Line("others", "s-rest", _parts([sum(column) for column in zip(*rest, strict=True)], sums))
        )

    def chart(title: str, unit: str, lines: Iterable[Line], **more: Any) -> Chart:
        return Chart(title, unit, window.begin_ms, window.step_ms, tuple(lines), **more)

    def each(value: Callable[[Series], Values]) -> list[Line]:
        return [Line(name, kind, value(by_release[name])) for name, kind in kinds.items()]

    slow = each(lambda series: _latency(series, steps, 990))
    return [
        chart(
            "What devices run",
            "of all runs that were told, by release",
            parts,
            show=_percent,
            tick=_percent,
            stacked=True,
            top=1,
        ),
        chart("Failing", "of 1,000 runs, crashes included", each(lambda series: _failing(series, steps))),
        chart("Latency", "that 99 of 100 runs stay within", slow, show=words.micros, tick=words.micros),
    ]


def _percent(part: float) -> str:
    return f"{100 * part:.3g} %"


def _parts(counts: Sequence[int], sums: Sequence[int]) -> Values:
    return tuple(count / all_ if all_ else None for count, all_ in zip(counts, sums, strict=True))


def _steps(series: Series, name: str, steps: int) -> list[int]:
    found = series.get(name, {})
    return [found.get(step, 0) for step in range(steps)]


def _cumulated(series: Series, name: str, steps: int, start: int) -> Values:
    return tuple(each + start or None for each in accumulate(_steps(series, name, steps)))


def _failing(series: Series, steps: int) -> Values:
    failures, crashes = (_steps(series, name, steps) for name in ("failures", "crashes"))
    return _per_1000([f + c for f, c in zip(failures, crashes, strict=True)], series, steps)


def _rate(series: Series, name: str, steps: int) -> Values:
    return _per_1000(_steps(series, name, steps), series, steps)


def _per_1000(counts: Sequence[int], series: Series, steps: int) -> Values:
    runs = _steps(series, "runs", steps)
    return tuple(1_000 * count / ran if ran else None for count, ran in zip(counts, runs, strict=True))


def _latency(series: Series, steps: int, per_mille: int) -> Values:
    bins = [_steps(series, f"latency:{bin}", steps) for bin in range(LATENCY_BINS)]
    columns = ([each[step] for each in bins] for step in range(steps))
    return tuple(Totals(latency=column).latency_us(per_mille) for column in columns)


def _counters(treated: Series, control: Series | None) -> Iterator[str]:
    names = {name.partition(":")[2] for name in {**treated, **(control or {})} if name.startswith("counter:")}
    yield from sorted(names)[:MAX_COUNTERS]
