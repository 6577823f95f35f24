"""Conversion of raw values (SEMANTICS section 2), literals, and the public forms of internal values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from featuregraph.codegen import each
from featuregraph.convert import BAD, converted, converter, literal, text_of, to_json_value, to_public
from featuregraph.errors import CompileError
from featuregraph.types import (
    BOOLEAN,
    CATEGORY,
    FLOAT64,
    IDENTIFIER,
    INT64,
    INT64_MAX,
    INT64_MIN,
    STRING,
    TIMESTAMP,
    ListType,
    MapType,
    RecordType,
    Type,
    decimal,
    vector,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "vectors" / "02_fields.json"
ALL_TYPES = [
    INT64,
    TIMESTAMP,
    FLOAT64,
    BOOLEAN,
    STRING,
    CATEGORY,
    IDENTIFIER,
    decimal(0),
    decimal(18),
    vector(2),
]


def fitting(number: int) -> object:
    """Return NUMBER, or BAD if it is no int64."""
    return number if INT64_MIN <= number <= INT64_MAX else BAD


def parse_cases() -> list[Any]:
    """Return the golden cases that parse one field."""
    cases = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return [pytest.param(c, id=c["name"]) for c in cases if c["name"].startswith("parse_")]


@pytest.mark.parametrize("case", parse_cases())
def test_golden_fields(case: dict[str, Any]) -> None:
    """Each raw value of the golden parse cases converts to the value that the contract gives it."""
    type = Type.parse(case["graph"]["events"]["e"]["v"])
    convert, form = converter(type), to_json_value(type)
    raw = [e["v"] if "v" in e else e.get("attrs", {}).get("v") for e in case["events"]]
    values = [None if convert(r) is BAD else form(convert(r)) for r in raw]
    assert list(map(repr, values)) == list(map(repr, case["expected"][0]["v"]["v"]))


@pytest.mark.parametrize("type", ALL_TYPES, ids=str)
@pytest.mark.parametrize(
    "raw", [{}, {"a": 1}, [[1], [2]], b"1", object(), 1 + 0j, math.nan, math.inf, -math.inf]
)
def test_what_is_no_value_is_bad(type: Type, raw: object) -> None:
    """Objects, bytes, NaN and infinities belong to no type."""
    assert converter(type)(raw) is BAD


@pytest.mark.parametrize("type", ALL_TYPES, ids=str)
def test_null_stays_null(type: Type) -> None:
    """Null is no bad value."""
    assert converter(type)(None) is None


@pytest.mark.parametrize("type", [INT64, FLOAT64, TIMESTAMP, decimal(2)], ids=str)
@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1\n", "1_0", "0x1", "٣", "\uff11", "nan", "inf", "+", "-", ".", "e1", "true"]
)
def test_parsing_is_strict(type: Type, text: str) -> None:
    """Numbers are ASCII digits over the whole text: no spaces, underscores, other scripts or names."""
    assert converter(type)(text) is BAD


# ---------------------------------------------------------------- integers


@given(st.integers(), st.integers(0, 5000), st.booleans())
@example(INT64_MAX, 5000, True)
@example(INT64_MAX + 1, 0, False)
@example(INT64_MIN, 5000, False)
@example(INT64_MIN - 1, 0, False)
@example(10**5000, 0, False)
def test_int64_of_text_and_number(number: int, zeros: int, plus: bool) -> None:
    """An integer converts exactly from text of any length, and from the number itself."""
    sign = "-" if number < 0 else "+" if plus else ""
    digits = str(abs(number)) if number.bit_length() < 10_000 else "1" + "0" * 5000
    assert converter(INT64)(sign + "0" * zeros + digits) == fitting(number)
    assert converter(INT64)(number) == fitting(number)


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(2.0**63)
@example(-(2.0**63))
@example(0.5)
def test_int64_of_float_is_exact(number: float) -> None:
    """A float is an int64 only if it is integral and in range."""
    expected = fitting(int(number)) if number == int(number) else BAD
    assert converter(INT64)(number) == expected
    assert converter(INT64)(Decimal(number)) == expected


# ---------------------------------------------------------------- floats


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_float64_round_trips_through_text(number: float) -> None:
    """The shortest text of a double is that double; zero has no sign."""
    for raw in (number, repr(number), repr(number).upper(), Decimal(number)):
        value = converter(FLOAT64)(raw)
        assert value == number
        assert math.copysign(1, value) == (1 if number == 0 else math.copysign(1, number))


@given(st.integers())
@example(2**53 + 1)
@example(10**400)
def test_float64_of_int_is_nearest(number: int) -> None:
    """An integer becomes the nearest double, whatever its size."""
    try:
        expected: object = number / 1
    except OverflowError:
        expected = BAD
    assert converter(FLOAT64)(number) == expected


# ---------------------------------------------------------------- decimals


@given(
    st.sampled_from(["", "+", "-"]),
    st.text("0123456789", max_size=30),
    st.text("0123456789", max_size=30),
    st.one_of(st.none(), st.integers(-60, 60)),
    st.integers(0, 18),
)
@example("", "0", "125", None, 2)
@example("-", "0", "5", None, 0)
@example("", "92233720368547758", "075", None, 2)
@example("", "000", "", 60, 18)
def test_decimal_of_text_is_half_even(
    sign: str, whole: str, part: str, power: int | None, scale: int
) -> None:
    """A decimal is the exact number that is written, rounded half-even once."""
    text = f"{sign}{whole}.{part}" + (f"e{power:+d}" if power is not None else "")
    if not whole and not part:
        assert converter(decimal(scale))(text) is BAD
        return
    exact = Fraction(int((whole + part) or "0"), 10 ** len(part)) * Fraction(10) ** ((power or 0) + scale)
    assert converter(decimal(scale))(text) == fitting(round(-exact if sign == "-" else exact))


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 18))
@example(2.675, 2)
@example(0.125, 2)
@example(5e-324, 18)
def test_decimal_of_float_takes_its_exact_value(number: float, scale: int) -> None:
    """2.675 is a little less than it looks: a float counts with its exact value."""
    expected = fitting(round(Fraction(number) * 10**scale))
    assert converter(decimal(scale))(number) == expected
    assert converter(decimal(scale))(Decimal(number)) == expected


@pytest.mark.parametrize("type", [FLOAT64, decimal(2)], ids=str)
def test_huge_exponents_cost_nothing(type: Type) -> None:
    """An exponent of any size gives zero or an overflow at once."""
    convert = converter(type)
    many = "9" * 5000
    assert convert("1e999999999999") is BAD
    assert convert(f"-1e{many}") is BAD
    assert convert("1e-999999999999") == 0
    assert convert(f"1e-{many}") == 0
    assert convert(f"0e{many}") == 0
    assert convert("0." + "0" * 5000 + "15e5001") == (150 if type is not FLOAT64 else 1.5)
    assert convert("1" + "0" * 5000 + "e-5000") == (100 if type is not FLOAT64 else 1.0)


@pytest.mark.parametrize("type", [INT64, FLOAT64, decimal(2), BOOLEAN], ids=str)
@pytest.mark.parametrize("before", ["", "-", "1.", ".", "1e"])
def test_long_bad_texts_are_refused_in_one_pass(type: Type, before: str) -> None:
    """A million digits with a bad end are refused at once: the time does not grow with the square."""
    assert converter(type)(before + "1" * 10**6 + "x") is BAD


# ---------------------------------------------------------------- booleans, text


def test_boolean_takes_zero_and_one_only() -> None:
    """A boolean is true, false, 1 or 0, as text or as a number."""
    convert = converter(BOOLEAN)
    assert [convert(r) for r in (True, 1, 1.0, Decimal(1), "1", "true")] == [True] * 6
    assert [convert(r) for r in (False, 0, -0.0, Decimal(0), "0", "false")] == [False] * 6
    assert [convert(r) for r in (2, -1, 0.5, Decimal("0.5"), "True", "01", "")] == [BAD] * 7


def test_text_takes_integers_and_booleans() -> None:
    """Text is text itself, an int64 in base 10 or a boolean; an identifier is no boolean."""
    convert = converter(STRING)
    assert [convert(r) for r in ("", " é\x1f😀", 7, INT64_MIN, True)] == [
        "",
        " é\x1f😀",
        "7",
        str(INT64_MIN),
        "true",
    ]
    assert [convert(r) for r in (1.0, Decimal(1), INT64_MAX + 1, "\ud800", "é\udfff")] == [BAD] * 5
    assert converter(IDENTIFIER)(True) is BAD
    assert converter(IDENTIFIER)(-7) == "-7"


class Colour(IntEnum):
    """A subclass of int, as applications have them."""

    RED = 3


class Name(str):
    """A subclass of str that shows itself in another way."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return something else than the text."""
        return "shown"


