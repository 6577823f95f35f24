"""A chart as inline SVG: no style, no script, every text escaped; colours are classes. Pure.

1. Axes: from 0 to a round number, and round moments.
2. Lines: a path per run of known values; areas where they are stacked, the first at the bottom.
3. A column per moment with a <title>: what a pointer rests on tells its numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from deploy.cloud.console import words
from deploy.cloud.console.chart.scale import STEPS, Scale, ceiling, moments
from deploy.cloud.console.chart.series import Chart, Line

WIDTH: Final = 400
HEIGHT: Final = 190
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 12, 24
_ROOM: Final = 1.08  # above the largest value
_NEAR: Final = 3  # times the largest value: a limit beyond that would flatten all lines

Values = Sequence[float | None]


def svg(chart: Chart, id: str) -> str:
    """Return CHART as an SVG element whose parts are named by ID."""
    tops = _stacks(chart.lines)[1] if chart.stacked else [line.values for line in chart.lines]
    known = [value for values in tops for value in values if value is not None]
    limit = chart.limit if chart.limit is not None and chart.limit <= _NEAR * max(known, default=0) else None
    most = max([*known, limit or 0], default=0)
    top, step = ceiling(most * _ROOM) if chart.top is None else (chart.top, chart.top / STEPS)
    across = Scale(0, max(chart.length - 1, 1), LEFT, WIDTH - RIGHT)
    up = Scale(0, top, HEIGHT - BOTTOM, TOP)
    parts = [
        *_grid(chart, up, step),
        *_times(chart, across),
        *(_areas(chart, across, up) if chart.stacked else _lines(chart, across, up)),
        *_limit(limit, chart.limit_word, up),
        *_columns(chart, across),
    ]
    head = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{id}-t {id}-d">'
        f'<title id="{id}-t">{escape(chart.title)}</title><desc id="{id}-d">{escape(chart.said())}</desc>'
    )
    return head + "".join(parts) + "</svg>"


def _grid(chart: Chart, up: Scale, step: float) -> Iterator[str]:
    for n in range(STEPS + 1):
        y = up.at(n * step)
        kind = "axis" if n == 0 else "grid"
        yield f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        label = escape(chart.tick(n * step))
        yield f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>'


def _times(chart: Chart, across: Scale) -> Iterator[str]:
    end_ms = chart.begin_ms + max(chart.length - 1, 0) * chart.step_ms
    found, step_ms = moments(chart.begin_ms, end_ms)
    for at_ms in found:
        x = across.at((at_ms - chart.begin_ms) / chart.step_ms)
        if LEFT + 12 <= x <= WIDTH - RIGHT - 12:
            label = words.clock(at_ms, step_ms)
            yield f'<text class="tick" x="{x}" y="{HEIGHT - 8}" text-anchor="middle">{label}</text>'
    for at_ms, word in chart.marks:
        if chart.begin_ms <= at_ms <= end_ms:
            x = across.at((at_ms - chart.begin_ms) / chart.step_ms)
            line = f'<line class="mark" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}">'
            yield f"{line}<title>{escape(word)}</title></line>"


def _lines(chart: Chart, across: Scale, up: Scale) -> Iterator[str]:
    for line in reversed(chart.lines):  # the first one lies on top
        for run in _runs(line.values):
            points = [f"{across.at(place)} {up.at(value)}" for place, value in run]
            if len(points) == 1:
                x, y = points[0].split()
                yield f'<circle class="dot {line.kind}" cx="{x}" cy="{y}" r="2.5"/>'
            else:
                yield f'<path class="line {line.kind}" d="M{"L".join(points)}"/>'


def _areas(chart: Chart, across: Scale, up: Scale) -> Iterator[str]:
    bottoms, tops = _stacks(chart.lines)
    known = [n for n in range(chart.length) if any(line.values[n] is not None for line in chart.lines)]
    begin, end = (known[0], known[-1] + 1) if known else (0, 0)  # nothing is known before, or yet
    for line, low, high in zip(chart.lines, bottoms, tops, strict=True):
        there = [
            f"{across.at(place)} {up.at(value or 0)}"
            for place, value in enumerate(high[:end])
            if place >= begin
        ]
        back = [
            f"{across.at(place)} {up.at(value or 0)}"
            for place, value in enumerate(low[:end])
            if place >= begin
        ][::-1]
        yield f'<path class="area {line.kind}" d="M{"L".join([*there, *back])}Z"/>'


def _limit(limit: float | None, word: str, up: Scale) -> Iterator[str]:
    if limit is not None:
        y = up.at(limit)
        yield f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick over" x="{LEFT + 4}" y="{y - 4:.1f}">{escape(word)}</text>'


def _columns(chart: Chart, across: Scale) -> Iterator[str]:
    wide = (WIDTH - RIGHT - LEFT) / max(chart.length - 1, 1)
    for place, at_ms in enumerate(chart.moments):
        values = [
            f"{line.name}: {chart.show(value)}"
            for line in chart.lines
            if place < len(line.values) and (value := line.values[place]) is not None
        ]
        if values:
            x = max(LEFT, across.at(place) - wide / 2)
            told = "\n".join([words.when(at_ms) + " UTC", *values])
            size = f'width="{wide:.1f}" height="{HEIGHT - BOTTOM - TOP}"'
            yield f'<rect class="hit" x="{x:.1f}" y="{TOP}" {size}><title>{escape(told)}</title></rect>'


def _runs(values: Values) -> Iterator[list[tuple[int, float]]]:
    run: list[tuple[int, float]] = []
    for place, value in enumerate(values):
        if value is not None:
            run.append((place, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _stacks(lines: Sequence[Line]) -> tuple[list[list[float]], list[list[float]]]:
    """Return where each line begins and ends when it stands on those before it."""
    length = max((len(line.values) for line in lines), default=0)
    bottoms, tops, floor = [], [], [0.0] * length
    for line in lines:
        bottoms.append(floor)
        floor = [low + (value or 0) for low, value in zip(floor, line.values, strict=True)]
        tops.append(floor)
    return bottoms, tops
