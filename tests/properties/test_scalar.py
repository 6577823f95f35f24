"""Scalar operators against a plain model in exact fractions (SEMANTICS 5.3 and 5.4)."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from featuregraph import build
from featuregraph.convert import BAD, converter
from featuregraph.ir import Node, Op
from featuregraph.scalar import KERNELS, OVERFLOW, kernel
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
    Type,
    decimal,
)

NUMBERS = [INT64, TIMESTAMP, FLOAT64, decimal(0), decimal(2), decimal(9)]
LOGIC = {Op.AND, Op.OR, Op.NOT, Op.IS_NULL, Op.IS_IN, Op.FILL, Op.WHERE, Op.HASH}

int64s = st.one_of(
    st.integers(-9, 9),
    st.integers(INT64_MIN, INT64_MAX),
    st.sampled_from([INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, 2**53 + 1]),
)
floats = st.one_of(
    st.sampled_from([0.0, 0.1, -0.3, 1.0, -2.5, 5e-324, 1e-200, -1e308, 1e308, 2.0**63, 9007199254740992.0]),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0),
)
typed = st.sampled_from(NUMBERS).flatmap(lambda t: st.tuples(st.just(t), floats if t is FLOAT64 else int64s))


def run(op: Op, *args: tuple[Type, Any], **attrs: Any) -> Any:
    """Return the value of OP over typed internal values."""
    nodes = [build.given(Op.REQUEST, str(i), type) for i, (type, _) in enumerate(args)]
    return kernel(build.scalar(op, nodes, **attrs))(*(value for _, value in args))


def exact(type: Type, value: Any) -> Fraction:
    """Return the exact number that an internal value stands for."""
    return Fraction(value) / Fraction(10**type.scale)


def nearest(value: Fraction) -> float | None:
    """Return the double nearest to VALUE, null beyond the doubles."""
    try:
        return float(value) + 0.0
    except OverflowError:
        return None


def same(left: object, right: object) -> bool:
    """Tell whether both are the same value of the same type, to the last bit."""
    return type(left) is type(right) and repr(left) == repr(right)


def model(op: Op, left: tuple[Type, Any], right: tuple[Type, Any]) -> Any:
    """Return the value of an arithmetic operator by the words of SEMANTICS 5.3."""
    a, b = exact(*left), exact(*right)
    with_float = FLOAT64 in (left[0], right[0])
    if with_float or op is Op.DIV:
        a, b = Fraction(nearest(a) or 0), Fraction(nearest(b) or 0)
    if op in (Op.DIV, Op.FLOORDIV, Op.MOD) and b == 0:
        return None
    result = {
        Op.ADD: lambda: a + b,
        Op.SUB: lambda: a - b,
        Op.MUL: lambda: a * b,
        Op.DIV: lambda: a / b,
        Op.FLOORDIV: lambda: Fraction(math.floor(a / b)),
        Op.MOD: lambda: a - b * math.floor(a / b),
    }[op]()
    if with_float or op is Op.DIV:
        return nearest(result)
    scales = [left[0].scale, right[0].scale]
    scaled = result * 10 ** (sum(scales) if op is Op.MUL else max(scales))
    assert scaled.denominator == 1
    return scaled.numerator if INT64_MIN <= scaled <= INT64_MAX else OVERFLOW


# ---------------------------------------------------------------- arithmetic


@pytest.mark.parametrize("op", [Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.FLOORDIV, Op.MOD])
@given(left=typed, right=typed)
@example(left=(INT64, INT64_MIN), right=(INT64, -1))
@example(left=(FLOAT64, -1e-20), right=(FLOAT64, 1.0))
@example(left=(FLOAT64, 1e308), right=(FLOAT64, 5e-324))
@example(left=(decimal(0), 92233720368547759), right=(decimal(2), -100))
@example(left=(decimal(0), INT64_MAX), right=(decimal(2), 0))
def test_arithmetic(op: Op, left: tuple[Type, Any], right: tuple[Type, Any]) -> None:
    """Integers and decimals are exact or overflow; doubles are the exact result of doubles, rounded once."""
    if op in (Op.FLOORDIV, Op.MOD):
        assume("decimal" not in (left[0].kind, right[0].kind))
    assert same(run(op, left, right), model(op, left, right))


@given(typed)
@example((INT64, INT64_MIN))
@example((FLOAT64, 0.0))
def test_neg_and_abs(x: tuple[Type, Any]) -> None:
    """Neg and abs overflow at the one int64 without a counterpart; zero has no sign."""
    zero = (INT64, 0)
    assert same(run(Op.NEG, x), model(Op.SUB, zero, x))
    assert same(run(Op.ABS, x), model(Op.ADD if x[1] >= 0 else Op.SUB, zero, x))


@given(typed)
@example((FLOAT64, -1.0))
@example((FLOAT64, 5e-324))
@example((decimal(2), 25))
def test_sqrt(x: tuple[Type, Any]) -> None:
    """Sqrt is the double nearest to the root of the double x; null below zero."""
    value = nearest(exact(*x)) or 0.0
    root = run(Op.SQRT, x)
    if value < 0:
        assert root is None
        return
    # Correctly rounded: the root lies between the midpoints to the neighbours.
    low = (Fraction(root) + Fraction(math.nextafter(root, -1))) / 2
    high = (Fraction(root) + Fraction(math.nextafter(root, math.inf))) / 2
    assert root == 0 or low**2 <= Fraction(value)
    assert Fraction(value) <= high**2


@given(typed)
@example((FLOAT64, -1.0))
@example((decimal(2), -100))
def test_log1p_takes_every_number(x: tuple[Type, Any]) -> None:
    """log1p takes the double nearest to x; null from -1 down."""
    value = nearest(exact(*x)) or 0.0
    result = run(Op.LOG1P, x)
    assert (result is None) == (value <= -1)
    assert result is None or math.isclose(result, math.log1p(value), rel_tol=1e-15)


# ---------------------------------------------------------------- comparison, choice


@pytest.mark.parametrize("op", [Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE])
@given(left=typed, right=typed)
@example(left=(INT64, 2**53 + 1), right=(FLOAT64, 2.0**53))
@example(left=(decimal(2), 10), right=(FLOAT64, 0.1))
@example(left=(decimal(0), INT64_MAX), right=(decimal(9), 1))
def test_comparison(op: Op, left: tuple[Type, Any], right: tuple[Type, Any]) -> None:
    """Numbers compare by exact value, as doubles if one side is a double; no comparison overflows."""
    a, b = exact(*left), exact(*right)
    if FLOAT64 in (left[0], right[0]):
        a, b = Fraction(nearest(a) or 0), Fraction(nearest(b) or 0)
    expected = {Op.EQ: a == b, Op.NE: a != b, Op.LT: a < b, Op.LE: a <= b, Op.GT: a > b, Op.GE: a >= b}[op]
    assert run(op, left, right) is expected


@given(st.text(), st.text())
@example("\uff5e", "😀")
def test_text_compares_by_utf8_bytes(a: str, b: str) -> None:
    """The order of text is that of its bytes, across the kinds of text."""
    assert run(Op.LT, (STRING, a), (CATEGORY, b)) is (a.encode() < b.encode())
    assert run(Op.EQ, (IDENTIFIER, a), (STRING, b)) is (a == b)


@given(typed, typed)
@example((decimal(0), INT64_MAX), (decimal(2), 0))
def test_choice_brings_both_sides_to_one_type(a: tuple[Type, Any], b: tuple[Type, Any]) -> None:
    """The chosen value is as if zero of the other type were added; the one not chosen never overflows."""
    for chosen, other in ((a, b), (b, a)):
        zero = (other[0], 0.0 if other[0] is FLOAT64 else 0)
        expected = model(Op.ADD, chosen, zero)
        assert same(run(Op.WHERE, (BOOLEAN, True), chosen, other), expected)
        assert same(run(Op.WHERE, (BOOLEAN, None), other, chosen), expected)
        assert same(run(Op.FILL, chosen, other), expected)
        assert same(run(Op.FILL, (other[0], None), chosen), expected)


@given(typed, st.data())
def test_bucketize_and_clip(x: tuple[Type, Any], data: st.DataObject) -> None:
    """Bucketize counts the edges <= x in any order; clip is the middle of lo, x and hi."""
    type, value = x
    values = floats if type is FLOAT64 else int64s
    edges = tuple(data.draw(st.lists(values, max_size=6)))
    arg = build.given(Op.REQUEST, "x", type)
    buckets = kernel(Node(Op.BUCKETIZE, INT64, [arg], edges=edges))
    assert buckets(value) == sum(e <= value for e in edges)
    lo, hi = sorted((data.draw(values), data.draw(values)))
    assert kernel(Node(Op.CLIP, type, [arg], lo=lo, hi=hi))(value) == sorted((lo, value, hi))[1]
    assert kernel(Node(Op.CLIP, type, [arg], lo=None, hi=hi))(value) == min(value, hi)
    assert kernel(Node(Op.CLIP, type, [arg], lo=lo, hi=None))(value) == max(value, lo)


def test_is_in() -> None:
    """is_in tests equality with literals of x's type; null is in no list."""
    assert run(Op.IS_IN, (FLOAT64, 1.0), values=[1]) is True
    assert run(Op.IS_IN, (decimal(2), 150), values=["1.5", "2"]) is True
    assert run(Op.IS_IN, (STRING, "x"), values=[]) is False
    arg = build.given(Op.REQUEST, "x", INT64)
    assert kernel(Node(Op.IS_IN, BOOLEAN, [arg], values=(None, 1)))(None) is False


