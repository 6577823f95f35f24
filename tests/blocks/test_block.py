"""A block gives back what was written, to the bit, and refuses bytes that are no block."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph.convert import converter
from featuregraph.types import BOOLEAN, CATEGORY, FLOAT64, IDENTIFIER, INT64, STRING, TIMESTAMP, decimal
from stream.blocks.block import MOST_EVENTS, Block, write
from stream.blocks.column import pack_column
from stream.blocks.events import Events, order, write_events
from stream.blocks.fields import converted
from stream.blocks.ints import pack, pack_flags
from stream.blocks.runs import COLUMNS as COLUMN_NAMES
from stream.codec import encode, full_decoder
from stream.errors import BlockError

pytestmark = pytest.mark.device

INT64S = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.one_of(
    st.text(max_size=8),
    st.from_regex(r"\A[0-9a-f]{8}\Z"),
    st.uuids().map(str),
    st.integers(-5, 10**6).map(str),
    st.integers(0, 10**6).map(lambda n: f"i{n}"),
    st.decimals(-100, 100, places=2).map(str),
    st.sampled_from(["", "0", "-0", "-0.00", "-.50", "+1", "00", "0x1", "1_0", "1.", ".5", "a.5", "AB"]),
    st.sampled_from(["\u0663", "\U0001f600", "\x00", "-", "."]),
)
SCALARS: list[st.SearchStrategy[Any]] = [
    INT64S,
    st.integers(0, 3),
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**6), 10**6).map(lambda n: n / 100),
    st.sampled_from([0.0, -0.0, 0.1, 1e300, 5e-324, 1.0]),
    st.booleans(),
    TEXTS,
    st.sampled_from(["a", "b", "c"]),
    st.from_regex(r"\A[0-9a-f]{8}\Z"),
    st.uuids().map(str),
    st.integers(0, 10**6).map(lambda n: f"{n // 100}.{n % 100:02}"),
]
COLUMNS = st.sampled_from(SCALARS).flatmap(lambda s: st.lists(s, min_size=1, max_size=40))
WITH_NULLS = st.one_of(
    COLUMNS,
    st.sampled_from(SCALARS).flatmap(lambda s: st.lists(st.none() | s, min_size=1, max_size=40)),
    st.lists(st.none() | st.one_of(*SCALARS), min_size=1, max_size=20),
)


def exactly(values: list[Any]) -> list[tuple[str, str]]:
    """Return what tells values apart: class and shortest form, so that 1, 1.0, True and -0.0 are four."""
    return [(type(value).__name__, repr(value)) for value in values]


@given(WITH_NULLS, st.data())
def test_a_column_gives_back_its_values(values: list[Any], data: st.DataObject) -> None:
    """Whatever scalars stand in it, and whatever piece of it is read."""
    column = Block(write({"x": values}, [])).column("x")
    assert exactly(column.values()) == exactly(values)
    first = data.draw(st.integers(0, len(values)))
    last = data.draw(st.integers(first, len(values)))
    assert exactly(column.cut(first, last).values()) == exactly(values[first:last])


@given(st.lists(st.booleans(), max_size=40))
def test_flags_are_ones_and_zeros(flags: list[bool]) -> None:
    """To the byte: what packs them faster is no form of its own."""
    assert pack_flags(flags) == pack(list(map(int, flags)))


def test_an_event_without_its_fields_is_refused() -> None:
    """A block whose header knows no order of the fields of one of its events is damaged."""
    event = (1, 0, None, 1, 1, 2, None, 1, None, None, None)
    columns = {name: [value] for name, value in zip(COLUMN_NAMES, event, strict=True)}
    block = Events(write({**columns, ".a": [1]}, [(3, [0])]))
    with pytest.raises(BlockError, match="found none of 2"):
        block.rows()


TYPES = (
    INT64,
    FLOAT64,
    BOOLEAN,
    STRING,
    CATEGORY,
    IDENTIFIER,
    TIMESTAMP,
    decimal(0),
    decimal(2),
    decimal(18),
)


@given(WITH_NULLS, st.sampled_from(TYPES))
def test_typed_reading_is_the_converter_of_each_value(values: list[Any], type: Any) -> None:
    """What the form of a column makes unnecessary to ask gives the same as to ask (SEMANTICS 2)."""
    found, unsure = converted(Block(write({"x": values}, [])).column("x"), type)
    expected = [converter(type)(value) for value in values]
    assert exactly(found) == exactly(expected)
    assert unsure or all(value is None or type.kind for value in found)


@pytest.mark.parametrize(
    ("values", "most"),
    [
        ([f"{i * 7919:032x}" for i in range(512)], 16.2),
        ([f"{i:08x}-0000-4000-8000-{i:012x}" for i in range(512)], 16.2),
        ([f"i{i % 900}" for i in range(512)], 2.2),
        ([f"{i}.{i % 100:02}" for i in range(512)], 3.2),
        ([("view", "buy", "back")[i % 3] for i in range(512)], 0.4),
        ([i / 100 for i in range(512)], 2.2),
        ([1_700_000_000_000 + 997 * i + i % 7 for i in range(512)], 1.1),
        ([None] * 512, 0),
        ([7] * 512, 0),
    ],
)
def test_common_values_are_small(values: list[Any], most: float) -> None:
    """Ids, prices, categories and times take about the bytes that they differ in."""
    _, packed = pack_column(values)
    assert len(packed) <= most * len(values)


FIELDS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "é", "\n", ""]), st.none() | st.one_of(*SCALARS), max_size=6
)
ROWS = st.lists(
    st.tuples(
        st.sampled_from([3, 5]),
        st.sampled_from([1, 2]),
        INT64S,
        INT64S,
        st.none() | st.text(max_size=3),
        st.none() | TEXTS,
        st.none() | INT64S,
        st.lists(st.sampled_from([None, 7, "s", b"0.5", b"true"]), min_size=3, max_size=3),
        FIELDS,
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=200)
@given(ROWS, st.booleans(), st.data())
def test_events_come_back_as_they_were(rows: list[Any], alike: bool, data: st.DataObject) -> None:
    """Every column, and the stored fields to the byte, in any mixture of events and orders of fields."""
    events = []
    for id, (key, name, ts, seq, user, event_id, known, columns, fields) in enumerate(rows):
        stored = {"x": id, "y": "t", "z": 0.5, "w": None} if alike else fields
        events.append((ts, seq, user, id, key, name, event_id, known, *columns, encode(dict(stored), [])))
    events.sort(key=order)
    decode = full_decoder()
    block = Events(write_events(events, [decode(event[-1]) for event in events]))
    assert exactly([*map(tuple, block.rows())]) == exactly(events)
    assert block.decoded() == [(row, decode(row[-1])) for row in events]
    assert [list(fields) for _, fields in block.decoded()] == [list(decode(row[-1])) for row in events]
    block.check()
    first = data.draw(st.integers(0, len(events)))
    last = data.draw(st.integers(first, len(events)))
    assert block.rows(first, last) == events[first:last]
    for name in ("a", "b", "x", "unknown"):
        expected = [decode(event[-1]).get(name) for event in events]
        assert exactly(block.field(name).values()) == exactly(expected)


def test_left_out_is_not_null() -> None:
    """A field that an event leaves out, and one that is null, are two things in the stored bytes."""
    stored = [
        b'{"a":1,"b":2,"c":3,"d":4}',
        b'{"a":1,"c":null,"d":4}',
        b'{"b":2,"c":3}',
        b'{"a":1,"b":2,"d":4}',
    ]
    events = [(i, 0, None, i, 1, 2, None, i, None, None, None, text) for i, text in enumerate(stored * 3)]
    block = Events(write_events(events, [full_decoder()(event[-1]) for event in events]))
    assert block.block.has("?a")
    assert [event[-1] for event in block.rows()] == stored * 3


def sample() -> bytes:
    """Return a block with columns of all kinds."""
    rng = random.Random(1)
    columns: dict[str, list[Any]] = {
        "int": [rng.randrange(10**6) for _ in range(50)],
        "double": [rng.random() for _ in range(50)],
        "scaled": [rng.randrange(99) / 10 for _ in range(50)],
        "bool": [rng.random() < 0.5 for _ in range(50)],
        "plain": [rng.choice(("é", "long text " * 3, "")) + str(rng.random()) for _ in range(50)],
        "keyed": [rng.choice("abc") for _ in range(50)],
        "hex": [rng.randbytes(4).hex() for _ in range(50)],
        "mixed": [rng.choice((1, "a", 0.5, None, b"true")) for _ in range(50)],
    }
    return write(columns, [(1, [0])])


def read_all(data: bytes) -> list[Any]:
    """Return all values of a block."""
    block = Block(data)
    block.check()
    return [block.column(name).values() for name in block.names]


@pytest.mark.parametrize("seed", range(4))
def test_bytes_that_are_no_block_are_refused(seed: int) -> None:
    """Any change is a BlockError: every byte stands under a checksum or in a place of its own."""
    rng = random.Random(seed)
    whole = sample()
    for _ in range(300):
        data = bytearray(whole)
        match rng.randrange(4):
            case 0:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 1:
                del data[rng.randrange(len(data)) :]
            case 2:
                data += rng.randbytes(rng.randint(1, 9))
            case _:
                data = bytearray(rng.randbytes(rng.randrange(200)))
        with pytest.raises(BlockError) as caught:
            read_all(bytes(data))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(6))
def test_a_header_that_lies_is_refused(seed: int) -> None:
    """Sizes, counts and forms that were forged under right checksums give an error or values, and no more."""
    import zlib

    import msgspec

    from stream.blocks import block as module

    rng = random.Random(seed)
    whole = sample()
    _, size, _ = module._START.unpack_from(whole)
    start = module._START.size
    plain = msgspec.msgpack.decode(whole[start : start + size])
    refused = 0
    for _ in range(300):
        header = msgspec.msgpack.decode(msgspec.msgpack.encode(plain))
        forge(rng, header)
        packed = msgspec.msgpack.encode(header)
        forged = module._START.pack(1, len(packed), zlib.crc32(packed)) + packed + whole[start + size :]
        try:
            found = read_all(forged)
        except BlockError:
            refused += 1
        else:
            assert all(len(values) <= MOST_EVENTS for values in found)
    assert refused > 100


def forge(rng: random.Random, header: Any) -> None:
    """Change one number, text or part of HEADER, deep inside."""
    while isinstance(header, list) and header:
        place = rng.randrange(len(header))
        if isinstance(header[place], list) and header[place] and rng.random() < 0.9:
            header = header[place]
            continue
        header[place] = rng.choice([0, 1, -1, 2**31, 2**63 - 1, None, "", "int", [], 3, 8, 64, 65_536])
        return


def test_declared_sizes_are_bounded() -> None:
    """A block cannot make more of itself than lz4 can, nor hold more events than the bound."""
    with pytest.raises(BlockError, match="at most"):
        Block(write({"x": [1] * (MOST_EVENTS + 1)}, []))