class Metres(float):
    """A subclass of float, as NumPy's float64 is one."""

    __slots__ = ()


def test_subclasses_count_as_what_they_are() -> None:
    """Enums and NumPy floats convert like the plain number or text, and come out plain."""
    cases = [
        (INT64, Colour.RED, 3),
        (STRING, Colour.RED, "3"),
        (FLOAT64, Metres(1.5), 1.5),
        (STRING, Name("a"), "a"),
    ]
    for type, raw, expected in cases:
        value = converter(type)(raw)
        assert value == expected
        assert value.__class__ is expected.__class__


# ---------------------------------------------------------------- vectors


@given(
    st.lists(
        st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**130), 2**130)),
        min_size=3,
        max_size=3,
    )
)
@example([16777217, 2**60 + 2**36, 2**60 + 2**36 + 1])
@example([0.1, -1e-50, -0.0])
@example([3.4028235677973366e38, 0.0, 0.0])
def test_vector_takes_the_nearest_float32(raw: list[float]) -> None:
    """Each number becomes the nearest float32, rounded once; one that has none spoils the vector."""
    value = converter(vector(3))(raw)
    expected = [nearest_float32(x) for x in raw]
    if None in expected:
        assert value is BAD
    else:
        assert [x.hex() for x in value] == [None if x is None else x.hex() for x in expected]


