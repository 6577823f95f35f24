"""The charts of a release and of a task, from what was counted in the steps of a window. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from deploy.cloud.console import words
from deploy.cloud.console.chart.series import Chart, Line
from deploy.cloud.console.rows import Series, Window
from deploy.gate.totals import Totals
from deploy.wire.report import LATENCY_BINS

MAX_COUNTERS = 6  # charts of business counters
MAX_STACKED = 6  # releases apart; the others are one

Values = tuple[float | None, ...]


def release_charts(
    window: Window,
    now: int,
    treated: Series,
    control: Series | None,
    before: tuple[int, int] = (0, 0),
    marks: Sequence[tuple[int, str]] = (),
    limit_us: int | None = None,
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
    """
    steps = min(window.count, (now - window.begin) // window.width + 1)
    arms = [("release", "release", treated)] + (
        [("control arm", "control", control)] if control is not None else []
    )

    def lines(value: Callable[[Series], Values]) -> tuple[Line, ...]:
        return tuple(Line(name, kind, value(series)) for name, kind, series in arms)

    def chart(title: str, unit: str, made: tuple[Line, ...], **more: object) -> Chart:
        return Chart(title, unit, window.begin_ms, window.step_ms, made, marks=tuple(marks), **more)  # type: ignore[arg-type]

    exposed = tuple(
        Line(name, kind, _cumulated(series, "state:active", steps, start))
        for (name, kind, series), start in zip(arms, before, strict=False)
    )
    slow = lines(lambda series: _latency(series, steps, 990))
    middle = Line("release, half of the runs", "second", _latency(treated, steps, 500))
    return [
        chart("Devices exposed", "devices that told that they run it, since it began", exposed),
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
        *(
            chart(
                name.replace("_", " ").capitalize(),
                "counted per 1,000 runs",
                lines(lambda series, name=name: _rate(series, f"counter:{name}", steps)),  # type: ignore[misc]
            )
            for name in _counters(treated, control)
        ),
    ]


def coverage_chart(window: Window, now: int, by_release: Mapping[str, Series]) -> Chart:
    """Return which releases the runs of a task were of, over time: the newest of the largest first."""
    steps = min(window.count, (now - window.begin) // window.width + 1)
    runs = {name: _steps(series, "runs", steps) for name, series in by_release.items()}
    largest = sorted(runs, key=lambda name: -sum(runs[name]))
    shown = [name for name in runs if name in largest[:MAX_STACKED] and sum(runs[name])]
    rest = [name for name in runs if name not in largest[:MAX_STACKED]]
    sums = [sum(column) for column in zip(*runs.values(), strict=True)] or [0] * steps
    lines = [Line(name, f"s{place}", _parts(runs[name], sums)) for place, name in enumerate(shown)]
    if rest:
        others = [sum(column) for column in zip(*(runs[name] for name in rest), strict=True)]
        lines.append(Line("others", "s-rest", _parts(others, sums)))
    title, unit = "What devices run", "of all runs that were told, by release"
    show = _percent
    return Chart(title, unit, window.begin_ms, window.step_ms, tuple(lines), show, show, stacked=True)


def _percent(part: float) -> str:
    return f"{100 * part:.3g} %"


def _parts(counts: Sequence[int], sums: Sequence[int]) -> Values:
    return tuple(count / all_ if all_ else None for count, all_ in zip(counts, sums, strict=True))


def _steps(series: Series, name: str, steps: int) -> list[int]:
    found = series.get(name, {})
    return [found.get(step, 0) for step in range(steps)]


def _cumulated(series: Series, name: str, steps: int, start: int) -> Values:
    return tuple(each + start if each + start else None for each in accumulate(_steps(series, name, steps)))


def _failing(series: Series, steps: int) -> Values:
    return _per_1000(
        [
            sum(c)
            for c in zip(_steps(series, "failures", steps), _steps(series, "crashes", steps), strict=True)
        ],
        series,
        steps,
    )


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
