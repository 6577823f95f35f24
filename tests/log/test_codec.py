"""Stored bytes give back what was stored, bit for bit, whole or a few fields of it."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream import codec

pytestmark = pytest.mark.device

INTEGERS = st.integers() | st.integers(-(2**1000), 2**1000)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | st.text(st.characters(exclude_categories=["Cs"])) | INTEGERS | FLOATS
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
FIELDS = st.dictionaries(NAMES, VALUES, max_size=8)


def bits(value: object) -> object:
    """Return VALUE with its class, a float by its bits."""
    return struct.pack("<d", value) if isinstance(value, float) else (type(value), value)


@given(FIELDS)
def test_fields_come_back_exactly(fields: dict[str, Any]) -> None:
    """Text, integers of any size, floats by their bits, booleans and null are what they were."""
    bad: list[str] = []
    decoded = codec.full_decoder()(codec.encode(dict(fields), bad))
    assert {name: bits(value) for name, value in decoded.items()} == {n: bits(v) for n, v in fields.items()}
    assert bad == []


@given(FIELDS, st.lists(NAMES, unique=True, max_size=4))
def test_a_projection_is_a_part_of_the_whole(fields: dict[str, Any], names: list[str]) -> None:
    """A typed decoder gives the fields asked for, None for absent ones, whatever their names are."""
    found = codec.typed_decoder(names)(codec.encode(dict(fields), []))
    for place, name in enumerate(names):
        assert bits(getattr(found, f"f{place}")) == bits(fields.get(name))


@given(VALUES)
def test_a_column_comes_back_exactly(value: Any) -> None:
    """A column holds any scalar: as text or int64 where it is one, else as tagged JSON."""
    stored = codec.column(value, "c", [])
    assert bits(codec.column_value(stored)) == bits(value)
    assert type(stored) in (str, int, bytes, type(None))


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        [1],
        {"a": 1},
        (1,),
        b"x",
        bytearray(b"x"),
        {1},
        object(),
        1j,
        "\ud800",
        "a\udfff",
        2**1024,
        -(2**1024),
        Decimal("NaN"),
        np.float32("inf"),
        np.array([1, 2]),
    ],
)
def test_what_no_type_can_be_is_null_and_named(value: Any) -> None:
    """It is stored as null and reported by its name; the other fields are kept."""
    bad: list[str] = []
    assert codec.full_decoder()(codec.encode({"a": 1, "x": value, "é": "b"}, bad)) == {
        "a": 1,
        "x": None,
        "é": "b",
    }
    assert bad == ["x"]
    assert codec.column(value, "c", bad) is None
    assert bad == ["x", "c"]


class Text(str):
    """A text of a class of its own."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Text("a"), "a"),
        (np.int64(7), 7),
        (np.float64(0.1), 0.1),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(3), 3),
        (Decimal("1.10"), "1.10"),
        (Decimal("5.00"), 5),
        (Decimal("1E+999999"), "1E+999999"),
        (Decimal("-0"), 0),
    ],
)
def test_values_of_other_classes_stand_for_plain_ones(value: Any, plain: Any) -> None:
    """A NumPy scalar is its number, a Decimal its exact value, a subclass its base."""
    bad: list[str] = []
    decoded = codec.full_decoder()(codec.encode({"x": value}, bad))
    assert bits(decoded["x"]) == bits(plain)
    assert bad == []


@given(st.binary(max_size=60))
@example(b'{"x":' + b"[" * 100_000)
def test_damaged_bytes_are_an_error(stored: bytes) -> None:
    """No bytes make a decoder crash or hang: they give fields, ValueError or RecursionError."""
    for decode in (codec.full_decoder(), codec.typed_decoder(["a"]), codec.typed_decoder(['"'])):
        try:
            found = decode(stored)
        except (ValueError, RecursionError) as error:
            found = error
        assert found is not None
