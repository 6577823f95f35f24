"""The numbered invariants of featuregraph.windows, and durations as text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph import build
from featuregraph.errors import CompileError
from featuregraph.expr import Expr
from featuregraph.graph import Graph
from featuregraph.schema import EventSchema
from featuregraph.types import INT64_MAX, INT64_MIN
from featuregraph.windows import MAX_DURATION, MS, Window, format_duration, parse_duration, parse_offset

pytestmark = pytest.mark.device

TIMES = st.integers(-(2**62), 2**62)
DURATIONS = st.one_of(st.integers(1, 30), st.integers(1, MAX_DURATION), st.sampled_from(sorted(MS.values())))
OFFSETS = st.one_of(st.just(0), DURATIONS)
few = settings(max_examples=50)  # each compiles a graph
WINDOWS = st.builds(Window, st.one_of(st.none(), DURATIONS), OFFSETS, st.booleans())


def admits(window: Window, ts_ms: int, t: int) -> bool:
    """Tell whether SEMANTICS 3.1 and 3.2, read word by word, keep a row."""
    at = t - window.offset
    visible = ts_ms <= at if window.include_now else ts_ms < at
    if window.over is None:
        return visible
    since = at - window.over
    return visible and (ts_ms > since if window.include_now else ts_ms >= since)


@given(WINDOWS, TIMES, st.data())
def test_bounds_admit_what_the_contract_admits(window: Window, t: int, data: st.DataObject) -> None:
    """The test lo <= ts_ms < hi says the same as the clauses, at and around both ends and anywhere else."""
    lo, hi = window.bounds(t)
    near = [edge + step for edge in (lo, hi, t) for step in (-1, 0, 1)]
    ts_ms = data.draw(
        st.sampled_from([ts for ts in near if INT64_MIN <= ts <= INT64_MAX])
        | st.integers(INT64_MIN, INT64_MAX)
    )
    assert (lo <= ts_ms < hi) == admits(window, ts_ms, t)


@given(WINDOWS, TIMES, st.integers(-(10**9), 10**9))
def test_invariants(window: Window, t: int, d: int) -> None:
    """A window is as wide as it says, moves with t, follows its offset, and its bounds are int64."""
    lo, hi = window.bounds(t)
    assert INT64_MIN <= lo < hi <= INT64_MAX
    moved = window.bounds(t + d)
    if window.over is None:
        assert lo == INT64_MIN
        assert moved == (lo, hi + d)
    else:
        assert hi - lo == window.over
        assert moved == (lo + d, hi + d)
    assert window.bounds(t) == Window(window.over, 0, window.include_now).bounds(t - window.offset)


@few
@given(WINDOWS, TIMES)
def test_a_feature_is_partial_if_its_window_begins_before_the_history(window: Window, t: int) -> None:
    """A history from where the window begins is whole, one ms later partial; a lifetime is always partial."""
    count = build.aggregate("count", ["e"], over=window.over, offset=window.offset)
    schema = EventSchema("e", ())
    graph = Graph("g", {"n": Expr(count, frozenset({schema}))}, include_now=window.include_now)
    plan = graph.compile()
    begin, _ = window.bounds(t)
    assert plan.partial(t, None) == ()
    assert plan.partial(t, begin) == (("n",) if window.over is None else ())
    assert plan.partial(t, begin + 1) == ("n",)


@given(st.integers(0, MAX_DURATION))
def test_durations_survive_their_text(ms: int) -> None:
    """Every duration has one text that parses back to it; it never uses weeks."""
    text = format_duration(ms)
    assert parse_offset(text) == ms
    assert not text.endswith("w")
    if ms:
        assert parse_duration(text) == ms


@pytest.mark.parametrize(
    ("text", "ms", "canonical"),
    [
        ("1ms", 1, "1ms"),
        ("90s", 90_000, "90s"),
        ("60s", 60_000, "1m"),
        ("30m", 1_800_000, "30m"),
        ("24h", 86_400_000, "1d"),
        ("7d", 604_800_000, "7d"),
        ("1w", 604_800_000, "7d"),
        ("36h", 129_600_000, "36h"),
    ],
)
def test_durations(text: str, ms: int, canonical: str) -> None:
    """A duration is written in the largest of d, h, m, s, ms that divides it."""
    assert parse_duration(text) == ms
    assert format_duration(ms) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "d",
        "7 d",
        " 7d",
        "7d ",
        "7d\n",
        "-1d",
        "+1d",
        "1.5h",
        "1y",
        "7D",
        "1h30m",
        "\u0667d",
        "1_0d",
        7,
        None,
        b"7d",
    ],
)
def test_other_texts_are_refused(text: object) -> None:
    """Anything but one whole number and one unit does not compile; the message shows the way."""
    for parse in (parse_duration, parse_offset):
        with pytest.raises(
            CompileError, match=r'^span: expected a duration, .* found .*; write it like "90m" or "7d"$'
        ):
            parse(text, "span")


def test_limits() -> None:
    """A window is at least 1 ms, an offset may be 0; neither passes the bound that keeps times in int64."""
    assert parse_offset("0d") == 0
    with pytest.raises(CompileError, match=r"over: expected 1 to .* ms, found '0d'; give at least 1ms"):
        parse_duration("0d")
    assert parse_duration(f"{MAX_DURATION}ms") == MAX_DURATION
    for text in (f"{MAX_DURATION + 1}ms", "9999999999999999999w"):
        with pytest.raises(CompileError, match="leave it out for a lifetime"):
            parse_duration(text)
        with pytest.raises(CompileError, match=r"^half_life: .*; give at most"):
            parse_duration(text, "half_life")
        with pytest.raises(CompileError, match="offset: expected 0 to"):
            parse_offset(text)
