"""Charts: what is drawn, said and tabled are the same numbers, and every text is escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sqlalchemy", reason="the extra service is not installed")

from deploy.cloud.console.chart.bars import bar
from deploy.cloud.console.chart.draw import HEIGHT, LEFT, WIDTH, svg
from deploy.cloud.console.chart.scale import Scale, ceiling, moments
from deploy.cloud.console.chart.series import Chart, Line
from deploy.cloud.console.rows import Window
from deploy.cloud.console.views.charts import release_charts, task_charts

EVIL = "</title><script>alert(1)</script>\"'"
HOUR = 3_600_000
VALUES = st.lists(st.none() | st.floats(0, 1e9), min_size=1, max_size=30)


def chart(*values: float | None, **more: object) -> Chart:
    """Return a chart of one line."""
    return Chart("Title", "unit", 0, HOUR, (Line("release", "release", values),), **more)  # type: ignore[arg-type]


def drawn(made: Chart) -> ET.Element:
    """Return a chart's SVG, read as XML."""
    return ET.fromstring(svg(made, "c"))  # noqa: S314 - our own


@given(VALUES, VALUES, st.booleans())
def test_every_chart_is_well_formed_and_stays_within(
    one: list[float], other: list[float], stacked: bool
) -> None:
    """Whatever the values, the SVG is XML and no coordinate lies outside of it."""
    length = max(len(one), len(other))
    lines = tuple(
        Line(name, name, (*values, *[None] * (length - len(values))))
        for name, values in (("release", one), ("control", other))
    )
    root = drawn(
        Chart("t", "u", 0, HOUR, lines, stacked=stacked, limit=10, limit_word="slow", marks=((0, "x"),))
    )
    for path in root.iter("path"):
        numbers = [float(each) for each in re.findall(r"-?[\d.]+", path.get("d") or "")]
        assert all(LEFT - 1 <= x <= WIDTH for x in numbers[::2])
        assert all(0 <= y <= HEIGHT for y in numbers[1::2])


def test_a_gap_is_a_gap() -> None:
    """Where nothing is known no line is drawn; a value alone is a dot."""
    root = drawn(chart(1, 2, None, 3, None, 4, 5))
    assert len(list(root.iter("path"))) == 2
    assert len(list(root.iter("circle"))) == 1


def test_sentence_and_table_say_what_is_drawn() -> None:
    """The last value, the largest, and a row per known moment, the newest first."""
    made = chart(1, 40, None, 3)
    assert made.said() == "release 3 (at most 40)."
    assert made.rows() == [(3 * HOUR, ["3"]), (HOUR, ["40"]), (0, ["1"])]
    titles = [one.text for one in drawn(made).iter("title")]
    assert titles == [
        "Title",
        "1970-01-01 00:00 UTC\nrelease: 1",
        "1970-01-01 01:00 UTC\nrelease: 40",
        "1970-01-01 03:00 UTC\nrelease: 3",
    ]
    assert drawn(made).find("desc").text == made.said()  # type: ignore[union-attr]


def test_nothing_known_is_said() -> None:
    """A chart without a value says so, and is drawn without a line."""
    assert chart(None, None).said() == "Nothing was reported yet."
    assert not list(drawn(chart(None)).iter("path"))


def test_texts_are_escaped() -> None:
    """Names, titles and words that are code make no element."""
    made = Chart(
        EVIL, EVIL, 0, HOUR, (Line(EVIL, "s0", (1, 2)),), limit=2, limit_word=EVIL, marks=((HOUR, EVIL),)
    )
    for text in (svg(made, "c"), bar(1, 2, EVIL, EVIL)):
        assert "<script" not in text
        assert not [one for one in ET.fromstring(text).iter() if one.tag == "script"]  # noqa: S314


def test_a_far_limit_does_not_flatten_the_lines() -> None:
    """A limit is drawn where the values come near it, and left out where they are far below."""
    assert drawn(chart(30, limit=50, limit_word="slow")).find("line[@class='limit']") is not None
    assert drawn(chart(3, limit=50, limit_word="slow")).find("line[@class='limit']") is None


@given(st.floats(1e-6, 1e12))
def test_the_top_of_an_axis_is_round_and_near(most: float) -> None:
    """At least the largest value, and at most two and a half times it; four steps to it."""
    top, step = ceiling(most)
    assert most * (1 - 1e-9) <= top <= 2.5 * most
    assert abs(4 * step - top) <= 1e-9 * top


@given(st.integers(0, 1 << 41), st.integers(0, 1 << 36))
def test_moments_are_few_and_round(begin: int, length: int) -> None:
    """At most six, each a multiple of the step, all within."""
    found, step = moments(begin, begin + length)
    assert len(found) <= 6
    assert all(at % step == 0 and begin <= at <= begin + length for at in found)


def test_a_scale_ends_at_its_ends() -> None:
    """What is beyond stands at the end; a scale of nothing stands at its start."""
    assert [Scale(0, 10, 100, 200).at(v) for v in (-5, 0, 5, 10, 50)] == [100, 100, 150, 200, 200]
    assert Scale(3, 3, 100, 200).at(3) == 100


def test_the_charts_of_a_release_are_its_counters() -> None:
    """Exposed adds up from before the window; rates are of runs; steps to come are left out."""
    treated = {
        "state:active": {0: 5, 2: 3},
        "runs": {0: 1_000, 1: 500},
        "failures": {0: 2},
        "crashes": {0: 1},
        "latency:40": {0: 995, 1: 500},
        "latency:44": {0: 5},
        "counter:clicked": {0: 100, 1: 25},
    }
    window = Window(100, 5, 96)
    charts = {one.title: one for one in release_charts(window, 110, treated, {"runs": {1: 10}}, (7, 0))}
    lines = {title: [line.values for line in one.lines] for title, one in charts.items()}
    assert lines["Exposed"] == [(12, 12, 15), (None, None, None)]
    assert lines["Failing"] == [(3.0, 0.0, None), (None, 0.0, None)]
    assert lines["Clicked"] == [(100.0, 50.0, None), (None, 0.0, None)]
    assert lines["Latency"][0] == (2**10.25 // 1, 2**10.25 // 1, None)
    assert "Coverage" not in charts


def test_what_devices_run_adds_up() -> None:
    """The parts of all releases are one whole; those beyond the sixth are one part."""
    counted = {f"r{n}": {"runs": {0: n + 1}} for n in range(9)}
    whole = task_charts(Window(0, 1, 5), 0, counted)[0]
    assert [line.name for line in whole.lines] == ["r3", "r4", "r5", "r6", "r7", "r8", "others"]
    assert sum(line.values[0] or 0 for line in whole.lines) == pytest.approx(1)