def nearest_float32(x: float) -> float | None:
    """Return X rounded to float32's 24 bits (fewer below 2**-126) by exact arithmetic."""
    exact = Fraction(x)
    power = max(-126, len(bin(int(abs(exact)))) - 3 if abs(exact) >= 1 else math.frexp(x)[1] - 1)
    quantum = Fraction(2) ** (power - 23)
    nearest = round(exact / quantum) * quantum
    return None if abs(nearest) >= 2**128 else float(nearest)


@pytest.mark.parametrize(
    "raw", ["1,2", [1], [1, 2, 3], [1, None], [1, "2"], [True, 1], [1e39, 1], [math.nan, 1], 3]
)
def test_vector_is_a_list_of_exactly_n_numbers(raw: object) -> None:
    """Other lengths, elements that are no numbers, and numbers beyond float32 are bad."""
    assert converter(vector(2))(raw) is BAD


# ---------------------------------------------------------------- literals


@pytest.mark.parametrize(
    ("type", "raw", "value"),
    [
        (INT64, 3, 3),
        (TIMESTAMP, INT64_MIN, INT64_MIN),
        (FLOAT64, 1, 1.0),
        (FLOAT64, -0.0, 0.0),
        (BOOLEAN, True, True),
        (STRING, "é", "é"),
        (IDENTIFIER, 7, "7"),
        (decimal(2), "5.555", 556),
        (decimal(2), 0.2, 20),
        (decimal(2), 1, 100),
        *((type, None, None) for type in ALL_TYPES),
    ],
)
def test_literals(type: Type, raw: object, value: object) -> None:
    """A literal of its type is taken into the internal form; null is a literal of every type."""
    assert repr(literal(type, raw)) == repr(value)


@pytest.mark.parametrize(
    ("type", "raw"),
    [
        (INT64, "1"),
        (INT64, 0.5),
        (INT64, 1.0),
        (INT64, True),
        (INT64, 2**63),
        pytest.param(INT64, 10**5000, id="int64-huge"),
        (FLOAT64, "1"),
        (FLOAT64, math.inf),
        (FLOAT64, 10**400),
        (BOOLEAN, 1),
        (BOOLEAN, "true"),
        (STRING, 1),
        (CATEGORY, "\ud800"),
        (IDENTIFIER, True),
        (decimal(2), True),
        (decimal(2), "abc"),
        (decimal(2), "1e30"),
        (vector(2), [1, 2]),
    ],
)
def test_a_literal_of_another_type_does_not_compile(type: Type, raw: object) -> None:
    """What is not of the type is refused, with the type and an example in one line."""
    with pytest.raises(CompileError, match=f"literal of type {type.kind}.*; write") as error:
        literal(type, raw)
    assert "\n" not in str(error.value)