# ---------------------------------------------------------------- null and overflow


ATTRIBUTES: dict[Op, dict[str, Any]] = {
    Op.CAST: {"to": "string"},
    Op.CLIP: {"lo": 0},
    Op.BUCKETIZE: {"edges": [1]},
}


@pytest.mark.parametrize("op", sorted(set(KERNELS) - LOGIC))
def test_strict_operators_pass_null_and_overflow_on(op: Op) -> None:
    """Null gives null (a comparison: false), overflow gives overflow, and overflow comes before null."""
    attrs = ATTRIBUTES.get(op, {})
    nothing = False if op in (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE) else None
    kinds = (
        [STRING]
        if op is Op.CROSS
        else [INT64]
        if op in (Op.FLOORDIV, Op.MOD, Op.CAST)
        else [INT64, FLOAT64, decimal(2)]
    )
    for left in kinds:
        if build.RULES[op][0] == 1:
            assert run(op, (left, None), **attrs) is nothing
            assert run(op, (left, OVERFLOW), **attrs) is OVERFLOW
            continue
        for right in kinds:
            one = "1" if right is STRING else 1
            assert run(op, (left, None), (right, one)) is nothing
            assert run(op, (left, one), (right, None)) is nothing
            for a, b in ((OVERFLOW, one), (one, OVERFLOW), (None, OVERFLOW), (OVERFLOW, None)):
                assert run(op, (left, a), (right, b)) is OVERFLOW


