"""The reference against values worked out by hand, where the working is short enough to follow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from featuregraph.errors import EventError, FeatureOverflowError, RequestError
from featuregraph.graph import Graph
from featuregraph.reference import Log, answer, value
from featuregraph.reference.fields import UnparsableError, convert
from featuregraph.reference.zones import day_of_week, hour_of_day
from featuregraph.testing.exact import near
from featuregraph.types import FLOAT64, INT64, STRING, decimal, vector
from featuregraph.values import same

pytestmark = pytest.mark.device

BIG = 2**62


def _graph(features: Mapping[str, Any], **rest: Any) -> Graph:
    events = {"buy": {"price": "decimal(2)", "n": "int64", "item": "category", "w": "float64"}, "view": {}}
    return Graph.from_json({"format": 1, "graph": "g", "events": events, "features": features, **rest})


def _agg(agg: str, *, x: Any = None, stream: Mapping[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    form = {"agg": agg, "stream": {"events": ["buy"], **(stream or {})}, **rest}
    return form if x is None else {**form, "x": x}


def _buy(ts: int, **attrs: object) -> dict[str, Any]:
    return {"event": "buy", "user_id": "u", "ts_ms": ts, "attrs": attrs}


def _ask(features: Mapping[str, Any], events: Sequence[Mapping[str, Any]], t: int = 100, **rest: Any) -> Any:
    query = {"key": "u", "t": t, "request": rest.pop("request", {})}
    return answer(_graph(features, **rest), events, [query])[0].values


def _field(name: str) -> dict[str, str]:
    return {"field": name}


def _lit(raw: Any, type: str = "int64") -> dict[str, Any]:
    return {"lit": raw, "type": type}


def _op(op: str, *args: Any, **rest: Any) -> dict[str, Any]:
    return {"op": op, "args": list(args), **rest}


def test_a_window_holds_its_first_millisecond_and_not_the_query_time() -> None:
    """Over [90, 100) the event at 90 counts, those at 89 and 100 do not: 1 + 2 of four."""
    events = [_buy(89, n=8), _buy(90, n=1), _buy(99, n=2), _buy(100, n=4)]
    assert _ask({"s": _agg("sum", x=_field("n"), stream={"over": "10ms"})}, events)["s"] == 3


def test_decimals_stay_exact() -> None:
    """0.10 ten times is 1.00 with two digits, and its mean is the double nearest to 0.1."""
    events = [_buy(t, price="0.10") for t in range(10)]
    features = {"s": _agg("sum", x=_field("price")), "m": _agg("mean", x=_field("price"))}
    assert same(_ask(features, events), {"m": 0.1, "s": Decimal("1.00")})


def test_variance_is_rounded_once() -> None:
    """Of 1, 2, 3, 4: mean 5/2, squares 9/4 + 1/4 + 1/4 + 9/4 = 5, over four 1.25; std its root."""
    features = {"v": _agg("var", x=_field("n")), "s": _agg("std", x=_field("n"))}
    assert _ask(features, [_buy(n, n=n) for n in (1, 2, 3, 4)]) == {"s": 1.118033988749895, "v": 1.25}


def test_decayed_sum_halves_at_each_half_life() -> None:
    """At t = 100, half-life 10: 8 at 90 counts 4, 8 at 70 counts 1; after 1e12 half-lives nothing is left."""
    feature = _agg("decayed_sum", x=_field("w"), half_life="10ms")
    events = [_buy(90, w=8.0), _buy(70, w=8.0), _buy(-(10**13), w=1e300)]
    assert near(_ask({"d": feature}, events)["d"], 5.0, 1e-12)


def test_groups_are_ordered_by_utf8_bytes_and_looked_up_per_candidate() -> None:
    """Z sorts before a, é last; a candidate without rows gets the empty value 0."""
    events = [_buy(1, item="a"), _buy(2, item="é"), _buy(3, item="Z"), _buy(4, item="a"), _buy(5)]
    counts = _agg("count", stream={"by": _field("item")})
    features = {"m": counts, "c": {"lookup": counts, "key": {"candidate": "i", "type": "category"}}}
    values = _ask(features, events, request={"i": ["a", "b", None]})
    assert same(values, {"c": [2, 0, 0], "m": {"Z": 1, "a": 2, "é": 1}})


def test_only_what_is_needed_is_evaluated() -> None:
    """A product that leaves int64 raises nothing where last, where or a look-up leaves its row out."""
    product = _op("mul", _field("n"), _lit(BIG))
    events = [_buy(1, n=4, item="a"), _buy(2, n=1, item="b")]
    grouped = _agg("sum", x=product, stream={"by": _field("item")})
    features = {
        "last": _agg("sum", x=product, stream={"last": 1}),
        "lookup": {"lookup": grouped, "key": _lit("b", "string")},
        "where": _agg("sum", x=product, stream={"where": _op("lt", _field("n"), _lit(2))}),
    }
    assert _ask(features, events) == {"last": BIG, "lookup": BIG, "where": BIG}
    with pytest.raises(FeatureOverflowError, match="feature 'all'") as raised:
        _ask({"all": _agg("last", x=product)}, events)
    assert raised.value.feature == "all"


def test_a_sum_may_pass_over_the_top_and_come_back() -> None:
    """2**63 - 1 + 5 - 6 fits; without the - 6 it does not."""
    events = [_buy(1, n=2**63 - 1), _buy(2, n=5), _buy(3, n=-6)]
    feature = {"s": _agg("sum", x=_field("n"))}
    assert _ask(feature, events)["s"] == 2**63 - 2
    with pytest.raises(FeatureOverflowError):
        _ask(feature, events[:2])


def test_sequence_keeps_the_latest_row_per_value_then_cuts() -> None:
    """Of a, b, a, (null), c the latest per item are b, a, c; n=2 leaves a and c, aged 70 and 50."""
    events = [_buy(10, item="a"), _buy(20, item="b"), _buy(30, item="a"), _buy(40), _buy(50, item="c")]
    items = {"age": {"age": True}, "item": _field("item")}
    feature = _agg("sequence", n=2, items=items, distinct=_field("item"))
    assert _ask({"s": feature}, events)["s"] == {"age": [70, 50], "item": ["a", "c"]}


def test_a_comparison_brings_both_sides_to_float() -> None:
    """2**53 + 1 rounds to 2**53 as a double, so it equals it; two int64 values are told apart."""
    left = _lit(2**53 + 1)
    features = {"f": _op("eq", left, _lit(2.0**53, "float64")), "i": _op("eq", left, _lit(2**53))}
    assert _ask(features, []) == {"f": True, "i": False}


def test_a_decimal_sum_of_two_scales_overflows_only_if_its_result_does() -> None:
    """The left side alone leaves int64 at scale 2; the sum 92233720368547758.00 fits."""
    left, right = _lit("92233720368547759", "decimal(0)"), _lit("-1.00", "decimal(2)")
    assert _ask({"d": _op("add", left, right)}, [])["d"] == Decimal("92233720368547758.00")


@pytest.mark.parametrize(
    ("type", "raw", "expected"),
    [
        (INT64, "0" * 6000 + "7", 7),
        (INT64, "9" * 6000, None),
        (INT64, 10**400, None),
        (FLOAT64, 10**400, None),
        (decimal(2), 10**400, None),
        (INT64, "٣", None),
        (FLOAT64, "1e-99999999999", 0.0),
        (decimal(2), "1e-999999999999", 0),
        (decimal(2), "1e999999999999", None),
        (decimal(2), "0e999999999999", 0),
        (decimal(2), "-0.005", 0),
        (decimal(2), "-0.0150", -2),
        (decimal(18), "9.223372036854775807", 2**63 - 1),
        (STRING, "\ud800", None),
        (STRING, 2**64, None),
        (STRING, 1.0, None),
        (vector(2), [16777217, -0.0], (16777216.0, 0.0)),
        (vector(2), [2**60 + 2**36 + 1, 1e39], None),
        (vector(1), [2**60 + 2**36 + 1], (float(2**60 + 2**37),)),
        (vector(1), [True], None),
    ],
)
def test_parsing_at_its_edges(type: Any, raw: object, expected: object) -> None:
    """Whole text, ASCII, exact, in range, else unparsable (here None); no exponent costs time or memory."""
    try:
        found = convert(type, raw)
    except UnparsableError:
        found = None
    assert same(found, expected)


def test_zones_repeat_beyond_the_calendar_of_python() -> None:
    """Every four hundred years a zone shows the same hour of the same weekday, however far away."""
    noon = 1_720_000_000_000  # a summer day of 2024
    cycle = 146_097 * 86_400_000
    for zone in ("America/New_York", "UTC", "Australia/Lord_Howe"):
        far = noon + 500_000 * cycle
        later = noon + 5 * cycle
        assert hour_of_day(zone, far) == hour_of_day(zone, later)
        assert day_of_week(zone, far) == day_of_week(zone, noon)
    assert hour_of_day("UTC", -(2**63)) == (-(2**63) // 3_600_000) % 24


def test_an_event_that_is_refused_changes_nothing() -> None:
    """A taken position raises, names the place, and the log keeps what it had."""
    log = Log("user_id", {"buy": {"n": INT64}})
    log.append({**_buy(5, n=1), "seq": 0})
    with pytest.raises(EventError, match="free position"):
        log.append({**_buy(5, n=2), "seq": 0})
    log.append(_buy(5, n=3))
    assert [(row.seq, row.fields["n"]) for row in log.ordered("u")] == [(0, 1), (1, 3)]


def test_what_is_not_kept_is_counted() -> None:
    """Events without a key, duplicates, the quarantined and unparsable fields are each counted."""
    log = Log("user_id", {"buy": {"n": INT64}})
    log.arrive({"clock": 0})
    log.arrive({**_buy(1), "user_id": None})
    log.arrive({**_buy(1, n="x"), "event_id": "a"})
    log.arrive({**_buy(2), "event_id": "a"})
    log.arrive(_buy(300_001))
    assert log.counts == {"without_key": 1, "unparsable n": 1, "duplicate": 1, "quarantined": 1}


@pytest.mark.parametrize(
    "raw", [{"event": "buy"}, {"ts_ms": 1}, {**_buy(1), "seq": "x"}, {**_buy(1), "attrs": [1]}]
)
def test_an_event_needs_its_name_and_time(raw: Mapping[str, object]) -> None:
    """Without event or ts_ms, or with a seq or attrs of another form, an event is refused."""
    with pytest.raises(EventError, match="expected"):
        Log("user_id", {}).append(raw)


@pytest.mark.parametrize(
    "query",
    [
        {"key": ["u"], "t": 1},
        {"key": "u"},
        {"key": "u", "t": 2**63},
        {"key": "u", "t": 1, "request": {"c": "abc"}},
        {"key": "u", "t": 1, "request": {"c": [1], "d": [1, 2]}},
        {"key": "u", "t": 1, "request": ["c"]},
    ],
)
def test_a_query_of_another_form_is_refused(query: Mapping[str, Any]) -> None:
    """A list as key, a missing t, a candidate that is no list and lists of two lengths raise RequestError."""
    both = _op("add", {"candidate": "c", "type": "int64"}, {"candidate": "d", "type": "int64"})
    with pytest.raises(RequestError, match="expected"):
        answer(_graph({"f": both}), [], [query])


def test_value_is_the_plain_python_way() -> None:
    """One feature of one key, without tables."""
    graph = _graph({"n": _agg("count"), "s": _agg("sum", x=_field("price"))})
    assert same(value(graph, "s", [_buy(1, price="2.5")], "u", 9), Decimal("2.50"))


def test_deep_expressions_need_no_deep_stack() -> None:
    """An expression of the greatest depth that compiles is computed."""
    node = _lit(0)
    for _ in range(250):
        node = _op("add", node, _lit(1))
    assert _ask({"n": node}, [])["n"] == 250