# ---------------------------------------------------------------- text and public forms


@given(st.integers(INT64_MIN, INT64_MAX), st.integers(0, 18))
def test_decimal_text_has_exactly_scale_digits(value: int, scale: int) -> None:
    """The text of a decimal is exact, has SCALE digits after the point, and parses to the same decimal."""
    text = text_of(decimal(scale))(value)
    assert Fraction(text) == Fraction(value, 10**scale)
    assert len(text.partition(".")[2]) == scale
    assert converter(decimal(scale))(text) == value


def test_text_of_values() -> None:
    """Text stands for itself, integers in base 10, booleans as true and false; floats have no text."""
    assert text_of(IDENTIFIER)("a") == "a"
    assert text_of(TIMESTAMP)(-5) == "-5"
    assert text_of(BOOLEAN)(False) == "false"
    with pytest.raises(AssertionError):
        text_of(FLOAT64)


FORMS: list[tuple[Any, Any, Any, Any]] = [
    (decimal(2), -5, Decimal("-0.05"), "-0.05"),
    (vector(2), (1.0, 0.5), [1.0, 0.5], [1.0, 0.5]),
    (FLOAT64, 1.5, 1.5, 1.5),
    (ListType(decimal(1)), [15, None], [Decimal("1.5"), None], ["1.5", None]),
    (MapType(decimal(1), decimal(2)), {15: None}, {Decimal("1.5"): None}, [["1.5", None]]),
    (MapType(STRING, INT64), {"a": 1, "b": 2}, {"a": 1, "b": 2}, [["a", 1], ["b", 2]]),
    (RecordType((("p", decimal(1)),)), {"p": [1, None]}, {"p": [Decimal("0.1"), None]}, {"p": ["0.1", None]}),
]


@pytest.mark.parametrize(("type", "value", "public", "json_value"), FORMS)
def test_public_and_json_forms(type: Any, value: Any, public: Any, json_value: Any) -> None:
    """Every shape has a public form that the caller owns and a GRAPH_JSON form; null is null in both."""
    assert repr(to_public(type)(value)) == repr(public)
    assert repr(to_json_value(type)(value)) == repr(json_value)
    assert to_public(type)(None) is None
    assert to_json_value(type)(None) is None


@pytest.mark.parametrize("form", [to_public, to_json_value])
def test_forms_share_nothing_with_the_inside(form: Callable[[Any], Callable[[Any], Any]]) -> None:
    """A list that the caller changes is not the executor's."""
    inside = {"a": [1]}
    form(RecordType((("a", INT64),)))(inside)["a"].append(2)
    assert inside == {"a": [1]}


@pytest.mark.parametrize("type", ALL_TYPES, ids=str)
@given(
    values=st.lists(st.sampled_from([1, 1.0, True, "1", "a", "\ud800", "ä", Decimal(1), None, [1, 2], 2**70]))
)
def test_a_list_is_converted_as_its_values_are(type: Type, values: list[object]) -> None:
    """Also where all of it is text, which needs no look at each value; what has no form is null."""
    one = converter(type)
    expected = [None if (made := one(value)) is BAD else made for value in values]
    found = converted(type, list(values))
    assert [(x.__class__, x) for x in found] == [(x.__class__, x) for x in expected]


@given(st.lists(st.sampled_from(["a", "b", "c", None])))
def test_a_costly_kernel_runs_once_for_what_comes_often(values: list[object]) -> None:
    """Each value gets what the kernel says of it, in its place."""
    calls: list[object] = []

    def kernel(value: object) -> object:
        calls.append(value)
        return (value,)

    assert each(kernel, values) == [(value,) for value in values]
    assert len(calls) < 2 * len(set(values)) or not values