TRUTHS = [True, False, None, OVERFLOW]


def fold(args: tuple[Any, ...], decides: bool) -> Any:
    """Return `and` (decided by false) or `or` (by true), read from left to right."""
    for a in args:
        if a is OVERFLOW:
            return OVERFLOW
        if bool(a) is decides:
            return decides
    return not decides


@given(st.lists(st.sampled_from(TRUTHS), min_size=2, max_size=4).map(tuple))
def test_logic_is_two_valued_and_lazy(args: tuple[Any, ...]) -> None:
    """Null counts as false; what comes after the deciding argument raises nothing."""
    typed_args = [(BOOLEAN, a) for a in args]
    assert run(Op.AND, *typed_args) is fold(args, decides=False)
    assert run(Op.OR, *typed_args) is fold(args, decides=True)


def test_logic_of_one_value() -> None:
    """Not takes null as false; is_null tests it; an overflow stays one."""
    assert [run(Op.NOT, (BOOLEAN, a)) for a in TRUTHS] == [False, True, True, OVERFLOW]
    assert [run(Op.IS_NULL, (BOOLEAN, a)) for a in TRUTHS] == [False, False, True, OVERFLOW]
    assert run(Op.IS_IN, (INT64, OVERFLOW), values=[1]) is OVERFLOW
    assert run(Op.HASH, (INT64, OVERFLOW), buckets=9) is OVERFLOW
    assert run(Op.HASH, (INT64, None), buckets=9) == 0


@pytest.mark.parametrize("types", [(INT64, INT64), (INT64, FLOAT64), (decimal(2), INT64)])
def test_choice_lets_an_unneeded_overflow_vanish(types: tuple[Type, Type]) -> None:
    """Only the chosen value counts, be it null or overflow."""
    left, right = types
    assert run(Op.FILL, (left, 0), (right, OVERFLOW)) == 0
    assert run(Op.FILL, (left, None), (right, OVERFLOW)) is OVERFLOW
    assert run(Op.FILL, (left, OVERFLOW), (right, 0)) is OVERFLOW
    assert run(Op.FILL, (left, None), (right, None)) is None
    for cond, expected in ((True, None), (False, OVERFLOW), (None, OVERFLOW), (OVERFLOW, OVERFLOW)):
        assert run(Op.WHERE, (BOOLEAN, cond), (left, None), (right, OVERFLOW)) is expected


# ---------------------------------------------------------------- cast


@given(typed, st.sampled_from([*NUMBERS, BOOLEAN]))
@example((decimal(2), -199), INT64)
@example((FLOAT64, -2.9), INT64)
@example((FLOAT64, 2.0**63), INT64)
@example((decimal(2), 125), decimal(0))
@example((FLOAT64, 0.125), decimal(2))
def test_cast_between_numbers(x: tuple[Type, Any], to: Type) -> None:
    """To int64 cuts, to decimal rounds half-even, to float64 goes to nearest; what does not fit is null."""
    value = exact(*x)
    expected: object
    if to is BOOLEAN:
        expected = value != 0
    elif to is FLOAT64:
        expected = nearest(value)
    else:
        scaled = round(value * 10**to.scale) if to.kind == "decimal" else math.trunc(value)
        expected = scaled if INT64_MIN <= scaled <= INT64_MAX else None
    assert same(run(Op.CAST, x, to=to), expected)


@given(
    st.one_of(st.text(max_size=6), st.floats().map(str), st.integers().map(str)),
    st.sampled_from([*NUMBERS, BOOLEAN]),
)
def test_cast_of_text_parses(text: str, to: Type) -> None:
    """Text casts as it would be read from a field; what is no such text is null."""
    value = converter(to)(text)
    assert same(run(Op.CAST, (STRING, text), to=to), None if value is BAD else value)


def test_cast_of_booleans_and_texts() -> None:
    """A boolean is 1 or 0, or its text; text is text of every kind."""
    assert same(run(Op.CAST, (BOOLEAN, True), to=INT64), 1)
    assert same(run(Op.CAST, (BOOLEAN, True), to=FLOAT64), 1.0)
    assert same(run(Op.CAST, (BOOLEAN, True), to=decimal(2)), 100)
    assert same(run(Op.CAST, (BOOLEAN, False), to=STRING), "false")
    assert same(run(Op.CAST, (BOOLEAN, True), to=BOOLEAN), True)
    assert same(run(Op.CAST, (decimal(2), -50), to=STRING), "-0.50")
    assert same(run(Op.CAST, (CATEGORY, "é"), to=IDENTIFIER), "é")


# ---------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("type", "value", "text"),
    [
        (STRING, "", ""),
        (STRING, "😀", "😀"),
        (INT64, INT64_MIN, "-9223372036854775808"),
        (decimal(2), 150, "1.50"),
        (BOOLEAN, True, "true"),
    ],
)
def test_hash_and_cross_take_the_text(type: Type, value: Any, text: str) -> None:
    """Hash is keyed BLAKE2b of the UTF-8 text, cross joins two texts by U+001F."""
    assert run(Op.CROSS, (type, value), (STRING, "b")) == text + "\x1fb"
    for seed, buckets in ((0, 2), (7, 1000), (2**63 - 1, 2**31), (2**64 - 1, 2**63)):
        digest = hashlib.blake2b(text.encode(), digest_size=8, key=seed.to_bytes(8, "little")).digest()
        expected = int.from_bytes(digest, "little") % (buckets - 1) + 1
        assert run(Op.HASH, (type, value), buckets=buckets, seed=seed) == expected


def test_every_scalar_operator_has_a_kernel() -> None:
    """Each operator that can be built can be computed."""
    assert set(build.RULES) == set(KERNELS)
